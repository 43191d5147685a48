"""People's approvals by the pod that they are about: for those who check a person's word again, later, elsewhere.

A freeze is written in its turn, and again where somebody took it away, long after the person spoke.
"""

from activities.ports import KeyValue
from signals.approvals import Approval, Verb
from signals.envelope import Trust
from signals.errors import Conflict, Refused
from signals.subjects import LIAISON

PREFIX = "approved-"


class Consents:
    """What people approved, the latest for each pod, in a durable bucket."""

    def __init__(self, bucket: KeyValue, trust: Trust) -> None:
        """Keep it in this bucket; believe the liaison by these keys."""
        self._bucket = bucket
        self._trust = trust

    async def keep(self, approval: Approval | None) -> None:
        """Keep an approval; what the liaison did not sign, or what approves nothing, is left alone."""
        if approval is None or approval.verb is not Verb.APPROVE:
            return
        try:
            self._trust.check_sealed(LIAISON, approval)
        except Refused:
            return
        text = approval.model_dump_json().encode()
        for uid in approval.target_uids:
            await self._put(f"{PREFIX}{uid}", text)

    async def of(self, uid: str) -> Approval | None:
        """Return what was approved about a pod."""
        found = await self._bucket.get(f"{PREFIX}{uid}")
        return Approval.model_validate_json(found.value) if found else None

    async def _put(self, key: str, text: bytes) -> None:
        while True:
            there = await self._bucket.get(key)
            try:
                if there is None:
                    await self._bucket.create(key, text)
                else:
                    await self._bucket.update(key, text, there.revision)
            except Conflict:
                continue
            return
