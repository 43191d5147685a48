"""The shape of a scenario: a recorded alert, the pods it is about, and how it must end. One file, one value."""

from dataclasses import dataclass

from signals.approvals import Verb
from signals.incidents import IncidentState
from signals.threats import Peer


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One attack. `name` is its file's name."""

    name: str
    alert: str
    """The recording, in `deploy/drill/alerts`."""
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
    namespace: str = "shop"
    """Where the pod lives."""
    besides: str = ""
    """A file of `deploy/drill` with what this scenario needs besides the sample application, while it is played."""
    crowd: int = 1
    """How many pods are attacked at once."""
    approved: tuple[str, ...] = ()
    """Tier 4: types of action that must stand once a person has approved the plan. Nothing stands before."""
    killed: tuple[str, ...] = ()
    """Processes that are killed with `kill -9` in the middle of the containment."""
    whole: bool = False
    """Whether all that follows an isolation is looked at: evidence, frozen credentials, a refused eviction."""
    meddled: bool = False
    """Whether a person changes a policy while the containment stands."""
