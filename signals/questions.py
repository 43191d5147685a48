"""Five questions that everybody asks about an incident, answered from its evidence: yes, no or unknown.

"No" needs proof as much as "yes" does: where a probe did not answer, or nobody looks, the answer is unknown and
says what is missing. Nothing here ever says that something is safe.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum

from pydantic import BaseModel

from signals.incidents import Incident, Investigation, Node, Relation
from signals.threats import ThreatEvent


class Answered(StrEnum):
    """What a question comes to."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Question(BaseModel, frozen=True):
    """One question with its answer, and what that rests on."""

    name: str
    """`exposed`, `excess-privilege`, `sensitive-namespace`, `lateral-movement` or `policy-violated`."""
    question: str
    answer: Answered
    proof: tuple[str, ...]
    """What was seen; for unknown: what is missing."""


class Evidence:
    """What an incident knows, made ready to be asked."""

    def __init__(self, incident: Incident) -> None:
        """Read one incident."""
        self.incident = incident
        self.subjects = {event.subject.key for event in incident.events}
        self.found = incident.investigation or Investigation()
        self._nodes = {node.id: node for node in self.found.nodes}
        names = {event.subject.name_key for event in incident.events}
        self.pods = [
            node
            for node in self.found.nodes
            if node.entity.kind == "Pod" and (node.id in self.subjects or node.entity.name_key in names)
        ]

    def missing(self, *probes: str) -> tuple[str, ...]:
        """Return why some probes cannot be relied on."""
        if self.incident.investigation is None:
            return ("nobody has investigated yet",)
        if not self.pods:
            return ("no pod of this incident could be looked at",)
        told = tuple(f"{probe} of " for probe in probes)
        return tuple(line for line in self.found.missing if line.startswith(told))

    def into(self, target: Node, relation: Relation) -> Iterator[Node]:
        """Yield what has this relation to a node."""
        for edge in self.found.edges:
            if edge.target == target.id and edge.type is relation and edge.source in self._nodes:
                yield self._nodes[edge.source]

    def out_of(self, source: Node, relation: Relation) -> Iterator[Node]:
        """Yield what a node has this relation to."""
        for edge in self.found.edges:
            if edge.source == source.id and edge.type is relation and edge.target in self._nodes:
                yield self._nodes[edge.target]


Asked = Callable[[Evidence], tuple[Answered, tuple[str, ...]]]
_OUTSIDE = frozenset({"NodePort", "LoadBalancer"})
_STRONG = frozenset({"cluster-admin", "admin", "edit"})
_LEVELS = ("privileged", "baseline", "restricted")
_LATERAL = frozenset({"TA0008", "T1021", "T1210", "T1534", "T1550", "T1563", "T1570"})


def questions(incident: Incident) -> tuple[Question, ...]:
    """Return the five questions with their answers."""
    evidence = Evidence(incident)
    answered = ((name, question, ask(evidence)) for name, (question, ask) in _QUESTIONS.items())
    return tuple(
        Question(name=name, question=question, answer=answer, proof=proof)
        for name, question, (answer, proof) in answered
    )


def _concluded(yes: list[str], missing: tuple[str, ...], no: str) -> tuple[Answered, tuple[str, ...]]:
    """Return yes where something was seen, unknown where something could not be, else no."""
    if yes:
        return Answered.YES, tuple(dict.fromkeys(yes))
    return (Answered.UNKNOWN, missing) if missing else (Answered.NO, (no,))


def _exposed(evidence: Evidence) -> tuple[Answered, tuple[str, ...]]:
    seen = [told for pod in evidence.pods for told in _doors(evidence, pod)]
    no = (
        "no Service of type NodePort or LoadBalancer, no Ingress and no host port leads to it;"
        " routes of the Gateway API are not read"
    )
    return _concluded(seen, evidence.missing("services", "pod_security"), no)


def _doors(evidence: Evidence, pod: Node) -> Iterator[str]:
    """Yield every way from outside to a pod."""
    for service in evidence.into(pod, Relation.SELECTS):
        if service.attributes.get("type") in _OUTSIDE:
            yield f"{service.entity} is a {service.attributes['type']} and leads to {pod.entity}"
        for ingress in evidence.into(service, Relation.ROUTES):
            yield f"{ingress.entity} leads to {pod.entity} through {service.entity}"
    for breach in _breaches(pod):
        if "of its node" in breach or "hostNetwork" in breach:
            yield f"{pod.entity}: {breach}"


