"""Carries out orders about Freeze objects, each checked again: the executor may be wrong, or not itself any more.

What it cannot be talked into: a pod that is not there or is another, a namespace that is not enrolled, our own
namespace or the control plane's, more than a few an hour. A person's word counts by the liaison's signature.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import structlog
from pydantic import ValidationError

from activities.ports import ENROLMENTS, FREEZES, PODS, Cluster, KeyValue, Manifest
from deploy.crds import UNFREEZABLE
from signals.approvals import Approval, Verb
from signals.envelope import Signer, Trust
from signals.errors import Conflict, NotFound, Refused, Undecodable
from signals.orders import Answered, FreezeOrder, FreezeVerb
from signals.policy import Policy
from signals.subjects import ACTION, CASE, EXPIRES_AT, FREEZE_ACTION, LIAISON, MANAGED_BY, MANAGER, WORKFLOW
from signals.threats import Mode
from workers.frozen import Frozen
from workers.orders import Orders

MOVED = ("/metadata/uid", f"/metadata/annotations/{EXPIRES_AT.replace('/', '~1')}")
"""What a patch may name: which freeze it is, and when it ends."""

log = structlog.get_logger(__name__)


class Freezer:
    """One freezer, at one API server."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        signer: Signer,
        trust: Trust,
        policy: Policy,
        bucket: KeyValue,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Write to this cluster as the freezer; believe these keys; count in this bucket."""
        self._cluster = cluster
        self._signer = signer
        self._trust = trust
        self._policy = policy
        self._orders = Orders(cluster.ref, trust, now)
        self._frozen = Frozen(bucket, policy.caps, now)
        self._counting = asyncio.Lock()

    async def answer(self, payload: bytes) -> bytes:
        """Carry out one order; return what came of it, signed.

        Raises:
            Undecodable: it is no order.
            Refused: nobody may give it, or it asks for what is never done.
            NotFound, Conflict, BadInput, Unavailable: as the API server says.
        """
        try:
            order = FreezeOrder.model_validate_json(payload)
        except ValidationError as error:
            raise Undecodable(f"this is no order: {error.errors()[0]['msg']}") from error
        self._orders.prove(order, order)
        result = await self._carry_out(order)
        return self._signer.seal(Answered(order=order.id, result=result)).model_dump_json().encode()

    async def _carry_out(self, order: FreezeOrder) -> Any:
        ref = FREEZES.ref(order.name, uid=order.uid)
        match order.verb:
            case FreezeVerb.GET:
                return await self._cluster.get(ref)
            case FreezeVerb.LIST:
                return await self._cluster.list(FREEZES, labels=order.labels)
            case FreezeVerb.CREATE:
                return await self._freeze(order)
            case FreezeVerb.PATCH:
                if any(operation.get("path") not in MOVED for operation in order.operations):
                    raise Refused("only the end of a freeze is moved")
                return await self._cluster.patch(ref, order.operations, dry_run=order.dry_run)
            case FreezeVerb.DELETE:
                await self._cluster.delete(ref, dry_run=order.dry_run)
                if not order.dry_run:
                    log.info("thawed", pod_uid=order.name)
                return None

    async def _freeze(self, order: FreezeOrder) -> Manifest:
        spec, annotations = _shaped(order)
        ref = FREEZES.ref(order.name)
        approval = order.approval or await self._frozen.approval(order.name)
        if approval is not None:
            self._prove(approval, annotations.get(WORKFLOW, ""), order.name)
        self._allow(spec["namespace"], approval)
        pod = await self._pod(spec, order.name)
        await self._enrolled(spec["namespace"], approval, dry_run=order.dry_run)
        async with self._counting:
            standing = await self._cluster.list(FREEZES)
            if any(one["metadata"]["name"] == order.name for one in standing):
                raise Conflict(f"{ref} exists already")
            await self._frozen.admit(pod, standing, approval)
            if not order.dry_run:
                await self._frozen.note(pod, approval)
                await self._frozen.forget([*standing, {"metadata": {"name": order.name}}])
        made = await self._cluster.create(ref, order.manifest, dry_run=order.dry_run)
        if not order.dry_run:
            log.info("frozen", pod=spec["pod"], namespace=spec["namespace"], incident=annotations[WORKFLOW])
        return made

    def _prove(self, approval: Approval, incident: str, uid: str) -> None:
        """Return if a person approved this, about this pod.

        Raises:
            Refused: the liaison did not sign it, or it says something else.
        """
        self._trust.check_sealed(LIAISON, approval)
        if approval.cluster.uid != self._cluster.ref.uid:
            raise Refused(f"the approval is about cluster {approval.cluster}")
        if approval.verb is not Verb.APPROVE or approval.incident != incident:
            raise Refused(f"this command is to {approval.verb} {approval.incident}")
        if uid not in approval.target_uids:
            raise Refused("the approval is about other pods")

    def _allow(self, namespace: str, approval: Approval | None) -> None:
        """Return if pods of this namespace may be frozen at all; where others would suffer, on a lead's word."""
        if namespace in UNFREEZABLE:
            raise Refused(f"pods of {namespace} are never frozen")
        control = any(fnmatchcase(namespace, known) for known in self._policy.control_plane_namespaces)
        if control and (approval is None or approval.role != "lead"):
            raise Refused(f"namespace {namespace} is part of the control plane: a lead must approve")

    async def _pod(self, spec: Mapping[str, Any], uid: str) -> Manifest:
        """Return the pod that is meant.

        Raises:
            NotFound: it is gone, or another has its name.
            Refused: it does not use that account.
        """
        name = f"pod/{spec['namespace']}/{spec['pod']}"
        pod = await self._cluster.get(PODS.ref(spec["pod"], spec["namespace"]))
        if pod["metadata"]["uid"] != uid:
            raise NotFound(f"{name} is another pod now, of the same name")
        account = pod["spec"].get("serviceAccountName") or "default"
        if account != spec["serviceAccount"]:
            raise Refused(f"{name} does not use the account {spec['serviceAccount']}")
        return pod

    async def _enrolled(self, namespace: str, approval: Approval | None, *, dry_run: bool) -> None:
        """Return if this namespace's mode allows it: a dry run is allowed in all of them.

        Raises:
            Refused: it is not enrolled, in shadow mode, or asks for a person first.
        """
        try:
            mode = Mode((await self._cluster.get(ENROLMENTS.ref(namespace)))["spec"]["mode"])
        except NotFound as error:
            raise Refused(f"namespace {namespace} is not enrolled") from error
        if dry_run:
            return
        if mode is Mode.SHADOW:
            raise Refused(f"namespace {namespace} is in shadow mode: nothing is written")
        if mode is Mode.APPROVE and approval is None:
            raise Refused(f"namespace {namespace} is in approve mode: a person must approve")


def _shaped(order: FreezeOrder) -> tuple[dict[str, str], dict[str, str]]:
    """Return spec and annotations of a freeze that is of the one shape there is.

    Raises:
        Refused: it is of another.
    """
    spec, metadata = order.manifest.get("spec") or {}, order.manifest.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    whole = set(spec) == {"podUID", "namespace", "pod", "serviceAccount"} and all(spec.values())
    if not whole or not spec["podUID"] == order.name == metadata.get("name"):
        raise Refused("a freeze names one pod by its UID, and is named after it")
    if labels.get(MANAGED_BY) != MANAGER or labels.get(ACTION) != FREEZE_ACTION or not labels.get(CASE):
        raise Refused("a freeze names its case")
    if not annotations.get(WORKFLOW) or not annotations.get(EXPIRES_AT):
        raise Refused("a freeze says whose it is and when it ends")
    return spec, annotations
