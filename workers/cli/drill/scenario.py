"""The shape of a scenario: a recorded alert, the pod it is about, and how it must end. One file, one value."""

from dataclasses import dataclass

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One attack. `name` is its file's name, and that of its alert in `deploy/drill/alerts`."""

    name: str
    title: str
    app: str
    """Label `app` of the pod that is attacked."""
    happened: str
    meaning: str
    tier: int
    states: tuple[IncidentState, ...]
    """Where the incident may stand once the response is over: how far it went is the policy's matter."""
    actions: tuple[str, ...]
    """Types of action that must stand then, whatever the policy lets follow on them."""
    closed: tuple[Peer, ...]
    """What the pod reaches before, and must not reach then. Its neighbours still do."""
    kept: tuple[Peer, ...]
    """What the pod must still reach then."""
    question: str
    """What a person is asked then."""
    decision: Verb
    """What they do if they say yes, and what a drill without a person does."""
    reason: str
    planted: str = ""
    """A password in the alert; must be nowhere in the incident."""
