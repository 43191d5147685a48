"""An attacker has a shell in a web pod, its input and output on a connection to their own server."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="reverse_shell",
    alert="reverse_shell",
    title="Reverse shell in a web pod",
    app="web",
    happened="Falco: a shell in a web pod has its input and output on a connection to 203.0.113.66:443.",
    meaning="Somebody outside types commands inside the shop. One pod is lost; the others must not follow.",
    tier=3,
    states=(IncidentState.CONTAINED, IncidentState.PARTIALLY_CONTAINED),
    actions=("isolate_pod",),
    closed=(Peer(address="203.0.113.66", port=443), Peer(address="198.51.100.7", port=443)),
    kept=(),
    whole=True,
    question="The pod is isolated. The drill is over: put everything back?",
    decision=Verb.UNDO,
    reason="drill: the attack was ours",
)
