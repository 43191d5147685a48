"""Evidence of a pod: the order to keep it, and the manifest of what was kept, in a chain for each incident."""

import hashlib
from datetime import datetime

from pydantic import BaseModel

from signals.entities import ClusterRef, Entity
from signals.envelope import canonical
from signals.receipts import Captured


class CaptureOrder(BaseModel, frozen=True):
    """Keep what can be had of these pods, signed by the executor. Good once, and for seconds."""

    id: str
    cluster: ClusterRef
    at: datetime
    incident: str
    action: str
    """Id of the action that it is for."""
    targets: tuple[Entity, ...]
    signature: str = ""


class CaptureManifest(BaseModel, frozen=True):
    """What one capture has kept and what it could not, signed by the capturer.

    `previous` is the digest of the incident's manifest before, empty for the first: nothing is taken out of the
    middle unseen.
    """

    incident: str
    action: str
    cluster: ClusterRef
    at: datetime
    previous: str = ""
    items: tuple[Captured, ...]
    signature: str = ""

    def encoded(self) -> bytes:
        """Return the bytes that are kept."""
        return canonical(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """The sha256 of those bytes: its name where evidence is kept."""
        return hashlib.sha256(self.encoded()).hexdigest()
