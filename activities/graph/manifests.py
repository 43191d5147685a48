"""A snapshot of a cluster: manifests in files, read so that every object still knows where it stands.

Files and folders of YAML and JSON, multi-document files, Lists, and what `kubectl get -o json` prints. Manifests
that nobody has applied get what the API server would give them: a namespace, and the label of its name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from activities.graph.documents import Broken, Document, documents
from activities.graph.quiet import uncollected
from signals.display import terminal
from signals.errors import BadInput

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
NAME_LABEL = "kubernetes.io/metadata.name"
SHOWN = 20
"""How many broken documents one error names; it counts the rest."""
LINE = 1000
"""Characters of one such line at most."""

_NAMESPACED = {
    "": "Pod ServiceAccount Secret ConfigMap Service Endpoints ReplicationController",
    "apps": "Deployment ReplicaSet StatefulSet DaemonSet",
    "batch": "Job CronJob",
    "discovery.k8s.io": "EndpointSlice",
    "networking.k8s.io": "NetworkPolicy Ingress",
    "rbac.authorization.k8s.io": "Role RoleBinding",
    "cilium.io": "CiliumNetworkPolicy",
    "projectcalico.org": "NetworkPolicy",
    "crd.projectcalico.org": "NetworkPolicy",
    "crd.antrea.io": "NetworkPolicy",
}
_CLUSTER_SCOPED = {
    "": "Namespace Node",
    "firebreak.dev": "Freeze",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "policy.networking.k8s.io": "AdminNetworkPolicy BaselineAdminNetworkPolicy ClusterNetworkPolicy",
    "cilium.io": "CiliumClusterwideNetworkPolicy",
    "projectcalico.org": "GlobalNetworkPolicy",
    "crd.projectcalico.org": "GlobalNetworkPolicy",
    "crd.antrea.io": "ClusterNetworkPolicy",
}
KINDS: Mapping[tuple[str, str], bool] = MappingProxyType(
    {
        (group, kind): namespaced
        for table, namespaced in ((_NAMESPACED, True), (_CLUSTER_SCOPED, False))
        for group, kinds in table.items()
        for kind in kinds.split()
    }
)
"""(API group, kind) of what some engine understands → whether its objects live in a namespace."""


@dataclass(frozen=True)
class Located:
    """One object as plain data, and the file and line (from 1) at which it begins.

    It has `kind`, and in `metadata` a `name`, and a `namespace` exactly where its kind has one.
    """

    object: dict[str, Any]
    file: str
    line: int

    def __str__(self) -> str:
        """Return `file:line`, as editors open it."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Snapshot:
    """All objects that were read; `ignored` counts the others as `apiVersion Kind`."""

    objects: tuple[Located, ...]
    ignored: Mapping[str, int]

    def namespaces(self) -> dict[str, dict[str, str]]:
        """Return the labels of each namespace; one that is only mentioned has its name label alone."""
        known: dict[str, dict[str, str]] = {}
        for found in self.objects:
            metadata = found.object["metadata"]
            if found.object["kind"] == "Namespace":
                name = metadata["name"]
                known[name] = {**(metadata.get("labels") or {}), NAME_LABEL: name}
            elif "namespace" in metadata:
                known.setdefault(metadata["namespace"], {NAME_LABEL: metadata["namespace"]})
        return known


def read(path: Path) -> Snapshot:
    """Read a file, or all `.yaml`, `.yml` and `.json` files under a folder.

    Of two manifests for one object the later counts, as if they were applied in the order of their files' names.

    Raises:
        BadInput: nothing is there, it cannot be read, or documents are broken: each is named by file and line.
    """
    with uncollected():
        return gather(document for file in _files(path) for document in documents(str(file), _bytes(file)))


def gather(found: Iterable[Document | Broken]) -> Snapshot:
    """Return the snapshot that documents make up.

    Raises:
        BadInput: some of them are broken.
    """
    objects: dict[tuple[str, ...], Located] = {}
    ignored: Counter[str] = Counter()
    broken: list[Broken] = []
    for document in found:
        checked = document if isinstance(document, Broken) else _checked(document)
        if isinstance(checked, Broken):
            broken.append(checked)
        elif isinstance(checked, str):
            ignored[checked] += 1
        else:
            metadata = checked.object["metadata"]
            group = checked.object["apiVersion"].rpartition("/")[0]
            key = (group, checked.object["kind"], metadata.get("namespace", ""), metadata["name"])
            objects.pop(key, None)
            objects[key] = checked
    if broken:
        more = f"\n… and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise BadInput("\n".join(terminal(str(one), LINE) for one in broken[:SHOWN]) + more)
    return Snapshot(tuple(objects.values()), MappingProxyType(dict(ignored)))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise BadInput(f"{path} holds no file that ends in {', '.join(sorted(SUFFIXES))}.")
    return found


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def _checked(document: Document) -> Located | Broken | str:
    """Return an object that an engine understands, or as what it is ignored."""
    value, file, line = document.value, document.file, document.line
    if not isinstance(value, dict):
        return Broken(file, line, f"an object is expected here, not {type(value).__name__}")
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind is None:
        return "objects without a kind"
    if not isinstance(kind, str) or not isinstance(version, str):
        return Broken(file, line, "kind and apiVersion must be text")
    namespaced = KINDS.get((version.rpartition("/")[0], kind))
    if namespaced is None:
        return f"{version} {kind}"
    metadata = value.get("metadata")
    fault = _fault(metadata)
    if fault or metadata is None:
        return Broken(file, line, f"{kind}: {fault}")
    kept = {**metadata, "name": metadata.get("name") or metadata["generateName"]}
    kept.pop("namespace", None)
    if namespaced:
        kept["namespace"] = metadata.get("namespace") or "default"
    return Located({**value, "metadata": kept}, file, line)


def _fault(metadata: Any) -> str:
    if not isinstance(metadata, dict):
        return "it has no metadata"
    for field in ("name", "generateName", "namespace"):
        if not isinstance(metadata.get(field, ""), str | None):
            return f"metadata.{field} must be text"
    if not (metadata.get("name") or metadata.get("generateName")):
        return "it has no name"
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return "metadata.labels must be text by text"
    return ""
