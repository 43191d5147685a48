"""A web pod connects to an address on a list of attackers' servers; it turns out to be a content network."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="suspicious_egress",
    alert="suspicious_egress",
    title="Suspicious egress from a web pod",
    app="web",
    happened="Falco: a web pod connected to 203.0.113.80:443, an address on a list of attackers' servers.",
    meaning="Perhaps data leaves the shop, perhaps the list is wrong. Too unsure to stop the pod.",
    tier=2,
    states=(IncidentState.CONTAINED,),
    actions=("block_flow", "annotate_pod"),
    closed=(Peer(address="203.0.113.80", port=443),),
    kept=(Peer(address="198.51.100.7", port=443),),
    question="203.0.113.80 is your content network: a false alarm. Put everything back?",
    decision=Verb.UNDO,
    reason="drill: false alarm, the address is our content network",
)
