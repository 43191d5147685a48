"""How much a pod is allowed, by the Pod Security Standards: privileged, baseline or restricted.

The rules are those of the standards' latest version for Linux pods; each breach names the field, so that a person
can find it. Source: the Kubernetes documentation, "Pod Security Standards".
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

Manifest = Mapping[str, Any]


class Level(StrEnum):
    """What a pod may do on its node, from everything to almost nothing."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    }
)  # fmt: skip
_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
        "projected", "secret",
    }
)  # fmt: skip
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def level(pod: Manifest) -> Level:
    """Return the strictest level whose rules a pod keeps."""
    if any(beyond_baseline(pod)):
        return Level.PRIVILEGED
    return Level.BASELINE if any(beyond_restricted(pod)) else Level.RESTRICTED


def breaches(pod: Manifest, wanted: Level) -> tuple[str, ...]:
    """Return what a pod does that a level forbids, each with the field that says so."""
    if wanted is Level.PRIVILEGED:
        return ()
    found = list(beyond_baseline(pod))
    if wanted is Level.RESTRICTED:
        found += beyond_restricted(pod)
    return tuple(dict.fromkeys(found))


def containers(pod: Manifest) -> list[Manifest]:
    """Return every container of a pod, of all three kinds."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in pod["spec"].get(kind) or ()]


def _contexts(pod: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Yield every security context, with the words that name it."""
    yield "the pod", pod["spec"].get("securityContext") or {}
    for container in containers(pod):
        yield f"container {container['name']}", container.get("securityContext") or {}


def beyond_baseline(pod: Manifest) -> Iterator[str]:
    """Yield what baseline forbids."""
    yield from _node(pod["spec"])
    for key, profile in (pod["metadata"].get("annotations") or {}).items():
        if key.startswith(_APPARMOR) and not (
            profile == "runtime/default" or profile.startswith("localhost/")
        ):
            yield f"container {key.removeprefix(_APPARMOR)} has no AppArmor profile"
    for who, context in _contexts(pod):
        yield from _context(who, context)
    for container in containers(pod):
        yield from _container(container)


def _node(spec: Manifest) -> Iterator[str]:
    """Yield what a pod shares with its node."""
    for setting in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(setting):
            yield f"the pod sets {setting}"
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a hostPath"
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or ():
        if sysctl["name"] not in _SYSCTLS:
            yield f"the pod sets the sysctl {sysctl['name']}"


def _context(who: str, context: Manifest) -> Iterator[str]:
    """Yield what baseline forbids in one security context, of a pod or of a container."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{who} is a HostProcess"
    options = context.get("seLinuxOptions") or {}
    if options.get("type", "") not in _SELINUX_TYPES or options.get("user") or options.get("role"):
        yield f"{who} sets SELinux options"
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield f"{who} is not confined by seccomp"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield f"{who} is not confined by AppArmor"


def _container(container: Manifest) -> Iterator[str]:
    """Yield what baseline forbids in one container alone."""
    name, context = container["name"], container.get("securityContext") or {}
    if context.get("privileged"):
        yield f"container {name} is privileged"
    added = set((context.get("capabilities") or {}).get("add") or ()) - _CAPABILITIES
    if added:
        yield f"container {name} adds capabilities {', '.join(sorted(added))}"
    if context.get("procMount", "Default") != "Default":
        yield f"container {name} unmasks /proc"
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"container {name} takes port {port['hostPort']} of its node"


def beyond_restricted(pod: Manifest) -> Iterator[str]:
    """Yield what restricted forbids on top of baseline."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        if not _VOLUMES & set(volume) and "hostPath" not in volume:
            kind = next((key for key in volume if key != "name"), "unknown")
            yield f"volume {volume['name']} is of kind {kind}"
    above = spec.get("securityContext") or {}
    for who, context in _contexts(pod):
        if context.get("runAsUser") == 0:
            yield f"{who} runs as root"
        if context.get("runAsNonRoot") is False:
            yield f"{who} allows root"
    for container in containers(pod):
        yield from _restricted(container, above)


def _restricted(container: Manifest, above: Manifest) -> Iterator[str]:
    name, context = container["name"], container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"container {name} does not forbid privilege escalation"
    if not context.get("runAsNonRoot", above.get("runAsNonRoot")):
        yield f"container {name} does not demand a user other than root"
    profile = context.get("seccompProfile") or above.get("seccompProfile") or {}
    if profile.get("type") not in _SECCOMP:
        yield f"container {name} names no seccomp profile"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield f"container {name} does not drop all capabilities"
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"container {name} adds capabilities"
