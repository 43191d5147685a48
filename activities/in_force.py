"""Which policy holds: the installed one, unless it loosens the one before and no lead has approved that.

Whoever can change a file or a ConfigMap can let Firebreak do more; that takes the approval that it loosens. What
only tightens holds at once.
"""

from collections.abc import Collection
from dataclasses import dataclass

from activities.ports import KeyValue
from signals.errors import Conflict
from signals.loosening import loosened
from signals.policy import Policy

_KEY = "policy.in-force"


@dataclass(frozen=True)
class Standing:
    """The policy that holds; and the installed one where that may not hold yet, with what it would loosen."""

    policy: Policy
    waiting: Policy | None = None
    loosens: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what a person has to know and do, or nothing."""
        if self.waiting is None:
            return ""
        what = "; ".join(self.loosens)
        return (
            f"the installed policy loosens the one in force ({what}): until a lead says"
            f" `firebreak approve-policy {self.policy.digest} {self.waiting.digest}` the old one holds"
        )


async def in_force(bucket: KeyValue, installed: Policy, approved: Collection[tuple[str, str]]) -> Standing:
    """Return what holds, and keep it; the first policy of all is taken as it is.

    `approved` are digests, from which policy to which. Raises `Unavailable` when the bucket does not answer.
    """
    while True:
        entry = await bucket.get(_KEY)
        value = installed.model_dump_json().encode()
        try:
            if entry is None:
                await bucket.create(_KEY, value)
                return Standing(installed)
            old = Policy.model_validate_json(entry.value)
            loosens = loosened(old, installed)
            if loosens and (old.digest, installed.digest) not in approved:
                return Standing(old, installed, loosens)
            if old != installed:
                await bucket.update(_KEY, value, entry.revision)
        except Conflict:
            continue
        return Standing(installed)
