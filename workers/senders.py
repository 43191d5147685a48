"""Who may send alerts over HTTP: bearer tokens in a file, read again whenever it is changed."""

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Self

import structlog

from signals.errors import SettingsInvalid

log = structlog.get_logger(__name__)


class Senders:
    """Who may send, by bearer token; the tokens themselves are not kept, only their hashes."""

    def __init__(self, tokens: Mapping[str, str], path: Path | None = None, setting: str = "") -> None:
        """Know these tokens, by sender; those of the file `path`, which `setting` names, once it is another one."""
        self._path = path
        self._setting = setting
        self._changed = _changed_at(path)
        self._hashes = _hashes(tokens)

    @classmethod
    def read(cls, path: Path | None, setting: str) -> Self:
        """Read the JSON object of sender to token; without a file nobody may send.

        Raises:
            SettingsInvalid: it cannot be read, or holds something else.
        """
        if path is None:
            log.warning("nothing is accepted over HTTP: no tokens are set", setting=f"{setting}_TOKENS_FILE")
            return cls({})
        return cls(_tokens(path, setting), path, setting)

    def who(self, authorization: str) -> str | None:
        """Return the sender whose token this is: `Bearer TOKEN`, or `Basic` with the token as password.

        Falco itself can only send the latter, from `http://sender:TOKEN@host` as its URL.
        """
        self._renew()
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            given = _password(given)
        elif scheme.lower() != "bearer":
            given = ""
        digest = sha256(given.strip().encode()).digest()
        matches = [name for name, known in self._hashes.items() if hmac.compare_digest(known, digest)]
        return matches[0] if matches and given else None

    def _renew(self) -> None:
        """Read a file that was changed; one that cannot be read leaves the old tokens in force."""
        changed = _changed_at(self._path)
        if self._path is None or changed == self._changed:
            return
        self._changed = changed
        try:
            self._hashes = _hashes(_tokens(self._path, self._setting))
        except SettingsInvalid as error:
            log.error("the new tokens cannot be read; the old ones count", error=str(error))
        else:
            log.info("there are new tokens", senders=sorted(self._hashes))


def _changed_at(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0


def _tokens(path: Path, setting: str) -> dict[str, str]:
    try:
        tokens = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{setting}_TOKENS_FILE: {path}: {error}") from error
    if not isinstance(tokens, dict) or not all(isinstance(one, str) and one for one in tokens.values()):
        raise SettingsInvalid(f"{setting}_TOKENS_FILE: {path} must be a JSON object of sender to token")
    return tokens


def _hashes(tokens: Mapping[str, str]) -> dict[str, bytes]:
    return {sender: sha256(token.encode()).digest() for sender, token in tokens.items()}


def _password(encoded: str) -> str:
    try:
        return b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
