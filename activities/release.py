"""Undoes containment from what stands in the cluster alone, with Temporal, NATS and every agent dead.

Every object that we touched names its case; every policy of ours says how its action is undone. Nothing else is
needed, and what has lost its policy (an exclusion, a mark) is found as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from activities import writing
from activities.action import case_label
from activities.expiry import RELEASING
from activities.phases import every, phases
from activities.ports import NETWORK_POLICIES, PODS, Cluster, Manifest, Resource
from activities.standing import changed_by, digest
from signals.decisions import OnExpiry
from signals.errors import FirebreakError
from signals.plans import Write, WriteKind
from signals.subjects import (
    ACTION,
    CASE,
    EXPIRES_AT,
    INVERSE,
    MANAGED_BY,
    MANAGER,
    MARK_PREFIX,
    ON_EXPIRY,
    PEER_PREFIX,
    WORKFLOW,
)

ORPHAN = 1 << 30
"""Where on a stack stands what has lost its policy: on top, so that it goes first."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands of one action in one namespace. `writes` are in the order in which they were written."""

    case: str
    """The incident, as labels say it."""
    namespace: str
    mark: str
    """Eight hex digits: the action's own."""
    incident: str = ""
    """The incident's full id; empty for orphans."""
    action: str = ""
    """The action's type."""
    id: str = ""
    """The action's id, where what stands still says so."""
    index: int = ORPHAN
    expires_at: datetime | None = None
    on_expiry: OnExpiry | None = None
    writes: tuple[Write, ...] = ()
    drift: tuple[str, ...] = field(default=())
    """What others changed meanwhile, in words: it stays."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """What came of one write: taken back, or why not."""

    case: str
    write: str
    done: bool
    note: str = ""


async def standing(cluster: Cluster, namespaces: Sequence[str] | None = None) -> list[Standing]:
    """Return everything of ours, the top of each stack first; `None` looks into all namespaces at once.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    spaces: Sequence[str | None] = [None] if namespaces is None else namespaces
    found: list[Standing] = []
    for policies, pods in await every(_both(cluster, space) for space in spaces):
        found += _together([*_of_policies(policies), *_of_pods(pods)], policies)
    return sorted(found, key=lambda one: (one.case, -one.index, one.namespace))


async def _both(cluster: Cluster, namespace: str | None) -> list[list[Manifest]]:
    return await every(cluster.list(resource, namespace) for resource in (NETWORK_POLICIES, PODS))


async def release(
    cluster: Cluster, case: str | None, namespaces: Sequence[str] | None = None
) -> tuple[Released, ...]:
    """Undo one case, or all of them, in reverse order; what others changed meanwhile stays as they made it.

    One object that cannot be put back stops no other. It may be run again at any time.

    Raises:
        Unavailable, Refused: the API server did not say what stands.
    """
    wanted = None if case is None else {case, case_label(case)}
    results: list[Released] = []
    for one in await standing(cluster, namespaces):
        if wanted is None or one.case in wanted:
            results += await _undo(cluster, one)
    return tuple(results)


async def _undo(cluster: Cluster, one: Standing) -> list[Released]:
    results = [Released(case=one.case, write="", done=True, note=note) for note in one.drift]
    for phase in reversed(phases(one.writes)):
        for write in phase:
            try:
                await writing.undo(cluster, write, force=True)
            except FirebreakError as error:
                results.append(Released(case=one.case, write=str(write), done=False, note=str(error)))
            else:
                results.append(Released(case=one.case, write=str(write), done=True))
    return results


def _of_policies(policies: Iterable[Manifest]) -> Iterator[Standing]:
    """Yield our own policies, and our terms in everybody's."""
    for policy in policies:
        metadata, labels = policy["metadata"], policy["metadata"].get("labels") or {}
        where = metadata["namespace"]
        if labels.get(MANAGED_BY) == MANAGER and labels.get(CASE):
            yield from _own(policy, labels)
        for term in (policy["spec"].get("podSelector") or {}).get("matchExpressions") or []:
            if not term["key"].startswith(MARK_PREFIX):
                continue
            for value in term.get("values") or [""]:
                write = Write(
                    kind=WriteKind.EXCLUDE, ref=_ref(NETWORK_POLICIES, policy), key=term["key"], value=value
                )
                mark = term["key"].removeprefix(MARK_PREFIX)
                yield Standing(case=value, namespace=where, mark=mark, writes=(write,))


