"""A message that has gained fields keeps the bytes that an older version signed, until a field says something."""

from signals.decisions import OnExpiry, PlannedAction, Tier
from signals.entities import ClusterRef, Entity
from signals.envelope import canonical

OLD = {
    "id": "a", "type": "isolate_pod", "index": 0, "peer": None, "ttl_seconds": 60, "on_expiry": "ask",
    "summary": "cut it off",
    "targets": [
        {"cluster": {"name": "c", "uid": "u"}, "kind": "Pod", "name": "web", "namespace": "shop", "uid": "1"}
    ],
}  # fmt: skip


def test_what_says_nothing_new_has_the_bytes_that_it_always_had() -> None:
    assert canonical(PlannedAction.model_validate(OLD).model_dump(mode="json")) == canonical(OLD)


def test_what_says_something_new_is_in_the_bytes_and_comes_back() -> None:
    target = Entity(cluster=ClusterRef(name="c", uid="u"), kind="Pod", name="web", namespace="shop", uid="1")
    action = PlannedAction(
        id="a", type="evict_pod", targets=(target,), index=1, ttl_seconds=60, on_expiry=OnExpiry.RELEASE,
        summary="evict", deferred=True, tier=Tier.ESCALATE, asks="a person decides",
    )  # fmt: skip
    body = action.model_dump(mode="json")
    assert (body["deferred"], body["tier"], body["asks"]) == (True, 4, "a person decides")
    assert PlannedAction.model_validate(body) == action
