"""What the workflow tests share: how to make a namespace, an alert, and a person who speaks."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.adapters.memory import MemoryCluster
from activities.adapters.memory_bucket import MemoryBucket
from activities.ports import ENROLMENTS, NAMESPACES, NETWORK_POLICIES, PODS, Manifest
from signals.approvals import Answer, Approval, Verb
from signals.entities import ClusterRef, Entity
from signals.envelope import Signer, Trust
from signals.errors import Unavailable
from signals.incidents import Incident
from signals.pages import Page
from signals.policy import Policy
from signals.receipts import ActionState
from signals.requests import Batch, IncidentInput
from signals.subjects import AGENTS, INCIDENT_WORKFLOW, LIAISON, ORCHESTRATOR
from signals.threats import Mode, Severity, ThreatEvent
from signals.vouching import Voucher
from workflows.incident import IncidentWorkflow
from workflows.options import TASK_TIMEOUT

CLUSTER = ClusterRef(name="test", uid="test-cluster")
CROWDED = 120
"""Events in a history from which Temporal wants it to go on in a new run; its own default is 4,096."""


def keyring() -> tuple[dict[str, Signer], Trust, str]:
    """Return a key for every agent, what proves them, and the liaison's public key as text."""
    keys = {agent: Ed25519PrivateKey.generate() for agent in AGENTS}
    public = {agent: key.public_key() for agent, key in keys.items()}
    text = public[LIAISON].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {agent: Signer(agent, key) for agent, key in keys.items()}, Trust(public), text


Bucket = MemoryBucket


class Pages:
    """A channel that remembers."""

    def __init__(self) -> None:
        self.sent: list[Page] = []
        self.down: set[str] = set()
        """Incidents about which nobody can be told now."""

    async def send(self, page: Page) -> None:
        if page.incident in self.down:
            raise Unavailable("the pager is down")
        self.sent.append(page)

    def about(self, incident: str) -> list[Page]:
        return [page for page in self.sent if page.incident == incident]


