"""An audit event as an API server writes it, decoded as far as it is used, and leniently where it deviates."""

import json
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from signals.errors import Undecodable
from signals.telemetry.bodies import loads

S = TypeVar("S", bound=msgspec.Struct)


class User(msgspec.Struct, gc=False):
    """Who asked, or as whom."""

    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    extra: dict[str, tuple[str, ...] | None] | None = None


class Object(msgspec.Struct, gc=False):
    """What a request is about."""

    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    apiGroup: str | None = None
    subresource: str | None = None


class Status(msgspec.Struct, gc=False):
    """What came of a request."""

    code: int | None = None
    message: str | None = None


class Wire(msgspec.Struct, gc=False):
    """The members of an audit event that are used, as an API server writes them."""

    auditID: str | None = None
    stage: str | None = None
    requestURI: str | None = None
    verb: str | None = None
    user: User | None = None
    impersonatedUser: User | None = None
    sourceIPs: tuple[str, ...] | None = None
    userAgent: str | None = None
    objectRef: Object | None = None
    responseStatus: Status | None = None
    requestObject: msgspec.Raw = msgspec.Raw(b"")
    responseObject: msgspec.Raw = msgspec.Raw(b"")
    requestReceivedTimestamp: str | None = None
    stageTimestamp: str | None = None
    annotations: dict[str, str | None] | None = None


_WIRE = msgspec.json.Decoder(Wire)


def decode(item: bytes) -> Wire:
    """Return what one event says; whether it is one at all, its reader sees.

    Raises:
        Undecodable: it is not one JSON object.
    """
    try:
        return _WIRE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _leniently(item)


def _leniently(item: bytes) -> Wire:
    """Read what deviates from the usual types: what is of another type is left out."""
    given, end = loads(item.decode("utf-8", "surrogateescape"))
    if not isinstance(given, dict) or item[end:].strip():
        raise Undecodable("an audit event is one JSON object")
    return _told(Wire, given)


def _told(kind: type[S], given: dict[str, Any]) -> S:
    """Return what is of the right type among the members of an object."""
    kept: dict[str, Any] = {}
    for member in msgspec.structs.fields(kind):
        if member.name not in given:
            continue
        value = given[member.name]
        if isinstance(value, dict) and (inner := _INNER.get(member.name)):
            kept[member.name] = _told(inner, value)
            continue
        raw = json.dumps(value).encode("utf-8", "replace")
        with suppress(msgspec.DecodeError, RecursionError):
            kept[member.name] = msgspec.json.decode(raw, type=member.type, strict=False)
    return kind(**kept)


_INNER: dict[str, type[msgspec.Struct]] = {
    "user": User,
    "impersonatedUser": User,
    "objectRef": Object,
    "responseStatus": Status,
}
