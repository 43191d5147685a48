"""Where feeds are received over HTTP: the address, the tokens and the certificate of each door."""

from dataclasses import dataclass
from pathlib import Path

from workers.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where one feed is received. `setting` begins the names of the settings that say so."""

    setting: str
    host: str
    port: int
    path: str
    tokens_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    max_bytes: int
    max_backlog: int


def falco_door(settings: Settings) -> Door:
    """Return where alerts are received."""
    return Door(
        setting="FIREBREAK_FALCO",
        host=settings.falco_host,
        port=settings.falco_port,
        path="/falco",
        tokens_file=settings.falco_tokens_file,
        cert_file=settings.falco_cert_file,
        key_file=settings.falco_key_file,
        max_bytes=settings.max_alert_bytes,
        max_backlog=settings.max_backlog,
    )


def audit_door(settings: Settings) -> Door:
    """Return where audit events are received."""
    return Door(
        setting="FIREBREAK_AUDIT",
        host=settings.audit_host,
        port=settings.audit_port,
        path="/audit",
        tokens_file=settings.audit_tokens_file,
        cert_file=settings.audit_cert_file,
        key_file=settings.audit_key_file,
        max_bytes=settings.max_audit_bytes,
        max_backlog=settings.max_backlog,
    )