@dataclass
class Clock:
    """The executor's clock, which a test may set forward as Temporal skips time."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, kw_only=True)
class Place:
    """One namespace with one pod and one policy that selects it."""

    namespace: str
    pod: Manifest
    policy: Manifest

    @property
    def subject(self) -> Entity:
        metadata = self.pod["metadata"]
        return Entity(
            cluster=CLUSTER, kind="Pod", namespace=self.namespace, name=metadata["name"], uid=metadata["uid"]
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """One Temporal server, its workers, and one cluster."""

    client: Client
    environment: WorkflowEnvironment
    cluster: MemoryCluster
    records: Bucket
    pages: Pages
    clock: Clock
    liaison: Signer
    voucher: Voucher
    liaison_key: str
    policy: Policy

    async def place(self, mode: Mode | None = Mode.AUTO, namespace: str = "", owner: str = "") -> Place:
        """Make a namespace with a pod, of an owner of some kind, and a policy; enrol it unless `mode` is None."""
        name = namespace or f"ns-{uuid.uuid4().hex[:8]}"
        if not namespace:
            await self.cluster.create(
                NAMESPACES.ref(name), {"kind": "Namespace", "apiVersion": "v1", "metadata": {}}
            )
        if mode:
            body = {
                "kind": "Enrolment",
                "apiVersion": "firebreak.dev/v1alpha1",
                "metadata": {},
                "spec": {"mode": mode},
            }
            await self.cluster.create(ENROLMENTS.ref(name), body)
        owners = [{"kind": owner, "name": "web", "uid": f"owner-{name}", "controller": True}] if owner else []
        pod = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"labels": {"app": "web"}, "ownerReferences": owners},
            "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "shop/web:1"}]},
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.7"}]},
        }
        policy = {
            "kind": "NetworkPolicy",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {},
            "spec": {
                "podSelector": {"matchLabels": {"app": "web"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}],
            },
        }
        return Place(
            namespace=name,
            pod=await self.cluster.create(PODS.ref("web-0", name), pod),
            policy=await self.cluster.create(NETWORK_POLICIES.ref("allow-web", name), policy),
        )

    def event(self, place: Place, **given: Any) -> ThreatEvent:
        """Return an alert about the pod of a place."""
        now = self.clock.now()
        fields: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "cluster": CLUSTER,
            "agent": "runtime-guardian",
            "detector": "reverse_shell",
            "rule": "Reverse shell",
            "title": "A shell talks to the network",
            "technique": "T1059",
            "severity": Severity.HIGH,
            "confidence": 0.9,
            "subject": place.subject,
            "mode": Mode.AUTO,
            "enrolled": True,
            "observed_at": now,
            "accepted_at": now,
        }
        return ThreatEvent(**fields | given)

    async def open(
        self, *events: ThreatEvent, incident: str = "", **given: Any
    ) -> WorkflowHandle[IncidentWorkflow, Any]:
        """Send events to a new or a running incident, as the orchestrator does."""
        name = incident or f"case-{uuid.uuid4().hex[:8]}"
        fields: dict[str, Any] = {
            "incident": name,
            "cluster": CLUSTER,
            "liaison_key": self.liaison_key,
            "approval_seconds": 900,
            "false_alarm_seconds": 1800,
            "extensions": self.policy.extensions,
            "quiet_seconds": 86400,
        }
        return await self.client.start_workflow(
            INCIDENT_WORKFLOW,
            IncidentInput(**fields | given),
            id=name,
            task_queue=ORCHESTRATOR,
            start_signal="events",
            start_signal_args=[self.batch(name, *events)],
            task_timeout=TASK_TIMEOUT,
        )

    def batch(self, incident: str, *events: ThreatEvent) -> dict[str, Any]:
        """Return events for one incident as the orchestrator sends them: it vouches for each."""
        told = tuple(self.voucher.vouched(event, incident) for event in events)
        return Batch(events=told).model_dump(mode="json")

    async def say(
        self, handle: WorkflowHandle[Any, Any], verb: Verb, actor: str = "oncall", **given: Any
    ) -> Answer:
        """Speak to a workflow as a person, through the liaison's signature."""
        incident = handle.id.removesuffix("/remediation")
        fields: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "cluster": CLUSTER,
            "verb": verb,
            "incident": incident,
            "actor": actor,
            "said_at": self.clock.now(),
        }
        approval = self.liaison.seal(Approval(**fields | given))
        return await self.send(handle, approval)

    async def send(self, handle: WorkflowHandle[Any, Any], approval: Approval) -> Answer:
        """Send a command as it is."""
        answer: Answer = await handle.execute_update(
            approval.verb.replace("-", "_"),
            approval.model_dump(mode="json"),
            id=approval.id,
            result_type=Answer,
        )
        return answer

    async def until(
        self, handle: WorkflowHandle[Any, Any], what: Callable[[Incident], bool], seconds: float = 20.0
    ) -> Incident:
        """Return the incident once it is so."""
        incident: Incident | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    incident = await handle.query("incident", result_type=Incident)
                    if what(incident):
                        return incident
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it did not become so; it is {incident}") from None

    async def standing(self, place: Place) -> tuple[Manifest, Manifest, list[Manifest]]:
        """Return the pod, its policy and every policy of the namespace, as they stand."""
        pod = await self.cluster.get(PODS.ref("web-0", place.namespace))
        policy = await self.cluster.get(NETWORK_POLICIES.ref("allow-web", place.namespace))
        return pod, policy, await self.cluster.list(NETWORK_POLICIES, place.namespace)


def settled(incident: Incident) -> bool:
    """Whether everything that was applied was verified."""
    states = {receipt.state for receipt in incident.receipts}
    return bool(states) and not states & {ActionState.APPLIED, ActionState.DUE}


def essence(manifest: Manifest) -> Manifest:
    """Return an object without what the server keeps for itself."""
    metadata = {
        name: value
        for name, value in manifest["metadata"].items()
        if name not in ("resourceVersion", "generation", "managedFields")
    }
    return {**manifest, "metadata": metadata}
