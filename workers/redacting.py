"""Takes secrets out of a recorded history so that it may leave the cluster, and still replays.

Every text in every payload goes through `signals.redaction`, in its place: names, types and structure stay. A
workflow checks who signed what it is told, and a text that is redacted would no longer be what was signed. So the
liaison's key is exchanged for one that is thrown away, and what it has signed is signed anew: an exported command
is worth nothing in the cluster that it comes from.
"""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from signals.envelope import Signer, Trust, canonical
from signals.errors import BadInput, Refused, Undecodable
from signals.redaction import redact
from signals.subjects import LIAISON

KEY = "liaison_key"
JSON = b"json/plain"
EMPTY = b"binary/null"


class Redacting:
    """Redacts histories. All of one export are signed by one key, which is forgotten with this object."""

    def __init__(self) -> None:
        """Draw the key."""
        key = Ed25519PrivateKey.generate()
        self._signer = Signer(LIAISON, key)
        self._public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self._trust = Trust({})
        self._redacted = 0

    def redacted(self, history: WorkflowHistory) -> tuple[WorkflowHistory, int]:
        """Return a copy without secrets, and how many texts were changed.

        Raises:
            Undecodable: a payload is not JSON; whatever is in it cannot be looked at.
        """
        self._redacted = 0
        self._trust = Trust({})
        events = []
        for event in history.events:
            copied = HistoryEvent()
            copied.CopyFrom(event)
            self._message(copied)
            events.append(copied)
        return WorkflowHistory(history.workflow_id, events), self._redacted

    def _message(self, message: Message) -> None:
        """Redact a message of Temporal's in place: its payloads, and what failures say."""
        if isinstance(message, Payload):
            self._payload(message)
            return
        if isinstance(message, Failure):
            message.message = self._text(message.message)
            message.stack_trace = self._text(message.stack_trace)
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                inside = list(value.values())
            else:
                inside = [value] if isinstance(value, Message) else list(value)
            for one in inside:
                if isinstance(one, Message):
                    self._message(one)

    def _payload(self, payload: Payload) -> None:
        encoding = payload.metadata.get("encoding", b"")
        if encoding == EMPTY:
            return
        if encoding != JSON:
            raise Undecodable(
                f"a payload is encoded as {encoding.decode(errors='replace') or 'nothing known'}"
            )
        before = json.loads(payload.data)
        after = self._value(before)
        if after != before:
            payload.data = json.dumps(after, separators=(",", ":")).encode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return self._object(value) if isinstance(value, dict) else value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        exchanged = isinstance(value.get(KEY), str)
        if exchanged:
            self._believe(value[KEY])
        signed = self._signed(value)
        after = {name: self._value(one) for name, one in value.items()}
        if exchanged:
            after[KEY] = self._public
        if signed:
            after["signature"] = self._signer.sign(_body(after))
        return after

    def _believe(self, pem: str) -> None:
        """Take the key that this run believes: whatever comes after its start was said under it."""
        try:
            self._trust = Trust.from_pem({LIAISON: pem.encode()})
        except (BadInput, ValueError):
            self._trust = Trust({})

    def _signed(self, value: dict[str, Any]) -> bool:
        signature = value.get("signature")
        if not isinstance(signature, str) or not signature:
            return False
        try:
            self._trust.check(LIAISON, _body(value), signature)
        except Refused:
            return False
        return True

    def _text(self, text: str) -> str:
        after = redact(text)
        self._redacted += after != text
        return after


def _body(signed: dict[str, Any]) -> bytes:
    return canonical({name: value for name, value in signed.items() if name != "signature"})
