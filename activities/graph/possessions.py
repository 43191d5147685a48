"""What a pod holds, by its own spec: an identity, secrets, and ways out of its container."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from activities.graph.network_policy import Object

AUDIENCES = frozenset(
    {
        "",
        "api",
        "kubernetes",
        "https://kubernetes.default",
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local",
    }
)
"""Audiences that API servers take a token for; another one is for somebody else."""
_LEAVING = ("SYS_ADMIN", "SYS_MODULE", "DAC_READ_SEARCH")
"""Capabilities that leave a container by themselves."""
_HARMLESS = (
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ssl/certs",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share",
    "/usr/local/share/ca-certificates",
    "/run/xtables.lock",
    "/dev/shm",  # noqa: S108 (a path to judge, not one to use)
)
"""Paths of the host that may be written to without giving it away."""
_TELLING = ("/", "/etc", "/root", "/home", "/proc", "/var/lib/kubelet", "/etc/kubernetes")
"""Paths of the host that hold credentials: reading them is enough."""
_SOCKETS = ("containerd.sock", "docker.sock", "crio.sock", "dockershim.sock")


@dataclass(frozen=True)
class Escape:
    """One way from a container to its node, where the spec says so, and what else must be so."""

    reason: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Possession:
    """What comes with a pod, or with one of its containers."""

    account: str
    """`namespace/name` of its ServiceAccount."""
    token: str
    """Why there is a token in it; empty where there is none."""
    secrets: Mapping[str, str]
    """`namespace/name` of each Secret in it → where the spec says so."""
    pulls: tuple[str, ...]
    """Secrets that only its node reads, to pull images."""
    escapes: tuple[Escape, ...]


def containers(spec: Object) -> list[dict[str, Any]]:
    """Return all containers of a pod that may run."""
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [*chain.from_iterable(spec.get(kind) or () for kind in kinds)]


def possession(manifest: Object, accounts: Mapping[str, Object], only: str | None = None) -> Possession:
    """Return what comes with a pod; with `only`, what comes with that one container.

    `accounts` are the ServiceAccounts that are known, by `namespace/name`.
    """
    spec: Object = manifest.get("spec") or {}
    namespace = manifest["metadata"].get("namespace") or "default"
    account = f"{namespace}/{spec.get('serviceAccountName') or spec.get('serviceAccount') or 'default'}"
    chosen = [one for one in containers(spec) if only in (None, one.get("name"))]
    volumes = _volumes(spec, chosen, whole=only is None)
    return Possession(
        account=account,
        token=_token(manifest, spec, accounts.get(account) or {}, volumes),
        secrets={f"{namespace}/{name}": where for name, where in _secrets(chosen, volumes)},
        pulls=tuple(
            f"{namespace}/{one['name']}" for one in spec.get("imagePullSecrets") or () if "name" in one
        ),
        escapes=tuple(dict.fromkeys(_escapes(spec, chosen, volumes))),
    )


def _volumes(spec: Object, chosen: Sequence[Object], *, whole: bool) -> list[dict[str, Any]]:
    """Return the volumes of a pod, or only those that some containers mount."""
    mounted = {mount.get("name") for one in chosen for mount in one.get("volumeMounts") or ()}
    return [one for one in spec.get("volumes") or () if whole or one.get("name") in mounted]


def _token(manifest: Object, spec: Object, account: Object, volumes: Sequence[Object]) -> str:
    if "kubernetes.io/config.mirror" in (manifest["metadata"].get("annotations") or {}):
        return ""
    for volume in volumes:
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None and (token.get("audience") or "") in AUDIENCES:
                return f"spec.volumes: {volume.get('name')}"
    for where, holder in (("spec", spec), ("the ServiceAccount", account)):
        said = holder.get("automountServiceAccountToken")
        if said is not None:
            return f"{where}: automountServiceAccountToken" if said else ""
    return "a token is mounted unless somebody says no"


def _secrets(chosen: Sequence[Object], volumes: Sequence[Object]) -> Iterator[tuple[str, str]]:
    for volume in volumes:
        where = f"spec.volumes: {volume.get('name')}"
        if name := (volume.get("secret") or {}).get("secretName"):
            yield name, where
        for source in (volume.get("projected") or {}).get("sources") or ():
            if name := (source.get("secret") or {}).get("name"):
                yield name, where
    for container in chosen:
        for name in _environment(container):
            yield name, f"{container.get('name')}: its environment"


def _environment(container: Object) -> Iterator[str]:
    """Yield the Secrets that a container's environment comes from."""
    for one in container.get("env") or ():
        if name := ((one.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name"):
            yield name
    for one in container.get("envFrom") or ():
        if name := (one.get("secretRef") or {}).get("name"):
            yield name


def _escapes(spec: Object, chosen: Sequence[Object], volumes: Sequence[Object]) -> Iterator[Escape]:
    paths = {one["name"]: one["hostPath"].get("path") or "/" for one in volumes if one.get("hostPath")}
    for container in chosen:
        name, security = container.get("name"), container.get("securityContext") or {}
        if security.get("privileged"):
            yield Escape(f"{name}: privileged")
        added = {cap.removeprefix("CAP_") for cap in (security.get("capabilities") or {}).get("add") or ()}
        everything = "ALL" in added
        for cap in _LEAVING:
            if everything or cap in added:
                yield Escape(f"{name}: capability {cap}")
        if spec.get("hostPID") and (everything or "SYS_PTRACE" in added):
            yield Escape(f"{name}: hostPID and capability SYS_PTRACE")
        for mount in container.get("volumeMounts") or ():
            if path := paths.get(mount.get("name")):
                yield from _by_path(f"{name}: hostPath {path}", path, mount, _not_root(spec, security))


def _by_path(reason: str, path: str, mount: Object, user: tuple[str, ...]) -> Iterator[Escape]:
    """Yield how a path of the host gives the host away."""
    path = path.rstrip("/") or "/"
    if path.endswith(_SOCKETS):
        yield Escape(f"{reason}: the runtime's socket", user)
    elif path in _TELLING:
        yield Escape(reason, user)
    elif not mount.get("readOnly") and not any(
        path == one or path.startswith(f"{one}/") for one in _HARMLESS
    ):
        yield Escape(f"{reason}, writable", user)


def _not_root(spec: Object, security: Object) -> tuple[str, ...]:
    """Return the condition that a container which is not root needs on its host's files."""
    whole = spec.get("securityContext") or {}
    user = security.get("runAsUser", whole.get("runAsUser"))
    if user or (user is None and security.get("runAsNonRoot", whole.get("runAsNonRoot"))):
        return (f"the container runs as user {user or 'other than root'}: the host's files must let it",)
    return ()
