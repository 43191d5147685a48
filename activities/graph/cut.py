"""What a cluster would be after some changes: manifests applied or removed, or a plan's writes carried out.

A manifest that says `$patch: delete` removes the object that it names; every other is applied, as a whole. A plan
is taken as `firebreak describe -o json` shows it, or one of its actions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from activities.graph.documents import Broken, Document
from activities.graph.manifests import Located, Snapshot, gather
from signals.errors import BadInput
from signals.plans import ActionPlan, Plan, Write, WriteKind

DELETE = "$patch"
Key = tuple[str, str, str, str]
"""API group, kind, namespace, name."""
_MANY = {"networkpolicies": "NetworkPolicy", "ingresses": "Ingress", "endpointslices": "EndpointSlice"}


@dataclass(frozen=True)
class Cut:
    """The cluster after the changes, and each change in words."""

    snapshot: Snapshot
    changes: tuple[str, ...]


def cut(snapshot: Snapshot, found: Iterable[Document | Broken]) -> Cut:
    """Return the cluster after what the documents of a cut say.

    Raises:
        BadInput: a document is broken, or names something that is not there.
    """
    objects = {_key(one.object): one for one in snapshot.objects}
    changes: list[str] = []
    plain: list[Document | Broken] = []
    for document in found:
        actions = _actions(document)
        if actions is not None:
            changes += _carried_out(objects, actions)
        else:
            plain.append(document)
    changes += _applied(objects, plain)
    if not changes:
        raise BadInput("The cut changes nothing: it holds no object that counts, and no plan.")
    return Cut(Snapshot(tuple(objects.values()), snapshot.ignored), tuple(changes))


def planned(snapshot: Snapshot, actions: Sequence[ActionPlan]) -> Cut:
    """Return the cluster after the writes of some planned actions.

    Writes whose object is not there are left out: what they would change is not in the data.
    """
    objects = {_key(one.object): one for one in snapshot.objects}
    changes = _carried_out(objects, actions)
    return Cut(Snapshot(tuple(objects.values()), snapshot.ignored), tuple(changes))


def unplanned(snapshot: Snapshot, actions: Sequence[ActionPlan]) -> Cut:
    """Return the cluster as it is without the writes of some planned actions: some may have been made already."""
    objects = {_key(one.object): one for one in snapshot.objects}
    changes = [
        f"without: {write}"
        for action in reversed(actions)
        for write in reversed(action.writes)
        if _taken_back(objects, write)
    ]
    return Cut(Snapshot(tuple(objects.values()), snapshot.ignored), tuple(changes))


def _actions(document: Document | Broken) -> Sequence[ActionPlan] | None:
    """Return the actions of a plan; None where the document is none."""
    value = document.value if isinstance(document, Document) else None
    if not isinstance(value, dict) or "kind" in value:
        return None
    value = value["plan"] if isinstance(value.get("plan"), dict) else value
    try:
        if "actions" in value:
            return Plan.model_validate(value).actions
        return (ActionPlan.model_validate(value),) if "writes" in value else None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        file, line = document.file, document.line
        raise BadInput(f"{file}:{line}: this is no plan: {where}: {first['msg']}") from error


def _applied(objects: dict[Key, Located], found: Sequence[Document | Broken]) -> list[str]:
    snapshot = gather(found)
    if snapshot.ignored:
        kinds = ", ".join(sorted(snapshot.ignored))
        raise BadInput(f"The cut holds what nobody understands here: {kinds}.")
    changes = []
    for one in snapshot.objects:
        key = _key(one.object)
        if one.object.get(DELETE) == "delete":
            if objects.pop(key, None) is None:
                raise BadInput(f"{one}: there is no {_named(key)} that could be removed.")
            changes.append(f"remove {_named(key)}")
        else:
            changes.append(f"{'change' if key in objects else 'add'} {_named(key)}")
            objects[key] = one
    return changes


def _carried_out(objects: dict[Key, Located], actions: Iterable[ActionPlan]) -> list[str]:
    return [
        str(write)
        for action in actions
        for write in action.writes
        if _written(objects, write, action.action.type)
    ]


def _written(objects: dict[Key, Located], write: Write, action: str) -> bool:
    """Carry out one write of ours; return whether it changed something here."""
    if write.kind is WriteKind.CREATE:
        made = gather([Document(_whole(write), f"the plan's {action}", 0)]).objects
        objects.update({_key(one.object): one for one in made})
        return bool(made)
    key = _target(write)
    before = objects.get(key)
    if before is None:
        return False
    if str(write.kind) == "evict":
        del objects[key]
        return True
    after = deepcopy(before.object)
    if write.kind is WriteKind.MARK:
        metadata = after["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), **write.labels}
    else:
        selector = after.setdefault("spec", {}).setdefault("podSelector", {})
        terms = selector.get("matchExpressions") or []
        selector["matchExpressions"] = [
            *terms,
            {"key": write.key, "operator": "NotIn", "values": [write.value]},
        ]
    objects[key] = Located(after, before.file, before.line)
    return True


def _taken_back(objects: dict[Key, Located], write: Write) -> bool:
    """Take back one write of ours where it was made; return whether it was."""
    key = _target(write)
    if write.kind is WriteKind.CREATE:
        kind = str((write.manifest or {}).get("kind", ""))
        return objects.pop((key[0], kind, key[2], key[3]), None) is not None
    before = objects.get(key)
    if before is None or str(write.kind) == "evict":
        return False
    after = deepcopy(before.object)
    if write.kind is WriteKind.MARK:
        labels = after["metadata"].get("labels") or {}
        after["metadata"]["labels"] = {
            name: text for name, text in labels.items() if name not in write.labels
        }
    else:
        selector = (after.get("spec") or {}).get("podSelector") or {}
        ours = {"key": write.key, "operator": "NotIn", "values": [write.value]}
        selector["matchExpressions"] = [one for one in selector.get("matchExpressions") or () if one != ours]
    objects[key] = Located(after, before.file, before.line)
    return after != before.object


def _target(write: Write) -> Key:
    """Return the key of an object that a write changes."""
    kinds = {"pods": "Pod", **_MANY}
    return write.ref.group, kinds.get(write.ref.resource, ""), write.ref.namespace or "", write.ref.name


def _whole(write: Write) -> dict[str, Any]:
    """Return the object that a write creates, with the identity that its reference has."""
    body: Mapping[str, Any] = write.manifest or {}
    place = {"namespace": write.ref.namespace} if write.ref.namespace else {}
    metadata = {**(body.get("metadata") or {}), "name": write.ref.name, **place}
    return {**body, "metadata": metadata}


def _key(manifest: Mapping[str, Any]) -> Key:
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    return group, manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _named(key: Key) -> str:
    return "/".join(part for part in key[1:] if part)


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield what is less sure to be reached than before, as (entity, was, now); None is not at all."""
    order = ("direct", "conditional", "unknown")
    for entity, was in before.items():
        now = after.get(entity)
        if now is None or order.index(now) > order.index(was):
            yield entity, was, now
