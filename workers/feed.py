"""What stands in the guardian's feed stream: the redacted alerts of one request, and who sent them."""

import msgspec

from signals.errors import Undecodable
from signals.telemetry.falco import Alert

FALCO = "falco"
"""The feed of Falco and falcosidekick."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The alerts of one request. `sender` is whose token it was, or the subject it came on."""

    sender: str
    alerts: tuple[Alert, ...]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Batch)


def encode(batch: Batch) -> bytes:
    """Return the bytes to append."""
    return _ENCODER.encode(batch)


def decode(payload: bytes) -> Batch:
    """Return the batch that was appended.

    Raises:
        Undecodable: it is none.
    """
    try:
        return _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        raise Undecodable(f"not a batch of the feed: {error}") from error
