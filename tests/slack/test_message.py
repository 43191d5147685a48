"""What an incident's message says, and that nothing in it is more than text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.slack.message import Doors, message
from signals.decisions import Inverse, PlannedAction
from signals.entities import Entity
from signals.incidents import Incident, IncidentState, Moment
from signals.people import Person, Role
from signals.receipts import ActionState
from tests.slack.fake import buttons, seen
from tests.slack.limits import elements, refused, texts
from tests.workers.cli.sample import CLUSTER, ID, NOW, event, incident, receipt, waiting

DOORS = Doors(
    temporal="http://temporal.example/incident",
    page="https://firebreak.example/incident",
    irreversible=frozenset({"evict_pod"}),
)
HOSTILE = (
    "<!channel> <@U123> <https://evil.example|Approve> *bold* `code` :siren: https://evil.example www.evil.example"
    " \u202etxt [Approve] @here &lt;!here&gt;\nApproved by lead"
)


def body(one: Incident, **other: Any) -> dict[str, Any]:
    return message(one, DOORS, **other).body


def asking(action: str = "isolate_pod") -> Incident:
    one = incident(IncidentState.AWAITING_APPROVAL, ActionState.STAGED, waiting(("lead",)))
    staged = one.receipts[0]
    changed = staged.action.model_copy(update={"type": action, "summary": f"{action} of web-0"})
    inverse = Inverse.NONE if action == "evict_pod" else Inverse.EXACT
    plan = staged.plan.model_copy(update={"action": changed, "inverse": inverse, "summary": changed.summary})
    return one.model_copy(
        update={
            "receipts": (staged.model_copy(update={"action": changed, "plan": plan, "expires_at": None}),)
        }
    )


def test_somebody_who_was_just_woken_reads_what_happened_and_what_they_are_asked() -> None:
    said = body(asking())
    text = seen(said)
    assert said["blocks"][0]["text"]["text"] == "Needs a decision: Shell redirected to the network in web-0"
    for told in (
        "pod/shop/web-0", "Tier 3 (isolate)", "confidence 0.87", "can be undone exactly", "lead",
        "2026-05-04 03:27 UTC", "nothing of this is written", "connections that are open already stay open",
        ID, "runtime-guardian",
    ):  # fmt: skip
        assert told in text, told
    assert buttons(said) == ["approve", "reject", "stand-down", "report", "temporal"]


def test_who_may_decide_is_named() -> None:
    people = (
        Person(name="ana", roles=(Role.LEAD,)),
        Person(name="ben"),
        Person(name="cem", roles=(Role.LEAD,)),
    )
    said = message(asking(), Doors(people=people)).body
    assert "lead: ana, cem" in seen(said).replace("\n", "")


def test_the_group_that_is_on_call_is_mentioned_where_somebody_is_asked_and_nowhere_else() -> None:
    doors = Doors(mention="S0ONCALL")
    wakes = {"type": "usergroup", "usergroup_id": "S0ONCALL"}
    assert json.dumps(wakes) in json.dumps(message(asking(), doors).body)
    assert json.dumps(wakes) not in json.dumps(message(incident(), doors).body)


def test_what_stands_can_be_undone_after_a_second_thought() -> None:
    said = body(incident())
    assert buttons(said) == ["undo", "extend", "stand-down", "report", "temporal"]
    confirmed = {one["action_id"]: "confirm" in one for one in elements(said["blocks"])}
    assert confirmed["firebreak.undo"]
    assert not confirmed["firebreak.extend"]


def test_what_policy_calls_irreversible_leads_to_the_page() -> None:
    said = body(asking("evict_pod"))
    assert "approve" not in buttons(said)
    assert "page" in buttons(said)
    assert "cannot be undone" in seen(said)
    alone = message(asking("evict_pod"), Doors(irreversible=DOORS.irreversible)).body
    assert f"firebreak approve {ID}" in seen(alone)


def test_what_cannot_be_undone_is_confirmed_where_policy_lets_it_be_approved_here() -> None:
    said = message(asking("evict_pod"), Doors()).body
    approve = next(one for one in elements(said["blocks"]) if one["action_id"] == "firebreak.approve")
    assert "evict_pod of web-0" in approve["confirm"]["text"]["text"]


def test_a_decision_stands_where_the_buttons_were() -> None:
    one = incident(IncidentState.CLOSED, ActionState.REVERTED)
    moments = (
        Moment(at=NOW, what="a person said: approve", detail="ana: seen it too"),
        Moment(at=NOW, what="answered", detail="applied: isolate pod/shop/web-0"),
    )
    said = body(one.model_copy(update={"timeline": moments}))
    assert buttons(said) == ["report", "temporal"]
    assert "approved by" in seen(said)
    assert "ana: seen it too" in seen(said)
    assert "applied: isolate" in seen(said)


def test_without_a_worker_the_message_says_what_was_last_known_and_has_no_buttons() -> None:
    known = Incident(summary=asking().summary, cluster=CLUSTER)
    said = body(known, whole=False)
    assert buttons(said) == ["report", "temporal"]
    assert "no worker answers" in seen(said)
    assert refused(said["blocks"]) == ""


def test_a_button_carries_the_incident_the_plan_and_a_nonce_and_nothing_else() -> None:
    approve = next(elements(body(asking())["blocks"]))
    assert set(json.loads(approve["value"])) == {"incident", "plan", "nonce"}
    undo = next(elements(body(incident())["blocks"]))
    assert json.loads(undo["value"])["plan"] == ""


def hostile(text: str, many: int = 1) -> Incident:
    """Return an incident of which an attacker has written every text, with so many entities."""
    one = asking()
    names = tuple(f"pod/shop/{text}{n}" for n in range(many))
    crowd = tuple(
        Entity(cluster=CLUSTER, kind="Pod", namespace="shop", name=f"{text}{n}") for n in range(many)
    )
    again = receipt(ActionState.STAGED)
    action = again.action.model_copy(update={"summary": text, "targets": crowd})
    assert isinstance(action, PlannedAction)
    plan = again.plan.model_copy(update={"action": action, "summary": text, "residual": (text, text + "2")})
    receipts = tuple(
        again.model_copy(
            update={
                "action": action.model_copy(update={"id": f"a-{n}"}),
                "plan": plan,
                "reason": text,
                "approved_by": text,
            }
        )
        for n in range(min(many, 50))
    )
    events = tuple(
        event(text).model_copy(update={"title": text, "subject": subject, "count": 10**9})
        for subject in crowd[:200]
    )
    found = one.investigation
    assert found
    return one.model_copy(
        update={
            "summary": one.summary.model_copy(update={"title": text, "entities": names[:50]}),
            "receipts": receipts,
            "events": events,
            "left_out": many,
            "investigation": found.model_copy(update={"findings": (text,) * many, "missing": (text,) * many}),
            "timeline": tuple(Moment(at=NOW, what="a person said: approve", detail=text) for _ in range(200)),
        }
    )


@settings(max_examples=60)
@given(st.text(min_size=0, max_size=3000) | st.sampled_from([HOSTILE, HOSTILE * 40, "&" * 3000, "\x00" * 999]),
       st.sampled_from([0, 1, 7, 500]))  # fmt: skip
def test_slack_takes_a_message_of_whatever_somebody_has_written_and_of_500_entities(
    text: str, many: int
) -> None:
    said = body(hostile(text, many))
    assert refused(said["blocks"]) == ""
    assert len(said["text"]) <= 3000


@pytest.mark.parametrize("whole", [True, False])
def test_text_of_an_attacker_mentions_nobody_links_nothing_and_is_no_button(whole: bool) -> None:
    said = message(hostile(HOSTILE), DOORS, whole=whole).body
    for block in said["blocks"]:
        assert "mrkdwn" not in json.dumps(block)
        assert '"type": "link"' not in json.dumps(block)
    shown = "\n".join(texts(said["blocks"]))
    for harm in ("https://evil", "www.evil", "@here", "\u202e", "@U123"):
        assert harm not in shown, harm
    for harm in ("<!", "<@", "<http", "*", "`"):
        assert harm not in said["text"], harm
    ours = {"approve", "reject", "stand-down", "report", "temporal"} if whole else {"report", "temporal"}
    assert set(buttons(said)) == ours
    assert all(
        one.get("url", "").startswith(("", "http://temporal", "https://firebreak"))
        for one in elements(said["blocks"])
    )