def _breaches(pod: Node) -> list[str]:
    return [str(breach) for breach in pod.attributes.get("beyond_baseline") or ()]


def _excess(evidence: Evidence) -> tuple[Answered, tuple[str, ...]]:
    seen: list[str] = []
    for pod in evidence.pods:
        seen += [f"{pod.entity}: {breach}" for breach in _breaches(pod)]
        for account in evidence.out_of(pod, Relation.RUNS_AS):
            for binding in evidence.into(account, Relation.BINDS):
                seen += [
                    f"{account.entity} has the role {role.entity.name}, by {binding.entity}"
                    for role in evidence.out_of(binding, Relation.GRANTS)
                    if role.entity.kind == "ClusterRole" and role.entity.name in _STRONG
                ]
    no = "it keeps the baseline Pod Security Standard, and no strong built-in role is bound to its account"
    return _concluded(seen, evidence.missing("pod_security", "service_account"), no)


def _sensitive(evidence: Evidence) -> tuple[Answered, tuple[str, ...]]:
    decisions = evidence.incident.decisions
    if not decisions:
        return Answered.UNKNOWN, ("it was not judged yet",)
    seen = [term.reason for decision in decisions for term in decision.terms if term.name == "control plane"]
    plan = evidence.incident.plan
    seen += [concern for action in (plan.actions if plan else ()) for concern in action.concerns]
    digest = decisions[-1].policy_digest[:12]
    return _concluded(
        seen, (), f"none of its namespaces is one that policy {digest} reserves for the control plane"
    )


def _lateral(evidence: Evidence) -> tuple[Answered, tuple[str, ...]]:
    seen = [told for event in evidence.incident.events for told in _moved(event)]
    subjects = sorted({str(event.subject) for event in evidence.incident.events})
    if len(subjects) > 1:
        seen.append(f"the same incident was seen in {', '.join(subjects[:5])}")
    absent = "nothing of it was seen; where nobody watches connections, that proves nothing"
    return (Answered.YES, tuple(dict.fromkeys(seen))) if seen else (Answered.UNKNOWN, (absent,))


def _moved(event: ThreatEvent) -> Iterator[str]:
    """Yield what in one event says that somebody went on from the subject to another place in the cluster."""
    if event.technique and event.technique.split(".")[0] in _LATERAL:
        yield f"{event.title} ({event.technique})"
    if event.peer and event.peer.pod and event.peer.pod.key != event.subject.key:
        yield f"{event.subject} was connected to {event.peer.pod}"


def _violated(evidence: Evidence) -> tuple[Answered, tuple[str, ...]]:
    seen = [told for pod in evidence.pods for told in _beyond(evidence, pod)]
    seen += [f"rule “{event.rule}” of {event.agent} forbids it" for event in evidence.incident.events]
    return _concluded(seen, evidence.missing("pod_security"), "no rule and no Pod Security level forbids it")


def _beyond(evidence: Evidence, pod: Node) -> Iterator[str]:
    """Yield each Pod Security level of its namespace that a pod does not keep."""
    for namespace in evidence.into(pod, Relation.HOLDS):
        for mode in ("enforce", "audit", "warn"):
            wanted, kept = (
                namespace.attributes.get(f"pod_security_{mode}"),
                pod.attributes.get("pod_security"),
            )
            if wanted in _LEVELS and kept in _LEVELS and _LEVELS.index(kept) < _LEVELS.index(wanted):
                yield f"{pod.entity} keeps the level {kept}, and {namespace.entity} asks for {wanted} ({mode})"


_QUESTIONS: dict[str, tuple[str, Asked]] = {
    "exposed": ("Can it be reached from outside the cluster?", _exposed),
    "excess-privilege": ("Does it have more rights than such a workload should?", _excess),
    "sensitive-namespace": ("Is it part of the control plane, or of what that rests on?", _sensitive),
    "lateral-movement": ("Did somebody move on from it to something else?", _lateral),
    "policy-violated": ("Was a rule or a policy broken?", _violated),
}
