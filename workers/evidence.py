"""Where evidence is kept: each piece under the sha256 of its bytes, and a chain of manifests for each incident."""

import hashlib
from collections.abc import AsyncIterator

from pydantic import ValidationError

from activities.ports import KeyValue
from signals.captures import CaptureManifest
from signals.envelope import Trust
from signals.errors import Conflict, NotFound, Refused
from signals.subjects import CAPTURER

HEAD = "head/"
"""Key prefix, before an incident: the digest of its latest manifest."""
MOST_MANIFESTS = 1000
"""Longest chain that is followed."""


class Evidence:
    """Evidence in a durable bucket."""

    def __init__(self, bucket: KeyValue) -> None:
        """Keep it in this bucket."""
        self._bucket = bucket

    async def keep(self, content: bytes) -> str:
        """Keep some bytes; return their name. The same bytes are kept once.

        Raises:
            Unavailable, BadInput: the store does not answer, is full, or does not take so many bytes.
        """
        name = hashlib.sha256(content).hexdigest()
        try:
            await self._bucket.create(name, content)
        except Conflict:
            return name
        return name

    async def add(self, incident: str, manifest: CaptureManifest) -> str:
        """Keep a manifest whose `previous` is the incident's latest one, and make it that.

        Raises:
            Conflict: another one came between.
            Unavailable: the store does not answer.
        """
        head = await self._bucket.get(HEAD + incident)
        if (head.value.decode() if head else "") != manifest.previous:
            raise Conflict("another capture of this incident came between")
        name = await self.keep(manifest.encoded())
        if head is None:
            await self._bucket.create(HEAD + incident, name.encode())
        else:
            await self._bucket.update(HEAD + incident, name.encode(), head.revision)
        return name

    async def latest(self, incident: str) -> str:
        """Return the digest of an incident's latest manifest; empty where there is none."""
        head = await self._bucket.get(HEAD + incident)
        return head.value.decode() if head else ""

    async def read(self, name: str) -> bytes:
        """Return what is kept under a name.

        Raises:
            NotFound: nothing is.
            Refused: what is there is not what was kept: somebody changed it.
        """
        found = await self._bucket.get(name)
        if found is None:
            raise NotFound(f"no evidence is kept under {name}")
        if hashlib.sha256(found.value).hexdigest() != name:
            raise Refused(f"what is kept under {name} was changed: its sha256 is another")
        return found.value

    async def manifests(self, incident: str, trust: Trust | None = None) -> AsyncIterator[CaptureManifest]:
        """Yield an incident's manifests, the latest first, each proved by its digest, and by `trust` if given.

        Raises:
            NotFound, Refused: the chain is broken: something was taken out of it, or changed.
        """
        name = await self.latest(incident)
        for _ in range(MOST_MANIFESTS):
            if not name:
                return
            content = await self.read(name)
            try:
                manifest = CaptureManifest.model_validate_json(content)
            except ValidationError as error:
                raise Refused(f"{name} is no manifest") from error
            if trust is not None:
                trust.check_sealed(CAPTURER, manifest)
            if manifest.incident != incident:
                raise Refused(f"{name} is a manifest of {manifest.incident}")
            yield manifest
            name = manifest.previous
