"""Questions about rights, as people type them and as JSON lines, and the answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from activities.graph import escalation
from activities.graph.identities import Who, implicit_groups
from activities.graph.rbac import GROUP, Decision, Grant, Rbac, Request
from activities.graph.resources import CLUSTER_SCOPED, GROUPS, similar
from activities.ports import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, Resource
from signals.errors import BadInput

KINDS = (
    ("ClusterRole", Resource(GROUP, "v1", "clusterroles")),
    ("Role", Resource(GROUP, "v1", "roles")),
    ("ClusterRoleBinding", CLUSTER_ROLE_BINDINGS),
    ("RoleBinding", ROLE_BINDINGS),
)
"""All that decides about rights, as it is asked of a live cluster."""


class _Line(msgspec.Struct):
    """One request as it stands in a line; null is as absent."""

    verb: str
    user: str | None = None
    groups: list[str] | None = None
    group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    path: str | None = None
    object: dict[str, Any] | None = None


_FIELDS = frozenset(_Line.__struct_fields__)


@dataclass(frozen=True)
class Typed:
    """A question that a person typed, and what they should know about how it was understood."""

    request: Request
    notes: tuple[str, ...]


def typed(verb: str, resource: str, name: str, namespace: str) -> Typed:
    """Understand VERB RESOURCE[/SUB][.GROUP] NAME as kubectl does; a resource that begins with `/` is a path."""
    if resource.startswith("/"):
        return Typed(Request(verb=verb, path=resource), ())
    whole, slash, below = resource.partition("/")
    plural, dot, group = whole.partition(".")
    if slash and not dot:
        below, dot, group = below.partition(".")
    notes: list[str] = []
    if not dot and plural != "*":
        group = GROUPS.get(plural, "")
        meant = None if plural in GROUPS else similar(plural)
        if meant:
            notes.append(
                f'No built-in resource is called "{plural}": it was asked as written. Is it {meant}?'
            )
    if namespace and (group, plural) in CLUSTER_SCOPED:
        notes.append(f"{plural} live in no namespace: it was asked without one.")
        namespace = ""
    request = Request(
        verb=verb, group=group, resource=plural, subresource=below, namespace=namespace, name=name
    )
    return Typed(request, tuple(notes))


class Answers:
    """Answers lines about one cluster, each by a line; keeps what it wrote of each grant, for many share them."""

    def __init__(self, rbac: Rbac, default: Who | None) -> None:
        """Ask `rbac`; `default` asks where a line names nobody."""
        self._rbac, self._default = rbac, default
        self._written: dict[Grant, msgspec.Raw] = {}
        self.bad = 0
        """Lines that were no requests."""

    def line(self, line: bytes, place: str) -> str:
        """Return the answer to one line, as ASCII; a bad one is answered too, with an `error` naming its place."""
        try:
            fields = msgspec.json.decode(line)
            if not isinstance(fields, dict):
                raise BadInput("a request is a JSON object")
            decision = self._decide(msgspec.convert(fields, _Line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadInput) as error:
            self.bad += 1
            reason = f"{place}: {error}"
            return _text({"allowed": False, "reason": _ascii(reason), "by": [], "error": _ascii(reason)})
        unknown = sorted(fields.keys() - _FIELDS)
        by = [self._grant(grant) for grant in decision.by]
        told = {"allowed": decision.allowed, "reason": _ascii(decision.reason), "by": by}
        return _text({**told, "ignored": _ascii(unknown)} if unknown else told)

    def _grant(self, grant: Grant) -> msgspec.Raw:
        written = self._written.get(grant)
        if written is None:
            written = self._written[grant] = _ascii(grant.as_json())
        return written

    def _decide(self, line: _Line) -> Decision:
        asker, request = _who(line, self._default), _request(line)
        if line.object is not None and escalation.checked(request):
            return escalation.decide(self._rbac, asker, request, line.object)
        return self._rbac.decide(asker, request)


def _ascii(value: Any) -> msgspec.Raw:
    """Return JSON that cannot steer a terminal."""
    return msgspec.Raw(json.dumps(value).replace("\x7f", "\\u007f").encode())


def _text(answer: dict[str, Any]) -> str:
    return msgspec.json.encode(answer).decode()


def as_json(decision: Decision) -> dict[str, Any]:
    """Return a decision as `-o json` has it."""
    by = [grant.as_json() for grant in decision.by]
    return {"allowed": decision.allowed, "reason": decision.reason, "by": by}


def _who(line: _Line, default: Who | None) -> Who:
    """Return who asks; groups may ask without a user, as in a SubjectAccessReview."""
    if line.user:
        return Who(line.user, implicit_groups(line.user) if line.groups is None else tuple(line.groups))
    if line.groups:
        return Who("", tuple(line.groups))
    if default is None:
        raise BadInput("nobody asks; name a user in the line, or for all lines with --as")
    return default


def _request(line: _Line) -> Request:
    if not line.verb:
        raise BadInput("verb must not be empty")
    if bool(line.resource) == bool(line.path):
        raise BadInput("a request has either a resource or a path")
    if line.path:
        return Request(verb=line.verb, path=line.path)
    return Request(
        verb=line.verb,
        group=line.group or "",
        resource=line.resource or "",
        subresource=line.subresource or "",
        namespace=line.namespace or "",
        name=line.name or "",
    )


def rows(decision: Decision) -> list[list[str]]:
    """Return what allows it, one row each, for people."""
    return [[grant.binding.id, grant.binding.ref, _rule(grant.rule.document)] for grant in decision.by]


def _rule(document: Mapping[str, Any]) -> str:
    if document.get("nonResourceURLs"):
        return f"{_list(document['verbs'])} {_list(document['nonResourceURLs'])}"
    groups = _list(group or "core" for group in document["apiGroups"])
    names = f" named {_list(document['resourceNames'])}" if document.get("resourceNames") else ""
    return f"{_list(document['verbs'])} {_list(document['resources'])} ({groups}){names}"


def _list(texts: Any) -> str:
    return ",".join(texts)
