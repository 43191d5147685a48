"""A hundred pods are taken over within a second: the responder must not become the second disaster."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="storm",
    alert="reverse_shell",
    title="A storm: a hundred pods at once",
    app="crowd",
    besides="crowd.yaml",
    crowd=100,
    happened="Falco: within a second a hundred pods of one workload open shells to 203.0.113.66:443.",
    meaning="One cause, not a hundred. From the tenth on it is one incident, contained and asked about as one.",
    tier=3,
    states=(IncidentState.CONTAINED, IncidentState.PARTIALLY_CONTAINED, IncidentState.AWAITING_APPROVAL),
    actions=("isolate_pod",),
    closed=(Peer(address="203.0.113.66", port=443),),
    kept=(),
    question="All are isolated. The drill is over: put everything back?",
    decision=Verb.UNDO,
    reason="drill: the storm was ours",
)
