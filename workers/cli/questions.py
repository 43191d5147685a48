"""Questions about rights, as people type them and as JSON lines, and the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from activities.graph import escalation
from activities.graph.identities import Who, implicit_groups
from activities.graph.rbac import GROUP, Decision, Rbac, Request
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


def answer_line(rbac: Rbac, line: bytes, place: str, default: Who | None) -> dict[str, Any]:
    """Return the answer to one line; a bad one is answered too, with an `error` that names its `place`.

    `default` asks where a line names nobody.
    """
    try:
        fields = msgspec.json.decode(line)
        if not isinstance(fields, dict):
            raise BadInput("a request is a JSON object")
        answer = _answer(rbac, msgspec.convert(fields, _Line), default)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadInput) as error:
        reason = f"{place}: {error}"
        return {"allowed": False, "reason": reason, "by": [], "error": reason}
    unknown = sorted(fields.keys() - _FIELDS)
    return {**as_json(answer), "ignored": unknown} if unknown else as_json(answer)


def as_json(decision: Decision) -> dict[str, Any]:
    """Return a decision as `-o json` has it."""
    return {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "by": [grant.as_json() for grant in decision.by],
    }


def _answer(rbac: Rbac, line: _Line, default: Who | None) -> Decision:
    asker, request = _who(line, default), _request(line)
    if line.object is not None and escalation.checked(request):
        return escalation.decide(rbac, asker, request, line.object)
    return rbac.decide(asker, request)


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
