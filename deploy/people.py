"""What people may say, by the group that they are in."""

from signals.approvals import Verb

ONCALL_GROUP = "firebreak:oncall"
LEAD_GROUP = "firebreak:lead"
LEAD = "lead"
"""Virtual subresource of commands: speaking with the security lead's authority."""
ONCALL_VERBS = (
    Verb.APPROVE,
    Verb.REJECT,
    Verb.UNDO,
    Verb.EXTEND,
    Verb.STAND_DOWN,
    Verb.CLOSE,
    Verb.JUDGE,
    Verb.END_EXCEPTION,
    Verb.STOP,
    Verb.RESUME,
)
LEAD_VERBS = (*ONCALL_VERBS, Verb.ENROL, Verb.UNENROL, Verb.SNOOZE, Verb.APPROVE_POLICY)
