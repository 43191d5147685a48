"""The executor's hands, as its process has them: what others hold for it is reached by signed orders."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activities.adapters.freezer import Freezes
from activities.consent import Consents
from activities.divided import Divided
from activities.ports import ENROLMENTS, FREEZES, Cluster
from signals.envelope import Signer, Trust
from signals.policy import Policy
from signals.subjects import AGENTS, REMEDIATION_EXECUTOR
from tests.workflows.world import Bucket
from workers.freezing import Freezer

KEYS = {agent: Ed25519PrivateKey.generate() for agent in AGENTS}
TRUST = Trust({agent: key.public_key() for agent, key in KEYS.items()})


def signer(agent: str) -> Signer:
    """Return an agent's signer."""
    return Signer(agent, KEYS[agent])


@dataclass
class Hands:
    """One freezer with a memory of its own, and the orders that reached it."""

    freezer: Freezer
    consents: Consents
    orders: list[bytes] = field(default_factory=list)

    async def ask(self, order: bytes) -> bytes:
        self.orders.append(order)
        return await self.freezer.answer(order)

    def of(self, cluster: Cluster) -> Divided:
        """Return a cluster as the executor sees it."""
        freezes = Freezes(cluster.ref, signer(REMEDIATION_EXECUTOR), TRUST, self.ask, self.consents)
        return Divided(cluster, {FREEZES: freezes})


def hands(as_freezer: Cluster, policy: Policy | None = None) -> Hands:
    """Return new hands, by way of a freezer that has done nothing yet."""
    freezer = Freezer(
        cluster=as_freezer,
        signer=signer("credential-freezer"),
        trust=TRUST,
        policy=policy or Policy(),
        bucket=Bucket(),
    )
    return Hands(freezer, Consents(Bucket(), TRUST))


async def enrolled(people: Cluster, namespaces: Sequence[str], mode: str = "auto") -> None:
    """Enrol namespaces, as the liaison does."""
    for name in namespaces:
        body = {"apiVersion": "firebreak.dev/v1alpha1", "kind": "Enrolment", "metadata": {"name": name}}
        await people.create(ENROLMENTS.ref(name), {**body, "spec": {"mode": mode}})
