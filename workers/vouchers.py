"""The secret by which the orchestrator knows its own word again, over restarts and with all its replicas."""

import secrets

from activities.ports import KeyValue
from signals.errors import Conflict
from signals.vouching import Voucher

_KEY = "voucher"


async def voucher(bucket: KeyValue) -> Voucher:
    """Return what vouches with the secret of this bucket, made when it is first asked for.

    Raises:
        Unavailable: the bucket does not answer.
    """
    while True:
        entry = await bucket.get(_KEY)
        if entry is not None:
            return Voucher(entry.value)
        try:
            await bucket.create(_KEY, secrets.token_bytes(32))
        except Conflict:
            continue
