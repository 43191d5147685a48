"""Audit events of an API server (`audit.k8s.io`), read leniently and made harmless.

Only what detection uses is kept: who asked, for what, what came of it, and of a body only the few fields that
say what it grants or runs. Texts are cleaned and their secrets taken out before anything is stored.
"""

import hashlib
import json
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from signals.errors import Undecodable
from signals.redaction import has_hint, redact
from signals.telemetry.audit_bodies import pruned
from signals.telemetry.bodies import loads
from signals.telemetry.moments import nanoseconds
from signals.telemetry.texts import clean

TEXT_LIMIT = 1024
"""Characters kept of one text."""
GROUP_LIMIT = 64
BODY_LIMIT = 256 * 1024
"""A body above so many bytes is not looked into; what is said of it then says so."""
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
CREDENTIAL = "authentication.kubernetes.io/credential-id"
_EXTRAS = frozenset({POD_NAME, POD_UID, CREDENTIAL})
_FLAGGED = "validation.policy.admission.k8s.io/validation_failure"
_ANNOTATIONS = frozenset({"authorization.k8s.io/decision", "authorization.k8s.io/reason", _FLAGGED})


S = TypeVar("S", bound=msgspec.Struct)


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request to the API server, normalised. `time` is in nanoseconds since 1970, None where none is told.

    `uid` is the user's, `message` what the server said where it refused, `granted_by` the binding by
    which RBAC allowed it, `client` what the client calls itself: for people, never for a judgement.
    """

    id: str
    sha256: str
    user: str
    verb: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, str] = {}
    """What the token says of itself, and of the pod that it was made for."""
    impersonated: str = ""
    impersonated_groups: tuple[str, ...] = ()
    stage: str = ""
    uri: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    object_uid: str = ""
    code: int = 0
    message: str = ""
    granted_by: str = ""
    decision: str = ""
    flagged: str = ""
    """What admission policies found, whether they refused it or not."""
    body: dict[str, Any] = {}
    """Of what was asked for, or was made: only what detection looks at."""
    sources: tuple[str, ...] = ()
    client: str = ""
    time: int | None = None
    truncated: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the server did it."""
        return self.code < 400

    @property
    def dry_run(self) -> bool:
        """Whether nothing was to be written."""
        return "dryRun=All" in self.uri or self.body.get("dryRun") == ["All"]

    @property
    def thing(self) -> str:
        """What the request is about: `pods/exec`, or the path where it is no resource."""
        resource = "/".join(part for part in (self.resource, self.subresource) if part)
        return resource or self.uri.partition("?")[0]


class _User(msgspec.Struct, gc=False):
    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    extra: dict[str, tuple[str, ...] | None] | None = None


class _Object(msgspec.Struct, gc=False):
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    apiGroup: str | None = None
    subresource: str | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | None = None
    message: str | None = None


class _Wire(msgspec.Struct, gc=False):
    """The members of an audit event that are used, as an API server writes them."""

    auditID: str | None = None
    stage: str | None = None
    requestURI: str | None = None
    verb: str | None = None
    user: _User | None = None
    impersonatedUser: _User | None = None
    sourceIPs: tuple[str, ...] | None = None
    userAgent: str | None = None
    objectRef: _Object | None = None
    responseStatus: _Status | None = None
    requestObject: msgspec.Raw = msgspec.Raw(b"")
    responseObject: msgspec.Raw = msgspec.Raw(b"")
    requestReceivedTimestamp: str | None = None
    stageTimestamp: str | None = None
    annotations: dict[str, str | None] | None = None


_WIRE = msgspec.json.Decoder(_Wire)
_ANY = msgspec.json.Decoder()


def read(item: bytes) -> AuditEvent:
    """Return one event, normalised and redacted.

    Raises:
        Undecodable: it is no audit event; the text says why.
    """
    try:
        wire = _WIRE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        wire = _leniently(item)
    who = wire.user or _User()
    if not wire.verb or not who.username:
        raise Undecodable("an audit event names `verb` and `user.username`; this is something else")
    return _event(item, wire, who)


def _event(item: bytes, wire: _Wire, who: _User) -> AuditEvent:
    about, status, other = (
        wire.objectRef or _Object(),
        wire.responseStatus or _Status(),
        wire.impersonatedUser,
    )
    notes = {key: value or "" for key, value in (wire.annotations or {}).items() if key in _ANNOTATIONS}
    resource, subresource = _text(about.resource), _text(about.subresource)
    body, cut = _body(wire, resource, subresource, _text(about.name))
    digest = hashlib.sha256(item).hexdigest()
    return AuditEvent(
        id=_text(wire.auditID) or digest[:32],
        sha256=digest,
        user=_text(who.username),
        uid=_text(who.uid),
        groups=_texts(who.groups),
        extra={key: _text(found[0]) for key, found in (who.extra or {}).items() if found and key in _EXTRAS},
        impersonated=_text(other.username) if other else "",
        impersonated_groups=_texts(other.groups) if other else (),
        verb=_text(wire.verb),
        stage=_text(wire.stage),
        uri=_text(wire.requestURI),
        group=_text(about.apiGroup),
        resource=resource,
        subresource=subresource,
        namespace=_text(about.namespace),
        name=_text(about.name),
        object_uid=_text(about.uid),
        code=status.code or 0,
        message=_text(status.message) if (status.code or 0) >= 400 else "",
        decision=notes.get("authorization.k8s.io/decision", ""),
        granted_by=_text(notes.get("authorization.k8s.io/reason")),
        flagged=_text(notes.get(_FLAGGED)),
        body=body,
        sources=_texts(wire.sourceIPs),
        client=_text(wire.userAgent),
        time=nanoseconds(wire.requestReceivedTimestamp) or nanoseconds(wire.stageTimestamp),
        truncated=cut,
    )


def _body(wire: _Wire, resource: str, subresource: str, name: str) -> tuple[dict[str, Any], bool]:
    """Return what is kept of the body: of what was made where the server says it, else of what was asked for."""
    for raw in (wire.responseObject, wire.requestObject):
        if len(raw) <= len(b"null"):
            continue
        if len(raw) > BODY_LIMIT:
            return {}, True
        try:
            found = _ANY.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(found, dict) and found.get("kind") != "Status":
            return pruned(found, resource, subresource, name), False
    return {}, False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return ""
    text = clean(value, TEXT_LIMIT)
    return redact(text) if has_hint(text) else text


def _texts(values: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(_text(value) for value in (values or ())[:GROUP_LIMIT])


def _leniently(item: bytes) -> _Wire:
    """Read what deviates from the usual types: what is of another type is left out."""
    given, end = loads(item.decode("utf-8", "surrogateescape"))
    if not isinstance(given, dict) or item[end:].strip():
        raise Undecodable("an audit event is one JSON object")
    return _told(_Wire, given)


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
    "user": _User,
    "impersonatedUser": _User,
    "objectRef": _Object,
    "responseStatus": _Status,
}
