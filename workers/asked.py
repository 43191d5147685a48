"""Who made a request to the API server, and which pod it is about: the subject of an audit event.

A token says for which pod it was made (`pod-uid`): then that pod is the subject, for certain. Else it is the
ServiceAccount or the user. What people do *to* a pod is told of that pod, beside what is seen inside of it.
"""

from signals.audit_detector import account_of, of_workload
from signals.entities import ClusterRef, Entity
from signals.telemetry.audit import CREDENTIAL, POD_NAME, POD_UID, AuditEvent
from signals.threats import Mode
from workers.attribution import Attribution
from workers.pod_index import Pod, PodIndex


class Asked:
    """Finds the subjects of audit events in one cluster."""

    def __init__(self, cluster: ClusterRef, index: PodIndex) -> None:
        """Look into this index."""
        self._cluster = cluster
        self._index = index

    def find(self, event: AuditEvent, *, about_target: bool) -> Attribution:
        """Return the subject of one event. With `about_target` it is the pod asked for, if no pod asked."""
        account = account_of(event.user)
        uid = event.extra.get(POD_UID, "")
        target = self._target(event)
        if account and uid:
            return self._pod(uid, account[0], event, target)
        if about_target and target:
            return self._subject(target, event, None)
        subject = (
            self._entity("ServiceAccount", account[1], account[0], event.uid)
            if account
            else self._entity("User", event.user)
        )
        return self._subject(subject, event, target)

    def _pod(self, uid: str, namespace: str, event: AuditEvent, target: Entity | None) -> Attribution:
        """Return the pod that the token was made for. The API server checks that it exists, so it does."""
        pod = self._index.by_uid(uid)
        if pod is None:
            subject = self._entity("Pod", event.extra.get(POD_NAME) or uid, namespace, uid)
            caveat = "unknown: the pod of this token is not, or no longer, known to the API server"
            return self._subject(subject, event, target, caveats=(caveat,))
        caveats = ("gone: the API server no longer has this pod",) if pod.gone else ()
        return self._subject(pod.entity, event, target, pod=pod, caveats=caveats)

    def _subject(
        self,
        subject: Entity,
        event: AuditEvent,
        target: Entity | None,
        *,
        pod: Pod | None = None,
        caveats: tuple[str, ...] = (),
    ) -> Attribution:
        pod = pod or (self._index.by_uid(subject.uid or "") if subject.kind == "Pod" else None)
        mode = self._index.mode(subject.namespace or "")
        around = [
            self._entity("Credential", credential)
            if (credential := event.extra.get(CREDENTIAL, ""))
            else None,
            self._account(pod) if pod else None,
            self._entity("Node", pod.node) if pod and pod.node else None,
            target,
        ]
        if subject.kind == "Pod" and not of_workload(event):
            around.append(self._entity("User", event.user))
        return Attribution(
            subject=subject,
            key=subject.key,
            pod=pod,
            owner=self._index.workload(pod) if pod else None,
            entities=(subject, *(entity for entity in around if entity and entity.key != subject.key)),
            mode=mode or Mode.SHADOW,
            enrolled=mode is not None,
            caveats=caveats,
        )

    def _target(self, event: AuditEvent) -> Entity | None:
        """Return the pod that a request is about, where it is about one that runs."""
        made = event.verb == "create" and not event.subresource
        if event.resource != "pods" or not event.name or made:
            return None
        pod = self._index.by_name((event.namespace, event.name))
        return pod.entity if pod else self._entity("Pod", event.name, event.namespace)

    def _account(self, pod: Pod) -> Entity | None:
        """Return the ServiceAccount if it is this workload's alone: what others use too joins nothing."""
        if not pod.account or pod.account == "default" or not self._index.sole_user(pod):
            return None
        return self._entity("ServiceAccount", pod.account, pod.entity.namespace)

    def _entity(self, kind: str, name: str, namespace: str | None = None, uid: str = "") -> Entity:
        return Entity(cluster=self._cluster, kind=kind, name=name, namespace=namespace, uid=uid or None)
