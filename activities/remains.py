"""What stands of ours, read from the live objects alone: each piece names its case, action and end on itself."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from activities.action import case_label
from activities.expiry import RELEASING
from activities.ports import FREEZES, NETWORK_POLICIES, PODS, ROLE_BINDINGS, Manifest, Resource
from signals.decisions import OnExpiry
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


def of_policies(policies: Iterable[Manifest]) -> Iterator[Standing]:
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
    told = _told(NETWORK_POLICIES, policy, policy["metadata"]["namespace"])
    for key in policy["spec"]["podSelector"].get("matchLabels") or {"": ""}:
        yield replace(told, mark=key.removeprefix(MARK_PREFIX))


def of_freezes(freezes: Iterable[Manifest]) -> Iterator[Standing]:
    """Yield whose credentials are frozen: each stands for itself, in the namespace of its pod."""
    for freeze in freezes:
        yield _told(FREEZES, freeze, str((freeze.get("spec") or {}).get("namespace", "")))


def of_bindings(bindings: Iterable[Manifest]) -> Iterator[Standing]:
    """Yield the rights to look into pods that a capture has not given back."""
    for binding in bindings:
        if (binding["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER:
            yield _told(ROLE_BINDINGS, binding, str(binding["metadata"]["namespace"]))


def _told(resource: Resource, made: Manifest, namespace: str) -> Standing:
    """Return what one object that we created says of itself."""
    labels, annotations = made["metadata"].get("labels") or {}, made["metadata"].get("annotations") or {}
    manifest = {key: value for key, value in made.items() if key != "status"}
    inverse = told_in(annotations.get(INVERSE))
    return Standing(
        case=labels.get(CASE, ""),
        namespace=namespace,
        mark=str(inverse.get("action", ""))[:8],
        incident=annotations.get(WORKFLOW, ""),
        action=labels.get(ACTION, ""),
        id=str(inverse.get("action", "")),
        index=_number(inverse.get("index")),
        expires_at=_time(annotations.get(EXPIRES_AT)),
        on_expiry=_expiry(annotations.get(ON_EXPIRY)),
        writes=(Write(kind=WriteKind.CREATE, ref=_ref(resource, made), manifest=manifest),),
    )


def of_pods(pods: Iterable[Manifest]) -> Iterator[Standing]:
    """Yield our marks on pods: those of policies, and those that stand for themselves."""
    for pod in pods:
        metadata = pod["metadata"]
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        for key in sorted({*labels, *annotations}):
            if not key.startswith((MARK_PREFIX, PEER_PREFIX)) and key != CASE:
                continue
            story = told_in(annotations.get(key))
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


def _ref(resource: Resource, manifest: Manifest) -> Any:
    metadata = manifest["metadata"]
    return resource.ref(metadata["name"], metadata.get("namespace"), metadata["uid"])


def told_in(text: str | None) -> dict[str, Any]:
    """Return what an annotation of ours tells; nothing where it is not ours any more."""
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
