"""The executor's hands, as its process has them: what others hold for it is reached by signed orders."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.adapters.capturer import Captures
from activities.adapters.freezer import Freezes
from activities.adapters.memory import Nothing
from activities.consent import Consents
from activities.divided import Divided
from activities.ports import CAPTURES, ENROLMENTS, FREEZES, Cluster, Workload
from signals.envelope import Signer, Trust
from signals.policy import Policy
from signals.subjects import AGENTS, REMEDIATION_EXECUTOR
from tests.workflows.world import Bucket
from workers.capturing import Capturer
from workers.freezing import Freezer

KEYS = {agent: Ed25519PrivateKey.generate() for agent in AGENTS}
TRUST = Trust({agent: key.public_key() for agent, key in KEYS.items()})


def signer(agent: str) -> Signer:
    """Return an agent's signer."""
    return Signer(agent, KEYS[agent])


@dataclass
class Hands:
    """One freezer and one capturer with memories of their own, and the orders that reached them."""

    freezer: Freezer
    capturer: Capturer
    consents: Consents
    evidence: Bucket
    orders: list[bytes] = field(default_factory=list)

    async def ask(self, order: bytes) -> bytes:
        self.orders.append(order)
        return await self.freezer.answer(order)

    async def capture(self, order: bytes) -> bytes:
        self.orders.append(order)
        return await self.capturer.answer(order)

    def of(self, cluster: Cluster) -> Divided:
        """Return a cluster as the executor sees it."""
        me = (cluster.ref, signer(REMEDIATION_EXECUTOR), TRUST)
        freezes = Freezes(*me, self.ask, self.consents)
        return Divided(cluster, {FREEZES: freezes, CAPTURES: Captures(*me, self.capture)})


def hands(
    as_freezer: Cluster,
    as_capturer: Cluster | None = None,
    workload: Workload | None = None,
    policy: Policy | None = None,
) -> Hands:
    """Return new hands, by way of agents that have done nothing yet."""
    evidence = Bucket()
    capturer = Capturer(
        cluster=as_capturer or as_freezer,
        workload=workload or Nothing(),
        signer=signer("capturer"),
        trust=TRUST,
        bucket=evidence,
    )
    freezer = Freezer(
        cluster=as_freezer,
        signer=signer("credential-freezer"),
        trust=TRUST,
        policy=policy or Policy(),
        bucket=Bucket(),
    )
    return Hands(freezer, capturer, Consents(Bucket(), TRUST), evidence)


async def enrolled(people: Cluster, namespaces: Sequence[str], mode: str = "auto") -> None:
    """Enrol namespaces, as the liaison does."""
    for name in namespaces:
        body = {"apiVersion": "firebreak.dev/v1alpha1", "kind": "Enrolment", "metadata": {"name": name}}
        await people.create(ENROLMENTS.ref(name), {**body, "spec": {"mode": mode}})
