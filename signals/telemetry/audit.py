"""Audit events of an API server (`audit.k8s.io`), read leniently and made harmless.

Only what detection uses is kept: who asked, for what, what came of it, and of a body only the few fields that
say what it grants or runs. Texts are cleaned and their secrets taken out before anything is stored.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from signals.errors import Undecodable
from signals.redaction import has_hint, redact
from signals.telemetry.audit_bodies import harmless, pruned
from signals.telemetry.audit_wire import Object, Status, User, Wire, decode
from signals.telemetry.moments import nanoseconds
from signals.telemetry.texts import clean

TEXT_LIMIT = 1024
"""Characters kept of one text."""
GROUP_LIMIT = 64
BODY_LIMIT = 4 << 20
"""A body above so many bytes is not looked into; what is said of it then says so. API servers take no such body:
whoever pads an object must not hide it."""
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
CREDENTIAL = "authentication.kubernetes.io/credential-id"
_EXTRAS = frozenset({POD_NAME, POD_UID, CREDENTIAL})
_DECISION = "authorization.k8s.io/decision"
_REASON = "authorization.k8s.io/reason"
_FLAGGED = "validation.policy.admission.k8s.io/validation_failure"


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


_ANY = msgspec.json.Decoder()


def read(item: bytes) -> AuditEvent:
    """Return one event, normalised and redacted.

    Raises:
        Undecodable: it is no audit event; the text says why.
    """
    wire = decode(item)
    event = _event(wire, _text)
    digest = hashlib.sha256(item).hexdigest()
    return msgspec.structs.replace(
        event,
        id=event.id or digest[:32],
        sha256=digest,
        body=harmless(event.body),
        time=nanoseconds(wire.requestReceivedTimestamp) or nanoseconds(wire.stageTimestamp),
    )


def glance(wire: Wire) -> AuditEvent:
    """Return one event as it came, without its time and hash: to be judged, and never to be stored or shown.

    Raises:
        Undecodable: it is no audit event.
    """
    return _event(wire, _as_it_is)


def _event(wire: Wire, text: Callable[[Any], str]) -> AuditEvent:
    who, about, status = wire.user or _NOBODY, wire.objectRef or _NOTHING, wire.responseStatus or _NO_ANSWER
    if not wire.verb or not who.username:
        raise Undecodable("an audit event names `verb` and `user.username`; this is something else")
    other, notes = wire.impersonatedUser or _NOBODY, wire.annotations or {}
    resource, subresource, name = text(about.resource), text(about.subresource), text(about.name)
    body, cut = _body(wire, resource, subresource, name)
    code = status.code or 0
    return AuditEvent(
        id=text(wire.auditID),
        sha256="",
        user=text(who.username),
        uid=text(who.uid),
        groups=_texts(who.groups, text),
        extra={key: text(found[0]) for key, found in (who.extra or {}).items() if found and key in _EXTRAS},
        impersonated=text(other.username),
        impersonated_groups=_texts(other.groups, text),
        verb=text(wire.verb),
        stage=text(wire.stage),
        uri=text(wire.requestURI),
        group=text(about.apiGroup),
        resource=resource,
        subresource=subresource,
        namespace=text(about.namespace),
        name=name,
        object_uid=text(about.uid),
        code=code,
        message=text(status.message) if code >= 400 else "",
        decision=text(notes.get(_DECISION)),
        granted_by=text(notes.get(_REASON)),
        flagged=text(notes.get(_FLAGGED)),
        body=body,
        sources=_texts(wire.sourceIPs, text),
        client=text(wire.userAgent),
        truncated=cut,
    )


_NOBODY, _NOTHING, _NO_ANSWER = User(), Object(), Status()


def _body(wire: Wire, resource: str, subresource: str, name: str) -> tuple[dict[str, Any], bool]:
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


def _as_it_is(value: Any) -> str:
    return value or ""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return ""
    text = clean(value, TEXT_LIMIT)
    return redact(text) if has_hint(text) else text


def _texts(values: tuple[str, ...] | None, text: Callable[[Any], str]) -> tuple[str, ...]:
    if not values:
        return ()
    return values if text is _as_it_is else tuple(text(value) for value in values[:GROUP_LIMIT])
