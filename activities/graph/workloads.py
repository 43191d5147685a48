"""Which pods there are, and on whose behalf: pods as they run, and workloads for the pods that they would make.

A pod belongs to the topmost owner that is known of it. A workload whose pods are there is described by them,
and by its template otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from activities.graph.network_policy import End, Object
from signals.errors import BadInput

WORKLOADS = frozenset(
    {
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "ReplicationController",
    }
)
_ENDED = frozenset({"Succeeded", "Failed"})
DEFAULT = "default"
"""The namespace of an object that names none."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One pod, or one that a workload would make."""

    name: str
    """`namespace/name` of the pod; of its workload where the pod is not there yet."""
    owner: str
    """`namespace/name[Kind]` of the topmost owner; of the pod itself where it has none."""
    end: End
    host_network: bool
    node: str | None
    manifest: Object = field(default_factory=dict, repr=False, compare=False)
    """The pod, or what its template would make of it."""


@dataclass(frozen=True)
class _Owner:
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}[{self.kind}]"


def pods(objects: Iterable[Object]) -> list[Member]:
    """Return the pods that can talk: those that have not ended, and those that workloads would make.

    Of two objects with the same name the later one counts.

    Raises:
        BadInput: a pod or a template cannot be understood; its owner is named.
    """
    everything = [o for o in objects if o.get("kind") == "Pod" or o.get("kind") in WORKLOADS]
    known = {_itself(manifest): manifest for manifest in everything}
    found: list[Member] = []
    for itself, manifest in known.items():
        if itself.kind == "Pod" and (manifest.get("status") or {}).get("phase") not in _ENDED:
            with naming(itself):
                found.append(_member(manifest, _top(itself, manifest, known)))
    there = {member.owner for member in found}
    for itself, manifest in known.items():
        if itself.kind != "Pod":
            with naming(itself):
                top = _top(itself, manifest, known)
                if str(top) not in there and (top == itself or top not in known):
                    found += [_member(pod, top) for pod in _made_by(itself, manifest)]
    return found


@contextmanager
def naming(owner: object) -> Iterator[None]:
    """Say whose it is when something cannot be understood.

    Raises:
        BadInput: it cannot.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{owner} cannot be understood: {what}.") from error


def _itself(manifest: Object) -> _Owner:
    metadata = manifest["metadata"]
    return _Owner(manifest["kind"], metadata.get("namespace") or DEFAULT, metadata["name"])


def _top(itself: _Owner, manifest: Object, known: Mapping[_Owner, Object]) -> _Owner:
    """Return the topmost owner, as far as owners are known; a pod that its node itself runs has none."""
    seen = {itself}
    while True:
        references = manifest["metadata"].get("ownerReferences") or []
        controllers = [reference for reference in references if reference.get("controller")] or references
        if not controllers or controllers[0]["kind"] == "Node":
            return itself
        itself = _Owner(controllers[0]["kind"], itself.namespace, controllers[0]["name"])
        if itself not in known or itself in seen:
            return itself
        seen.add(itself)
        manifest = known[itself]


def _member(pod: Object, owner: _Owner) -> Member:
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    namespace = metadata.get("namespace") or DEFAULT
    end = End.pod({**pod, "metadata": {**metadata, "namespace": namespace}})
    if not all(isinstance(text, str) for text in chain(*end.labels.items())):
        raise ValueError("labels must be text by text")
    if not all(isinstance(number, int) for number in end.named_ports.values()):
        raise ValueError("a containerPort is no number")
    return Member(
        name=f"{namespace}/{metadata['name']}",
        owner=str(owner),
        end=end,
        host_network=bool(spec.get("hostNetwork")),
        node=spec.get("nodeName"),
        manifest=pod,
    )


def _made_by(workload: _Owner, manifest: Object) -> Iterator[dict[str, Any]]:
    """Yield one pod for all that are alike; those of a StatefulSet tell themselves apart by labels."""
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    replicas = 1 if spec.get("replicas") is None else spec["replicas"]
    if replicas == 0 or (workload.kind == "Job" and _ended(status)):
        return
    source = (spec.get("jobTemplate") or {}).get("spec") or {} if workload.kind == "CronJob" else spec
    template = source.get("template") or {}
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    if workload.kind == "Job":
        labels |= dict.fromkeys(("job-name", "batch.kubernetes.io/job-name"), workload.name)
    if workload.kind != "StatefulSet":
        yield _pod(workload, workload.name, labels, template)
        return
    first = (spec.get("ordinals") or {}).get("start") or 0
    for number in range(first, first + replicas):
        name = f"{workload.name}-{number}"
        own = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(number)}
        yield _pod(workload, name, labels | own, template)


def _ended(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or []
    return any(
        one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions
    )


def _pod(workload: _Owner, name: str, labels: Mapping[str, str], template: Object) -> dict[str, Any]:
    metadata = {"name": name, "namespace": workload.namespace, "labels": labels}
    return {"metadata": metadata, "spec": template.get("spec") or {}}
