"""Somebody reads the token of a pod in kube-system by hand: whatever is done there, a person decides."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="token_theft",
    alert="token_theft",
    title="A token is read in a pod of kube-system",
    app="node-agent",
    namespace="kube-system",
    besides="system.yaml",
    happened="Falco: in a pod of kube-system, `cat` reads the token of its ServiceAccount.",
    meaning="Whoever has it speaks as part of the control plane. Nothing is written there without a person.",
    tier=4,
    states=(IncidentState.AWAITING_APPROVAL,),
    actions=(),
    approved=("annotate_pod",),
    closed=(),
    kept=(Peer(address="198.51.100.7", port=443),),
    question="It is marked as quarantined. The drill is over: put everything back?",
    decision=Verb.UNDO,
    reason="drill: the thief was ours",
)
