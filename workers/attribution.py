"""Whose doing is it? Finds the subject of an alert once, for everybody who reads the event later.

Order: pod UID, else container, else namespace and name, else the node, else the image. What is not certain about
it is said in words and never hidden: the event exists even if the API server knows nothing of its subject.
"""

import re
from dataclasses import dataclass

from signals.entities import ClusterRef, Entity
from signals.telemetry.falco import Alert
from signals.threats import Mode
from workers.pod_index import Pod, PodIndex, short_id

SKEW_NANOSECONDS = 2 * 10**9
"""How much older than its pod an alert may seem: clocks differ, and creation times are whole seconds."""
DEFAULT_ACCOUNT = "default"
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)\Z")
_SAID = {
    name: re.compile(rf"\b{pattern}=([^\s|)]+)")
    for name, pattern in {
        "k8s.ns.name": r"k8s[._]ns(?:[._]name)?",
        "k8s.pod.name": r"k8s[._]pod(?:[._]name)?",
        "container.id": r"container[._]id",
    }.items()
}
"""How the text of an output names what `output_fields` leaves out (Falco can be told to send none)."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """The subject of an alert, and all that the API server knows about it.

    `key` tells subjects apart where the entity alone does not: a pod known by name, with its container.
    """

    subject: Entity
    key: str
    pod: Pod | None = None
    owner: Entity | None = None
    entities: tuple[Entity, ...] = ()
    mode: Mode = Mode.SHADOW
    enrolled: bool = False
    caveats: tuple[str, ...] = ()
    unattributed: str = ""
    """Why it is not certain that the subject did this, or nothing."""

    @property
    def where(self) -> str:
        """The subject in words, for a sentence."""
        name = (
            f"{self.subject.namespace}/{self.subject.name}" if self.subject.namespace else self.subject.name
        )
        return f"{self.subject.kind.lower()} {name}"


def name_key(alert: Alert) -> tuple[str, str] | None:
    """Return namespace and name of the pod that an alert names."""
    namespace, name = _said(alert, "k8s.ns.name"), _said(alert, "k8s.pod.name")
    return (namespace, name) if namespace and name else None


def _said(alert: Alert, field: str) -> str:
    found = alert.text(field)
    if not found and not alert.fields and (match := _SAID[field].search(alert.output)):
        found = match[1]
    return "" if found == "<NA>" else found


class Attributing:
    """Finds subjects in one cluster."""

    def __init__(self, cluster: ClusterRef, index: PodIndex) -> None:
        """Look into this index."""
        self._cluster = cluster
        self._index = index

    def find(self, alert: Alert, *, about_node: bool = False) -> Attribution:
        """Return the subject of one alert; there always is one."""
        if about_node:
            return self._node(alert)
        if alert.source == "k8s_audit":
            return self._audited(alert)
        container = short_id(_said(alert, "container.id"))
        named, uid = name_key(alert), alert.text("k8s.pod.uid")
        pod = (self._index.by_uid(uid) if uid else None) or self._index.by_container(container)
        if pod is None and named:
            pod = self._by_name(named, uid, alert)
        if pod:
            return self._pod(pod, alert, container)
        if named:
            return self._named(alert, named, container)
        if container:
            return self._container(alert, container)
        return self._node(alert)

    def _by_name(self, named: tuple[str, str], uid: str, alert: Alert) -> Pod | None:
        """Return the pod of that name, unless the alert must be about one that had the name before."""
        pod = self._index.by_name(named)
        if pod is None or uid or (alert.time and alert.time + SKEW_NANOSECONDS < pod.created):
            return None
        return pod

    def _pod(self, pod: Pod, alert: Alert, container: str) -> Attribution:
        namespace = pod.entity.namespace or ""
        mode = self._index.mode(namespace)
        known = container in pod.containers
        around = [
            self._entity("Container", container) if known else None,
            self._account(pod),
            self._entity("Node", pod.node) if pod.node else None,
            self._image(pod.containers.get(container) or _image(alert)),
        ]
        return Attribution(
            subject=pod.entity,
            key=pod.entity.key,
            pod=pod,
            owner=self._index.workload(pod),
            entities=(pod.entity, *(entity for entity in around if entity)),
            mode=mode or Mode.SHADOW,
            enrolled=mode is not None,
            caveats=tuple(self._doubts(pod, alert, container)),
            unattributed=self._elsewhere(pod, alert),
        )

    def _doubts(self, pod: Pod, alert: Alert, container: str) -> list[str]:
        doubts = []
        named = name_key(alert)
        if named and named != pod.name_key:
            doubts.append(f"renamed: the alert calls the pod {'/'.join(named)}")
        if pod.gone:
            doubts.append("gone: the API server no longer has this pod")
        if container and pod.containers and container not in pod.containers:
            doubts.append(f"the API server knows no container {container} of this pod")
        elsewhere = self._elsewhere(pod, alert)
        return [*doubts, f"unattributed: {elsewhere}"] if elsewhere else doubts

    def _elsewhere(self, pod: Pod, alert: Alert) -> str:
        """Return how a pod cannot have done this: it does not run on the host that the alert comes from."""
        host = self._host(alert.hostname)
        if not host or not pod.node or _same_host(host, pod.node):
            return ""
        return f"the alert comes from {host}, the pod runs on {pod.node}"

    def _host(self, hostname: str) -> str:
        """Return the node that a sensor runs on: its host name, or the node of the pod that has that name."""
        if not hostname:
            return ""
        sensor = self._index.by_sensor(hostname)
        return sensor.node if sensor else hostname

    def _named(self, alert: Alert, named: tuple[str, str], container: str) -> Attribution:
        namespace, name = named
        mode = self._index.mode(namespace)
        subject = Entity(cluster=self._cluster, kind="Pod", name=name, namespace=namespace)
        standing = self._index.by_name(named)
        caveat = (
            "renamed: another pod has this name now"
            if standing and not standing.gone
            else "unknown: the API server has no pod of this name"
        )
        around = [
            self._entity("Node", self._host(alert.hostname)) if alert.hostname else None,
            self._image(_image(alert)),
        ]
        return Attribution(
            subject=subject,
            key=f"{subject.key}/{container}",
            entities=(subject, *(entity for entity in around if entity)),
            mode=mode or Mode.SHADOW,
            enrolled=mode is not None,
            caveats=(caveat,),
        )

    def _container(self, alert: Alert, container: str) -> Attribution:
        subject = self._entity("Container", container)
        node = self._entity("Node", self._host(alert.hostname)) if alert.hostname else None
        image = self._image(_image(alert))
        return Attribution(
            subject=subject,
            key=subject.key,
            entities=(subject, *(entity for entity in (node, image) if entity)),
            caveats=("unknown: the alert names no pod, and the API server knows no such container",),
        )

    def _node(self, alert: Alert) -> Attribution:
        if alert.hostname:
            subject = self._entity("Node", self._host(alert.hostname))
            return Attribution(subject=subject, key=subject.key, entities=(subject,))
        image = self._image(_image(alert))
        subject = image or self._entity("Node", "unknown")
        caveats = ("unknown: the alert names no pod, no container and no host",)
        return Attribution(subject=subject, key=subject.key, entities=(subject,), caveats=caveats)

    def _audited(self, alert: Alert) -> Attribution:
        """Return the subject of an alert about a request to the API server: its pod, else who asked."""
        namespace, name = alert.text("ka.target.namespace"), alert.text("ka.target.name")
        if alert.text("ka.target.resource") == "pods" and namespace and name:
            pod = self._by_name((namespace, name), "", alert)
            return self._pod(pod, alert, "") if pod else self._named(alert, (namespace, name), "")
        user = alert.text("ka.user.name")
        account = _ACCOUNT.match(user)
        subject = (
            self._entity("ServiceAccount", account[2], account[1])
            if account
            else self._entity("User", user or "unknown")
        )
        return Attribution(subject=subject, key=subject.key, entities=(subject,))

    def _account(self, pod: Pod) -> Entity | None:
        """Return the ServiceAccount if it is this workload's alone: what others use too joins nothing."""
        if not pod.account or pod.account == DEFAULT_ACCOUNT or not self._index.sole_user(pod):
            return None
        return self._entity("ServiceAccount", pod.account, pod.entity.namespace)

    def _image(self, name: str) -> Entity | None:
        return self._entity("Image", name) if name else None

    def _entity(self, kind: str, name: str, namespace: str | None = None) -> Entity:
        return Entity(cluster=self._cluster, kind=kind, name=name, namespace=namespace)


def _same_host(one: str, other: str) -> bool:
    """Return whether two names may be one host's: with and without its domain."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _image(alert: Alert) -> str:
    """Return the image that an alert names: its digest, else repository and tag."""
    repository, tag = alert.text("container.image.repository"), alert.text("container.image.tag")
    named = f"{repository}:{tag}" if repository and tag else repository
    return alert.text("container.image.digest") or named