def _own(policy: Manifest, labels: Mapping[str, str]) -> Iterator[Standing]:
    annotations = policy["metadata"].get("annotations") or {}
    manifest = {key: policy[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in policy}
    write = Write(kind=WriteKind.CREATE, ref=_ref(NETWORK_POLICIES, policy), manifest=manifest)
    for key in policy["spec"]["podSelector"].get("matchLabels") or {"": ""}:
        yield Standing(
            case=labels[CASE],
            namespace=policy["metadata"]["namespace"],
            mark=key.removeprefix(MARK_PREFIX),
            incident=annotations.get(WORKFLOW, ""),
            action=labels.get(ACTION, ""),
            id=str(_json(annotations.get(INVERSE)).get("action", "")),
            index=_number(_json(annotations.get(INVERSE)).get("index")),
            expires_at=_time(annotations.get(EXPIRES_AT)),
            on_expiry=_expiry(annotations.get(ON_EXPIRY)),
            writes=(write,),
        )


def _of_pods(pods: Iterable[Manifest]) -> Iterator[Standing]:
    """Yield our marks on pods: those of policies, and those that stand for themselves."""
    for pod in pods:
        metadata = pod["metadata"]
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        for key in sorted({*labels, *annotations}):
            if not key.startswith((MARK_PREFIX, PEER_PREFIX)) and key != CASE:
                continue
            story = _json(annotations.get(key))
            case = labels.get(key) or case_label(str(story.get("case", "")))
            write = Write(
                kind=WriteKind.MARK,
                ref=_ref(PODS, pod),
                labels={key: labels[key]} if key in labels else {},
                annotations={key: annotations[key]} if key in annotations else {},
            )
            yield Standing(
                case=case,
                namespace=metadata["namespace"],
                mark=key.removeprefix(MARK_PREFIX).removeprefix(PEER_PREFIX),
                incident=str(story.get("case", "")),
                action=str(story.get("action", "")),
                id=str(story.get("id", "")),
                index=_number(story.get("index")),
                expires_at=_time(story.get(EXPIRES_AT)),
                on_expiry=_expiry(story.get("on-expiry")),
                writes=(write,),
            )


def _together(pieces: Sequence[Standing], policies: Sequence[Manifest]) -> Iterator[Standing]:
    """Put the pieces of each action together: its policy, its marks, its exclusions."""
    order = [WriteKind.CREATE, WriteKind.MARK, WriteKind.EXCLUDE]
    ordered = sorted(pieces, key=lambda one: (one.case, one.namespace, one.mark))
    for _, group in groupby(ordered, key=lambda one: (one.case, one.namespace, one.mark)):
        parts = [*group]
        told = next((part for part in parts if part.incident), parts[0])
        writes = sorted((w for part in parts for w in part.writes), key=lambda w: order.index(w.kind))
        yield replace(told, writes=tuple(writes), drift=tuple(_drift(writes, policies)))


def _drift(writes: Iterable[Write], policies: Iterable[Manifest]) -> Iterator[str]:
    """Yield which policies are not what they were when the action left them."""
    live = {policy["metadata"]["uid"]: policy for policy in policies}
    for write in writes:
        inverse = _json(((write.manifest or {}).get("metadata") or {}).get("annotations", {}).get(INVERSE))
        told = inverse.get("exclusions")
        for left in told if isinstance(told, list) else []:
            policy = live.get(str(left.get("uid"))) if isinstance(left, dict) else None
            if policy and digest(policy) != left.get("before"):
                name = policy["metadata"]["name"]
                yield f"{name} was changed by {changed_by(policy)} meanwhile: that stays"


def _ref(resource: Resource, manifest: Manifest) -> Any:
    metadata = manifest["metadata"]
    return resource.ref(metadata["name"], metadata["namespace"], metadata["uid"])


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else ORPHAN


def _time(text: Any) -> datetime | None:
    """Return an expiry. What a sweeper has claimed, and may have died over, was due long ago."""
    if text == RELEASING:
        return datetime.fromtimestamp(0, UTC)
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else None


def _expiry(text: Any) -> OnExpiry | None:
    return next((known for known in OnExpiry if known == text), None)
