"""Signing keys in files: an agent's own, and everybody's public ones, read again whenever they were changed.

A rotation writes the new public key beside the old one first and the private key after that, so that there is no
instant in which an agent signs with a key that a reader cannot know.
"""

from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signals.envelope import Signer, Trust
from signals.errors import BadInput

PUBLIC = "public"
"""Folder of the public keys inside that of the keys."""
log = structlog.get_logger(__name__)


def _changed_at(path: Path) -> int:
    """Return a number that is another one when a file, or what a folder lists, was changed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Keyring(Trust):
    """The public keys of a folder: `<agent>.pub`, each with one or two keys."""

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            OSError: it cannot be read.
            BadInput: a file holds no key.
        """
        self._folder = folder
        self._changed = _changed_at(folder)
        super().__init__(_read(folder))

    def keys_of(self, agent: str) -> Sequence[Ed25519PublicKey]:
        """Return the keys that an agent may sign with now."""
        changed = _changed_at(self._folder)
        if changed != self._changed:
            try:
                self._keys = _read(self._folder)
                self._changed = changed
            except (OSError, BadInput) as error:
                log.error("new public keys could not be read; the old ones count", error=str(error))
        return super().keys_of(agent)


def _read(folder: Path) -> dict[str, tuple[Ed25519PublicKey, ...]]:
    pems = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.pub"))}
    return dict(Trust.from_pem(pems)._keys)


class OwnKey(Signer):
    """One agent's private key, in a file."""

    def __init__(self, agent: str, file: Path) -> None:
        """Read the key.

        Raises:
            OSError: there is none.
            BadInput: the file holds another kind of key.
        """
        self._file = file
        self._changed = _changed_at(file)
        super().__init__(agent, Signer.from_pem(agent, file.read_bytes())._key)

    def sign(self, payload: bytes) -> str:
        """Return the base64 signature of these bytes, by the key of now."""
        changed = _changed_at(self._file)
        if changed != self._changed:
            try:
                self._key = Signer.from_pem(self.agent, self._file.read_bytes())._key
                self._changed = changed
            except (OSError, ValueError, BadInput) as error:
                log.error("the new signing key could not be read; the old one signs", error=str(error))
        return super().sign(payload)
