"""Which policy holds: the installed one, unless it loosens the one before and no lead has approved that.

Whoever can change a file or a ConfigMap can let Firebreak do more; that takes the approval that it loosens. What
only tightens holds at once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from activities.ports import KeyValue
from signals.approvals import Verb, Voice
from signals.authority import Matter
from signals.errors import Conflict
from signals.loosening import loosened
from signals.policy import Policy
from signals.voices import objection

_KEY = "policy.held"

Approvals = Mapping[tuple[str, str], Mapping[str, Voice]]
"""From which policy to which, by digests: who approves it, by the UID of their Command."""


class Kept(BaseModel, frozen=True):
    """The policy in force, and the approvals that have brought a policy into force."""

    policy: Policy
    spent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """The policy that holds; and the installed one where that may not hold yet, with what it would loosen."""

    policy: Policy
    waiting: Policy | None = None
    loosens: tuple[str, ...] = ()
    spent: frozenset[str] = frozenset()

    def approved_by(self, approvals: Approvals) -> bool:
        """Return whether a lead has approved what waits, by a Command that was not used before."""
        if self.waiting is None:
            return False
        return bool(_unspent(approvals, self.policy, self.waiting, self.spent))

    def __str__(self) -> str:
        """Return what a person has to know and do, or nothing."""
        if self.waiting is None:
            return ""
        what = "; ".join(self.loosens)
        return (
            f"the installed policy loosens the one in force ({what}): until a lead says"
            f" `firebreak approve-policy {self.policy.digest} {self.waiting.digest}` the old one holds"
        )


async def in_force(bucket: KeyValue, installed: Policy, approvals: Approvals) -> Standing:
    """Return what holds, and keep it; the first policy of all is taken as it is.

    An approval is good for once: what was tightened since is not loosened by it again. Raises `Unavailable` when
    the bucket does not answer.
    """
    while True:
        entry = await bucket.get(_KEY)
        try:
            if entry is None:
                await bucket.create(_KEY, Kept(policy=installed).model_dump_json().encode())
                return Standing(installed)
            kept = Kept.model_validate_json(entry.value)
            loosens = loosened(kept.policy, installed)
            used = _unspent(approvals, kept.policy, installed, kept.spent) if loosens else ()
            if loosens and not used:
                return Standing(kept.policy, installed, loosens, frozenset(kept.spent))
            if kept.policy != installed:
                now = Kept(policy=installed, spent=(*kept.spent, *used))
                await bucket.update(_KEY, now.model_dump_json().encode(), entry.revision)
        except Conflict:
            continue
        return Standing(installed)


def _unspent(approvals: Approvals, old: Policy, new: Policy, spent: Collection[str]) -> tuple[str, ...]:
    """Return the Commands that approve this change, unused, of those who may by the policy in force."""
    said = approvals.get((old.digest, new.digest), {})
    return tuple(
        uid
        for uid, voice in said.items()
        if uid not in spent and not objection(old, Verb.APPROVE_POLICY, Matter(), voice)
    )
