"""The shape of an RBAC detector: one suspicion about a request to the API server, and whom it never suspects."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from signals.detector import Grade
from signals.subjects import AGENTS, NAMESPACE, service_account
from signals.telemetry.audit import POD_UID, AuditEvent
from signals.telemetry.audit_wire import Wire
from signals.threats import Severity

TITLE_LIMIT = 240
_WORD_LIMIT = 80
_ACCOUNT = "system:serviceaccount:"
ANONYMOUS = ("system:anonymous", "system:unauthenticated")
CONTROL_PLANE = frozenset({"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"})
"""Users that the control plane itself has, besides the accounts of its controllers."""
ATTEMPT = 0.6
"""What is left of a confidence where the API server refused: it did not happen, but somebody tried."""


@dataclass(frozen=True, kw_only=True)
class AuditDetector:
    """One suspicion of the RBAC Auditor.

    `resources` are those that `matches` is asked about (`pods/exec`), `*` for all. `title` is a sentence with the
    places `{who}`, `{thing}`, `{where}`, `{name}` and `{as}`. `attempts` says that a workload's refused request is
    suspicious as well. `spares` says that trusted identities are not suspected. The rest is as in `Detector`.
    """

    name: str
    resources: tuple[str, ...]
    technique: str | None
    severity: Severity
    confidence: float
    because: str
    title: str
    matches: Callable[[AuditEvent], bool]
    fires_on: tuple[AuditEvent, ...]
    ignores: tuple[AuditEvent, ...]
    sufficient_alone: bool = False
    verbs: tuple[str, ...] = ()
    """The only verbs that `matches` is asked about; none stands for all."""
    attempts: bool = False
    refused: bool = False
    """Whether it is about refusals alone."""
    spares: bool = True
    about_target: bool = False
    """Whether the subject is the pod that the request is about, where no pod made the request."""
    compares: bool = False
    """Whether a write that leaves an object of ours as it is shipped raises nothing."""
    grade: Callable[[AuditEvent], Grade] | None = None

    def graded(self, event: AuditEvent) -> Grade:
        """Return the grade of one event; a refused attempt is less."""
        grade = (
            self.grade(event)
            if self.grade
            else Grade(severity=self.severity, confidence=self.confidence, technique=self.technique)
        )
        if event.allowed or self.refused or grade.confidence is None:
            return grade
        milder = list(Severity)[max(grade.severity.rank - 1, 0)]
        return Grade(
            severity=milder, confidence=round(grade.confidence * ATTEMPT, 2), technique=grade.technique
        )

    def suspects(self, event: AuditEvent, trusted: bool) -> bool:
        """Return whether one event raises this suspicion; `trusted` is whether who asked is expected to."""
        if self.spares and trusted:
            return False
        if event.allowed == self.refused and not (self.attempts and of_workload(event)):
            return False
        return (not self.verbs or event.verb in self.verbs) and self.matches(event)


class AuditDetection:
    """All RBAC detectors, by the resources that they look at."""

    def __init__(self, detectors: Iterable[AuditDetector], trusted: Iterable[str] = ()) -> None:
        """Hold a catalogue, and the names of users that the operator trusts besides the control plane."""
        found: defaultdict[str, list[AuditDetector]] = defaultdict(list)
        for detector in detectors:
            for resource in detector.resources:
                found[resource].append(detector)
        self._verbs = {name: _verbs(those) for name, those in found.items() if name != "*"}
        self._any = tuple(found.pop("*", ()))
        self._by_resource = {name: (*those, *self._any) for name, those in found.items()}
        self._trusted = frozenset(trusted)

    def ordinary(self, wire: Wire) -> bool:
        """Return whether nothing can come of an event, by the least of it: so it is with most."""
        about, who, code = (
            wire.objectRef,
            wire.user,
            wire.responseStatus.code if wire.responseStatus else None,
        )
        if not wire.verb or who is None or not who.username or (code or 0) >= 400 or wire.impersonatedUser:
            return False
        if who.username == ANONYMOUS[0] or ANONYMOUS[1] in (who.groups or ()):
            return False
        if about is None or about.resource is None:
            return True
        thing = f"{about.resource}/{about.subresource}" if about.subresource else about.resource
        verbs = self._verbs.get(thing)
        return verbs is None or (bool(verbs) and wire.verb not in verbs)

    def suspect(self, event: AuditEvent) -> tuple[AuditDetector, ...]:
        """Return every detector that an event raises: of most events, none."""
        if not decided(event):
            return ()
        candidates = self._by_resource.get(event.thing, self._any)
        trusted = event.user in self._trusted or expected(event)
        return tuple(one for one in candidates if one.suspects(event, trusted))


def _verbs(detectors: Iterable[AuditDetector]) -> frozenset[str]:
    """Return the verbs that some of these are asked about; empty if one is asked about all."""
    verbs = [frozenset(one.verbs) for one in detectors]
    return frozenset().union(*verbs) if all(verbs) else frozenset()


def decided(event: AuditEvent) -> bool:
    """Return whether the server has decided: what streams has two such records, of one id, and counts once."""
    return event.stage != "RequestReceived"


def expected(event: AuditEvent) -> bool:
    """Return whether the control plane itself asked: by its exact name *and* group, whatever its client says."""
    user, groups = event.user, event.groups
    if user in CONTROL_PLANE:
        return True
    if user.startswith(f"{_ACCOUNT}kube-system:"):
        return not groups or f"{_ACCOUNT[:-1]}s:kube-system" in groups
    return user.startswith("system:node:") and (not groups or "system:nodes" in groups)


def of_ours(event: AuditEvent) -> bool:
    """Return whether one of our own agents asked."""
    return event.user in _OURS


_OURS = frozenset(service_account(agent) for agent in AGENTS)


def of_workload(event: AuditEvent) -> bool:
    """Return whether a ServiceAccount asked: a workload, or who has its token. Our own are none."""
    return event.user.startswith(_ACCOUNT) and not event.user.startswith(f"{_ACCOUNT}{NAMESPACE}:")


def of_nobody(event: AuditEvent) -> bool:
    """Return whether nobody proved who they are."""
    return event.user == ANONYMOUS[0] or ANONYMOUS[1] in event.groups


def written(event: AuditEvent, *verbs: str) -> bool:
    """Return whether this is a write with one of these verbs, and no dry run."""
    return event.verb in verbs and not event.dry_run


def account_of(user: str) -> tuple[str, str] | None:
    """Return namespace and name of a ServiceAccount, by its user name."""
    namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if user.startswith(_ACCOUNT) and namespace and name else None


def title(detector: AuditDetector, event: AuditEvent) -> str:
    """Return the suspicion in one sentence."""
    pod = event.extra.get("authentication.kubernetes.io/pod-name", "")
    account = account_of(event.user)
    who = f"ServiceAccount {'/'.join(account)}" if account else event.user
    if account and pod:
        who = f"pod {account[0]}/{pod}"
    words = {
        "who": _word(who),
        "thing": _word(event.thing),
        "name": _word(event.name or "one without a name"),
        "where": f"namespace {_word(event.namespace)}" if event.namespace else "the whole cluster",
        "as": _word(event.impersonated),
    }
    sentence = detector.title.format_map(words)
    if not event.allowed and not detector.refused:
        sentence += ": refused"
    sentence = sentence[0].upper() + sentence[1:]
    return sentence if len(sentence) <= TITLE_LIMIT else sentence[: TITLE_LIMIT - 1] + "…"


def _word(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WORD_LIMIT else text[: _WORD_LIMIT - 1] + "…"


PERSON = ("ada", ("system:authenticated", "developers"))
WORKLOAD = ("system:serviceaccount:shop:web", ("system:serviceaccounts", "system:serviceaccounts:shop"))


def record(
    verb: str,
    thing: str,
    name: str = "x",
    namespace: str = "shop",
    *,
    group: str = "",
    who: tuple[str, tuple[str, ...]] = WORKLOAD,
    body: Mapping[str, Any] = MappingProxyType({}),
    code: int = 0,
    **more: Any,
) -> AuditEvent:
    """Return an event for `fires_on` and `ignores`: of a workload, unless `who` is somebody else."""
    resource, _, subresource = thing.partition("/")
    user, groups = who
    if user == WORKLOAD[0]:
        more.setdefault("extra", {POD_UID: "7d9f4c2a-0000-4000-8000-000000000001"})
    more.setdefault("stage", "ResponseComplete")
    return AuditEvent(
        id="a", sha256="0" * 64, user=user, groups=groups, verb=verb, group=group,
        resource=resource, subresource=subresource, namespace=namespace, name=name, body=dict(body),
        code=code or (201 if verb == "create" else 200), **more,
    )  # fmt: skip
