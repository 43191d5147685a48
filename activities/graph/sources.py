"""What each kind of thing leads to by itself, once it is held: pods, secrets, nodes, accounts, cluster-admin."""

from collections.abc import Iterable, Iterator

from activities.graph.combined import Held
from activities.graph.edges import Certainty, Edge
from activities.graph.identities import MASTERS
from activities.graph.rights import EVERYWHERE
from activities.graph.steps import BUILT_IN, Granted, Known, Offer, offer
from activities.graph.world import World

_ADDED = Known(Granted(BUILT_IN, rule="it puts everybody of this kind into the group"))
_ALL = Known(Granted(BUILT_IN, rule=f"{MASTERS} may do everything, whatever RBAC says"))
FROZEN = "tokens of this pod are frozen: reads go on, and all else needs another token"
FLAW = "control of the pod needs a flaw in what listens there"


class Sources:
    """All that things of one world lead to."""

    def __init__(self, world: World) -> None:
        """Look at this world."""
        self.world = world
        self._census = world.census
        self._pods: dict[int, list[Offer]] = {}
        self._groups: dict[int, list[Offer]] = {}
        self._nodes: dict[int, list[Offer]] = {}
        self._held: dict[int, list[Held]] = {}

    def pod(self, number: int) -> list[Offer]:
        """Return what a pod has with it, and its ways out."""
        if number not in self._pods:
            self._pods[number] = [*self._of_pod(number)]
        return self._pods[number]

    def groups(self, number: int) -> list[Offer]:
        """Return the groups that the API server puts an identity into, and what is special about them."""
        if number not in self._groups:
            self._groups[number] = [*self._of_groups(number)]
        return self._groups[number]

    def _of_pod(self, number: int) -> Iterator[Offer]:
        member, held = self._census.members[number], self._census.possessions[number]
        name = f"Pod/{member.name}"
        if held.token:
            said = Granted.by(name, member.manifest, held.token)
            frozen = (FROZEN,) if member.name in self._census.frozen else ()
            yield offer(Edge.RUNS_AS, self._census.numbers(f"sa/{held.account}"), Known(said), *frozen)
        for secret, where in held.secrets.items():
            said = Granted.by(name, member.manifest, where)
            yield offer(Edge.MOUNTS, self._census.numbers(f"secret/{secret}"), Known(said))
        for escape in held.escapes:
            said = Granted.by(name, member.manifest, escape.reason)
            if member.node:
                yield offer(
                    Edge.ESCAPE, self._census.numbers(f"node/{member.node}"), Known(said), *escape.conditions
                )
            else:
                anywhere = (*escape.conditions, "the pod is placed on this node")
                yield offer(Edge.ESCAPE, self._census.whole["node"], Known(said), *anywhere)

    def network(self, number: int) -> Iterator[Offer]:
        """Yield the pods that a pod can connect to, as if all could be taken."""
        ways = self.world.ways
        for met in ways.meet(ways.profile(number), -1):
            targets = tuple(ways.pods(met.targets))
            said = Known(Granted("the network policies of both", rule="they leave a port open"))
            known = met.answer.allow != 0
            certainty = Certainty.CONDITIONAL if known else Certainty.UNKNOWN
            yield Offer(Edge.NET_REACH, targets, said, certainty, (FLAW,))

    def secret(self, number: int) -> Iterator[Offer]:
        """Yield whose token a secret holds."""
        if number in self._census.tokens:
            name = self._census.names[number].removeprefix("secret/")
            said = Granted.by(
                f"Secret/{name}", self._census.objects["Secret"].get(name), "the account's token"
            )
            yield offer(Edge.TOKEN_FOR, self._census.tokens[number], Known(said))

    def node(self, number: int) -> list[Offer]:
        """Return what runs on a node, what those pods have, and what the node itself is."""
        if number not in self._nodes:
            self._nodes[number] = [*self._of_node(number)]
        return self._nodes[number]

    def _of_node(self, number: int) -> Iterator[Offer]:
        census = self._census
        name = census.names[number].removeprefix("node/")
        manifest = census.objects["Node"].get(name)
        pods = census.on_node.get(name, ())
        runs = Known(Granted.by(f"Node/{name}", manifest, "spec.nodeName of the pod"))
        yield offer(Edge.NODE_TO_POD, pods, runs)
        reads = Known(Granted.by(f"Node/{name}", manifest, "the Node authorizer: what its pods need"))
        yield offer(Edge.NODE_CRED, self._needed(pods) + census.numbers(f"user/system:node:{name}"), reads)
        if reason := census.planes.get(number):
            said = Known(Granted.by(f"Node/{name}", manifest, reason))
            yield offer(Edge.CONTROL_PLANE, (census.admin,), said)
        elif manifest is None:
            said = Known(Granted(f"Node/{name}", rule="the node is not in the data"))
            why = ("the node holds the control plane: it is not in the data",)
            yield Offer(Edge.CONTROL_PLANE, (census.admin,), said, Certainty.UNKNOWN, why)

    def _needed(self, pods: Iterable[int]) -> tuple[int, ...]:
        """Return the accounts and secrets of some pods."""
        entities: dict[str, None] = {}
        for pod in pods:
            held = self._census.possessions[pod]
            entities[f"sa/{held.account}"] = None
            entities |= dict.fromkeys(f"secret/{name}" for name in (*held.secrets, *held.pulls))
        return tuple(number for entity in entities for number in self._census.numbers(entity))

    def _of_groups(self, number: int) -> Iterator[Offer]:
        who = self._census.who(number)
        others = (one for group in who.groups for one in self._census.numbers(f"group/{group}"))
        yield offer(Edge.MEMBER_OF, tuple(one for one in others if one != number), _ADDED)
        if MASTERS in who.groups:
            yield offer(Edge.CLUSTER_ADMIN, (self._census.admin,), _ALL)

    def held(self, number: int, banned: frozenset[str]) -> list[Held]:
        """Return the roles that an identity holds, and where."""
        if number not in self._held:
            self._held[number] = [
                Held(binding.namespace or EVERYWHERE, binding.role, binding)
                for binding in self.world.rbac.held(self._census.who(number))
                if binding.role is not None
            ]
        if not banned:
            return self._held[number]
        return [one for one in self._held[number] if one.binding is None or one.binding.id not in banned]

    def admin(self) -> Iterable[Offer]:
        """Yield everything."""
        whole = self._census.whole
        yield offer(Edge.SECRET_READ, whole["secret"], _ALL)
        yield offer(Edge.TOKEN_REQUEST, whole["sa"], _ALL)
        yield offer(Edge.POD_EXEC, whole["pod"], _ALL)
        yield offer(Edge.POD_CREATE_ESCAPE, whole["node"], _ALL)
        yield offer(Edge.IMPERSONATE, whole["user"] | whole["group"], _ALL)
