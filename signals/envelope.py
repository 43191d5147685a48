"""The signed envelope around what one agent says to another, and the keys that prove it.

A reader believes an envelope only if the signature is the agent's, the agent owns the stream that it came
from, the subject is the one it was published on, and the cluster is ours. Sequence and previous hash make a
chain per (agent, instance): a gap is a blindness event about the agent, never a reason to drop the message.
"""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import BaseModel

from signals.entities import ClusterRef
from signals.errors import BadInput, Refused

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\s*", re.DOTALL)

Signed = TypeVar("Signed", bound=BaseModel)


def canonical(body: Any) -> bytes:
    """Return the bytes that are signed: JSON with sorted keys and no spaces."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


class Signer:
    """Signs as one agent."""

    def __init__(self, agent: str, key: Ed25519PrivateKey) -> None:
        """Hold one agent's private key."""
        self.agent = agent
        self._key = key

    @classmethod
    def from_pem(cls, agent: str, pem: bytes) -> "Signer":
        """Read a PKCS#8 PEM Ed25519 key.

        Raises:
            BadInput: the file holds another kind of key.
        """
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInput(f"the signing key of {agent} must be Ed25519")
        return cls(agent, key)

    def sign(self, payload: bytes) -> str:
        """Return the base64 signature of these bytes."""
        return b64encode(self._key.sign(payload)).decode()

    def seal(self, message: Signed) -> Signed:
        """Return the message with its `signature` field filled in."""
        body = message.model_dump(mode="json", exclude={"signature"})
        return message.model_copy(update={"signature": self.sign(canonical(body))})


PublicKeys = Ed25519PublicKey | Sequence[Ed25519PublicKey]


def public_keys(agent: str, pems: bytes) -> tuple[Ed25519PublicKey, ...]:
    """Read the PEM public keys of one agent, one after another: its current one, and the one before.

    Raises:
        BadInput: there is none, or one is not an Ed25519 key.
    """
    try:
        keys = [load_pem_public_key(pem) for pem in _PEM.findall(pems)]
    except ValueError as error:
        raise BadInput(f"the public key of {agent} cannot be read: {error}") from error
    found = tuple(key for key in keys if isinstance(key, Ed25519PublicKey))
    if not found or len(found) < len(keys):
        raise BadInput(f"the public key of {agent} must be Ed25519")
    return found


class Trust:
    """The public keys of all agents. An agent that has just changed its key has two."""

    def __init__(self, keys: Mapping[str, PublicKeys]) -> None:
        """Hold public keys by agent name."""
        self._keys = {
            agent: (found,) if isinstance(found, Ed25519PublicKey) else tuple(found)
            for agent, found in keys.items()
        }

    @classmethod
    def from_pem(cls, pems: Mapping[str, bytes]) -> "Trust":
        """Read PEM public keys by agent name.

        Raises:
            BadInput: one is not an Ed25519 key.
        """
        return cls({agent: public_keys(agent, pem) for agent, pem in pems.items()})

    def keys_of(self, agent: str) -> Sequence[Ed25519PublicKey]:
        """Return the keys that an agent may sign with."""
        return self._keys.get(agent, ())

    def check(self, agent: str, payload: bytes, signature: str) -> None:
        """Return if these bytes were signed by that agent.

        Raises:
            Refused: they were not, or the agent is unknown.
        """
        keys = self.keys_of(agent)
        if not keys:
            raise Refused(f"no key is known for {agent!r}")
        if not any(_signed_by(key, payload, signature) for key in keys):
            raise Refused(f"the signature is not {agent}'s")

    def check_sealed(self, agent: str, message: BaseModel) -> None:
        """Return if a message's `signature` field is that agent's.

        Raises:
            Refused: it is not.
        """
        body = message.model_dump(mode="json", exclude={"signature"})
        self.check(agent, canonical(body), getattr(message, "signature", ""))


def _signed_by(key: Ed25519PublicKey, payload: bytes, signature: str) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), payload)
    except (InvalidSignature, ValueError):
        return False
    return True


class Envelope(BaseModel, frozen=True, extra="ignore"):
    """One message on the bus: who says it, where, after what, and the proof."""

    v: int = 1
    cluster: ClusterRef
    agent: str
    instance: str
    event_id: str
    at: datetime
    seq: int
    prev: str
    subject: str
    body: dict[str, Any]
    signature: str = ""

    @property
    def digest(self) -> str:
        """The hash that the next envelope of this chain names as `prev`."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()
