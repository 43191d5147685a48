"""Firebreak itself dies in the middle of a containment, hard: what is half done must be finished, and only once."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.subjects import ORCHESTRATOR, REMEDIATION_EXECUTOR
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="killed_in_the_middle",
    alert="suspicious_egress",
    title="Firebreak is killed in the middle of a containment",
    app="web",
    happened="Falco: a web pod connected to 203.0.113.80:443. As the first policy is written, Firebreak is killed.",
    meaning="Temporal, the orchestrator and the executor are gone at once. What they knew is on disk.",
    tier=2,
    states=(IncidentState.CONTAINED,),
    actions=("block_flow", "annotate_pod"),
    closed=(Peer(address="203.0.113.80", port=443),),
    kept=(Peer(address="198.51.100.7", port=443),),
    killed=("temporal", ORCHESTRATOR, REMEDIATION_EXECUTOR),
    question="It was finished, once. The drill is over: put everything back?",
    decision=Verb.UNDO,
    reason="drill: nobody was there",
)
