"""What of a write stands in the cluster, told from the live object alone.

Apply and revert both begin here, so both can be interrupted anywhere and simply run again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from activities.ports import Cluster, Manifest
from signals.envelope import canonical
from signals.errors import NotFound
from signals.plans import Write, WriteKind
from signals.subjects import ACTION, CASE, EXPIRES_AT, MANAGED_BY, MANAGER, MARK_PREFIX

_NAMING = frozenset({"apiVersion", "kind", "metadata", "status"})


class State(StrEnum):
    """How much of one write is in the cluster."""

    STANDS = "stands"
    ABSENT = "absent"
    """The object is there and holds nothing of this write; for a created object: it is not there."""
    GONE = "gone"
    """The object that was changed no longer exists: nothing to undo, nothing to hold."""


@dataclass(frozen=True)
class Sight:
    """One write and the live object. `drift` says in words what somebody else changed, or is empty."""

    write: Write
    state: State
    object: Manifest | None = None
    drift: str = ""


def moment(when: datetime) -> str:
    """Return a time as annotations carry it: RFC 3339, UTC, whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exclusion(key: str, value: str) -> dict[str, Any]:
    """Return the term by which the pods of one case leave a policy."""
    return {"key": key, "operator": "NotIn", "values": [value]}


def own_terms(policy: Mapping[str, Any], key: str) -> list[int]:
    """Return where in a policy's podSelector the terms with one key of ours stand."""
    terms = policy["spec"].get("podSelector", {}).get("matchExpressions", [])
    return [position for position, term in enumerate(terms) if term["key"] == key]


def without_ours(spec: Mapping[str, Any], keep: str = "") -> dict[str, Any]:
    """Return a policy's spec less every exclusion that any of our cases added, but those of one key."""
    selector = dict(spec.get("podSelector") or {})
    terms = selector.pop("matchExpressions", [])
    theirs = [term for term in terms if term["key"] == keep or not term["key"].startswith(MARK_PREFIX)]
    return {**spec, "podSelector": {**selector, **({"matchExpressions": theirs} if theirs else {})}}


def content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an object of ours says, less what names it and what other cases added to a policy."""
    rest = {key: value for key, value in manifest.items() if key not in _NAMING}
    return {**rest, "spec": without_ours(rest["spec"])} if "podSelector" in rest.get("spec", {}) else rest


def digest(policy: Mapping[str, Any]) -> str:
    """Return the hash of a policy's spec, without anything of ours."""
    return hashlib.sha256(canonical(without_ours(policy["spec"]))).hexdigest()


def changed_by(manifest: Mapping[str, Any]) -> str:
    """Return who last changed an object besides us, as far as the API server remembers."""
    entries = [
        entry
        for entry in manifest["metadata"].get("managedFields") or []
        if entry.get("manager") != MANAGER and not entry.get("subresource")
    ]
    last = max(entries, key=lambda entry: entry.get("time", ""), default=None)
    return str(last["manager"]) if last else "somebody"


async def look(cluster: Cluster, write: Write) -> Sight:
    """Return what of one write stands.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    try:
        there = await cluster.get(write.ref.model_copy(update={"uid": None}))
    except NotFound:
        return Sight(write, State.ABSENT if write.kind is WriteKind.CREATE else State.GONE)
    if write.kind is WriteKind.CREATE:
        return _created(write, there)
    if write.ref.uid and there["metadata"]["uid"] != write.ref.uid:
        return Sight(write, State.GONE, there)
    if write.kind is WriteKind.EVICT:
        ending = "deletionTimestamp" in there["metadata"]
        return Sight(write, State.GONE if ending else State.ABSENT, there)
    return _marked(write, there) if write.kind is WriteKind.MARK else _excluded(write, there)


def _created(write: Write, there: Manifest) -> Sight:
    wanted = write.manifest or {}
    labels = there["metadata"].get("labels") or {}
    ours = (wanted.get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != ours.get(key) for key in (MANAGED_BY, CASE, ACTION)):
        return Sight(write, State.ABSENT, there, f"{write.ref} exists and is not ours")
    if content(there) != content(wanted):
        return Sight(
            write, State.STANDS, there, f"{write.ref}, which is ours, was changed by {changed_by(there)}"
        )
    return Sight(write, State.STANDS, there)


def _marked(write: Write, there: Manifest) -> Sight:
    wanted = [("labels", *pair) for pair in write.labels.items()]
    wanted += [("annotations", *pair) for pair in write.annotations.items()]
    present = [(key, value, (there["metadata"].get(field) or {}).get(key)) for field, key, value in wanted]
    if all(live is None for _, _, live in present):
        return Sight(write, State.ABSENT, there)
    wrong = [key for key, value, live in present if live is None or timeless(live) != timeless(value)]
    drift = f"{wrong[0]} on {write.ref} was changed by {changed_by(there)}" if wrong else ""
    return Sight(write, State.STANDS, there, drift)


def retold(key: str, told: str, expires_at: str) -> str:
    """Return the story that an annotation of ours tells, with another expiry; all else as it is."""
    if not key.startswith(MARK_PREFIX):
        return told
    try:
        story = json.loads(told)
    except ValueError:
        return told
    return json.dumps({**story, EXPIRES_AT: expires_at}, separators=(",", ":"), sort_keys=True)


def timeless(text: str) -> str:
    """Return a value of ours without the expiry that it may tell: who extends it has not changed it."""
    try:
        story = json.loads(text)
    except ValueError:
        return text
    return json.dumps({**story, EXPIRES_AT: ""}, sort_keys=True) if isinstance(story, dict) else text


def _excluded(write: Write, there: Manifest) -> Sight:
    terms = there["spec"].get("podSelector", {}).get("matchExpressions", [])
    places = own_terms(there, write.key)
    altered = any(terms[place] != exclusion(write.key, write.value) for place in places)
    changed = altered or digest(there) != write.before
    drift = f"{write.ref} was changed by {changed_by(there)}" if changed else ""
    return Sight(write, State.STANDS if places else State.ABSENT, there, drift)
