"""What was seen: one observation, with where it came from and a hash of the original."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class Evidence(BaseModel, frozen=True):
    """One observation. `data` is redacted; `sha256` is the hash of what was received, before redaction."""

    source: str
    summary: str
    observed_at: datetime
    sha256: str
    truncated: bool = False
    data: dict[str, Any] = Field(default_factory=dict)
