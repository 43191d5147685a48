"""A colleague changes a policy while a containment stands on it: the undo must not take their work with it."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="edited_meanwhile",
    alert="suspicious_egress",
    title="A person edits a policy during a containment",
    app="web",
    happened="Falco: a web pod connected to 203.0.113.80:443, which is blocked. Then a colleague opens a port.",
    meaning="Their edit is theirs. The undo stops before its first write, names what it met, and asks.",
    tier=2,
    states=(IncidentState.CONTAINED,),
    actions=("block_flow", "annotate_pod"),
    closed=(Peer(address="203.0.113.80", port=443),),
    kept=(Peer(address="198.51.100.7", port=443),),
    meddled=True,
    question="The edit is a colleague's. Take our own marks back, and leave what they wrote?",
    decision=Verb.UNDO,
    reason="drill: a colleague has opened a port",
)
