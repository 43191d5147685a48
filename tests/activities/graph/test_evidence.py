"""Answers become one graph that does not depend on their order, and stays small."""

import random
from itertools import pairwise, permutations

from activities.graph.evidence import MOST_LINES, fold
from activities.probe import Answer, Notes
from signals.entities import ClusterRef, Entity
from signals.incidents import Investigation, Relation

CLUSTER = ClusterRef(name="test", uid="5e1f")


def thing(name: str, uid: str | None = None, kind: str = "Pod") -> Entity:
    """Return an entity of the test's cluster."""
    return Entity(cluster=CLUSTER, kind=kind, name=name, namespace="shop", uid=uid)


def chain(length: int) -> Answer:
    """Return things in a row, each owning the next."""
    notes = Notes()
    row = [notes.saw(thing(f"p{number:04}", f"u{number:04}")) for number in range(length)]
    for above, below in pairwise(row):
        notes.relate(above, Relation.OWNS, below)
    return notes.answer()


def names(investigation: Investigation) -> list[str]:
    """Return the names of the nodes that were kept."""
    return [node.entity.name for node in investigation.nodes]


def test_a_thing_seen_by_name_and_by_uid_is_one_node() -> None:
    by_name, by_uid, pod = Notes(), Notes(), thing("web-0", "u1")
    account = thing("web", kind="ServiceAccount")
    by_name.relate(by_name.saw(pod), Relation.RUNS_AS, by_name.saw(account, seen="by name"))
    by_uid.saw(thing("web", "u2", kind="ServiceAccount"), secrets=0)
    for answers in permutations([by_name.answer(), by_uid.answer()]):
        found = fold([pod], answers)
        assert [node.entity.uid for node in found.nodes] == ["u1", "u2"]
        assert found.nodes[1].attributes == {"secrets": 0, "seen": "by name"}
        assert [(edge.source, edge.target) for edge in found.edges] == [(pod.key, found.nodes[1].id)]


def test_two_pods_that_had_one_name_stay_two() -> None:
    notes = Notes()
    notes.saw(thing("web-0", "old"))
    notes.saw(thing("web-0", "new"))
    assert len(fold([], [notes.answer()]).nodes) == 2


def test_the_order_of_answers_does_not_matter() -> None:
    answers = [chain(5), chain(9), Answer(findings=("b", "a")), Answer(missing=("c",), findings=("a",))]
    expected = fold([thing("p0003", "u0003")], answers)
    for _ in range(20):
        random.shuffle(answers)
        assert fold([thing("p0003", "u0003")], answers) == expected
    assert expected.findings == ("a", "b")


def test_what_is_far_from_the_subjects_is_cut_and_the_cut_is_said() -> None:
    found = fold([thing("p0050", "u0050")], [chain(100)], most=5)
    assert sorted(names(found)) == ["p0048", "p0049", "p0050", "p0051", "p0052"]
    assert names(found)[0] == "p0050"
    assert found.missing == ("95 of 100 things are left out: they are the farthest from the incident",)
    assert len(found.edges) == 4


def test_a_subject_known_by_name_only_is_the_middle_of_its_graph() -> None:
    assert names(fold([thing("p0007")], [chain(20)], most=1)) == ["p0007"]


def test_a_graph_of_five_thousand_things_is_cut_to_five_hundred() -> None:
    found = fold([thing("p0000", "u0000")], [chain(5000)])
    assert len(found.nodes) == 500
    assert len(found.model_dump_json()) < 256_000


def test_long_texts_lists_and_findings_are_cut_visibly() -> None:
    notes = Notes()
    notes.saw(thing("web-0", "u"), text="x" * 5000, many=[str(number) for number in range(100)])
    notes.findings.extend(f"finding {number:04}" for number in range(MOST_LINES + 7))
    found = fold([], [notes.answer()])
    assert found.nodes[0].attributes["text"].endswith("x…")
    assert found.nodes[0].attributes["many"][-1] == "+80 more"
    assert found.findings[-1] == "7 more lines are left out"


def test_nothing_found_is_an_empty_investigation() -> None:
    assert fold([thing("web-0")], []) == Investigation()
