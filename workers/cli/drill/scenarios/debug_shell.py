"""A colleague opens a shell in a debug pod: noisy, and harmless."""

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer
from workers.cli.drill.scenario import Scenario

SCENARIO = Scenario(
    name="debug_shell",
    alert="debug_shell",
    title="Noisy shell in a debug pod",
    app="debug",
    happened="Falco: a terminal shell was opened in the debug pod, with a password on its command line.",
    meaning="It may be a colleague at work. It is recorded and nothing is touched; the password is cut out.",
    tier=1,
    states=(IncidentState.OBSERVED,),
    actions=(),
    closed=(),
    kept=(Peer(address="198.51.100.7", port=443),),
    question="It was a colleague. Close the incident?",
    decision=Verb.CLOSE,
    reason="drill: a colleague at work",
    planted="correct-horse-4711",
)
