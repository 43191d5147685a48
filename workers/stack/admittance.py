"""Who is let in on the bus: each identity, until when its certificate counts, and since when it signs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from pydantic import BaseModel

from deploy.bus import client_certificates
from signals.errors import StackError
from workers.stack import nats
from workers.stack.layout import Layout


class Admitted(BaseModel, frozen=True):
    """One identity. `signs_since` is null for those that sign nothing."""

    name: str
    revoked: bool
    certificate_until: datetime
    signs_since: datetime | None


def admitted(layout: Layout) -> tuple[Admitted, ...]:
    """Return every identity of a stack's bus.

    Raises:
        StackError: this folder has never been a stack's.
    """
    out = nats.revoked(layout)
    return tuple(_admitted(layout, name, revoked=name in out) for name in client_certificates())


def _admitted(layout: Layout, name: str, *, revoked: bool) -> Admitted:
    try:
        certificate = x509.load_pem_x509_certificate((layout.nats / f"{name}.crt").read_bytes())
    except (OSError, ValueError) as error:
        raise StackError(
            f"there are no certificates in {layout.nats}; start a stack with `firebreak up`"
        ) from error
    key = layout.keys / f"{name}.key"
    return Admitted(
        name=name,
        revoked=revoked,
        certificate_until=certificate.not_valid_after_utc,
        signs_since=datetime.fromtimestamp(key.stat().st_mtime, UTC) if key.exists() else None,
    )


def rows(found: Sequence[Admitted]) -> list[tuple[str, ...]]:
    """Return them for people: name, whether revoked, certificate until, signs since."""
    return [
        (
            one.name,
            "revoked" if one.revoked else "no",
            f"{one.certificate_until:%Y-%m-%d %H:%M} UTC",
            f"{one.signs_since:%Y-%m-%d}" if one.signs_since else "",
        )
        for one in found
    ]
