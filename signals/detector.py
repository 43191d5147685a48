"""The shape of a detector: one suspicion, said in a sentence that a person who was just woken understands."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from signals.errors import CatalogError
from signals.telemetry.falco import Alert, Scalar
from signals.threats import Peer, Severity

TITLE_LIMIT = 240
_WORD_LIMIT = 80


@dataclass(frozen=True, kw_only=True)
class Grade:
    """How bad, how sure, and which ATT&CK technique (or tactic, `TA0003`)."""

    severity: Severity
    confidence: float | None
    technique: str | None


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One suspicion of the Runtime Guardian.

    `rules` are the names of the Falco rules that raise it, in any case; one that ends in `*` stands for all
    that begin so, and the longest wins. `title` is a sentence with the places that `Words` fills. `because` says
    where the confidence comes from. `fires_on` and `ignores` are records that it must and must not meet.
    """

    name: str
    rules: tuple[str, ...]
    technique: str | None
    severity: Severity
    confidence: float | None
    because: str
    title: str
    fires_on: tuple[Alert, ...]
    ignores: tuple[Alert, ...]
    sufficient_alone: bool = False
    """Whether its word alone may isolate a pod. Only what has hardly any harmless explanation."""
    about_node: bool = False
    """Whether the node is the subject, whatever the alert names besides."""
    peer: Callable[[Alert, Collection[str]], Peer | None] | None = None
    """Finds the other end of the connection, given the pod's own addresses."""
    grade: Callable[[Alert], Grade] | None = None
    """Grades each alert by what it says itself, instead of one grade for all."""

    def graded(self, alert: Alert) -> Grade:
        """Return the grade of one alert."""
        if self.grade is not None:
            return self.grade(alert)
        return Grade(severity=self.severity, confidence=self.confidence, technique=self.technique)


class Words(dict[str, str]):
    """What may stand in a title: `{process}`, `{where}`, `{file}`, `{peer}`, `{parent}`, `{user}`, `{rule}`."""

    def __init__(self, alert: Alert, where: str, peer: Peer | None = None) -> None:
        """Take the words from an alert; `where` is its subject in words (`pod shop/web-0`)."""
        address = f"{peer.address}:{peer.port}" if peer and peer.port else peer.address if peer else ""
        super().__init__(
            where=where,
            rule=_word(alert.rule, "an unnamed rule"),
            process=_word(alert.text("proc.name"), "a process"),
            parent=_word(alert.text("proc.pname"), "an unnamed process"),
            user=_word(alert.text("user.name"), "an unnamed user"),
            file=_word(_file(alert), "a file"),
            peer=address or "an address that the alert does not name",
        )


def title(detector: Detector, alert: Alert, where: str, peer: Peer | None = None) -> str:
    """Return the suspicion in one sentence."""
    sentence = detector.title.format_map(Words(alert, where, peer))
    if sentence.startswith(("a ", "an ")):
        sentence = sentence[0].upper() + sentence[1:]
    return sentence if len(sentence) <= TITLE_LIMIT else sentence[: TITLE_LIMIT - 1] + "…"


def _file(alert: Alert) -> str:
    names = ("fd.name", "evt.arg.target", "evt.arg.name", "proc.exepath")
    return next((text for name in names if (text := alert.text(name)) and "->" not in text), "")


def _word(text: str, otherwise: str) -> str:
    text = " ".join(text.split())
    if not text:
        return otherwise
    return text if len(text) <= _WORD_LIMIT else text[: _WORD_LIMIT - 1] + "…"


class Detection:
    """All detectors, by the names of the rules that raise them."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        """Hold a catalogue.

        Raises:
            CatalogError: two detectors claim one rule, or none claims `*`.
        """
        claims: defaultdict[str, list[Detector]] = defaultdict(list)
        for detector in detectors:
            for rule in detector.rules:
                claims[rule.casefold()].append(detector)
        for rule, claimants in claims.items():
            if len(claimants) > 1:
                raise CatalogError(
                    f"{claimants[0].name} and {claimants[1].name} both claim the rule {rule!r}"
                )
        if "*" not in claims:
            raise CatalogError("no detector claims '*': an unknown rule would be lost")
        self._exact: Mapping[str, Detector] = MappingProxyType(
            {rule: claimants[0] for rule, claimants in claims.items()}
        )
        prefixes = sorted((rule for rule in claims if rule.endswith("*")), key=len, reverse=True)
        self._prefixes = tuple((prefix[:-1], self._exact[prefix]) for prefix in prefixes)

    def suspect(self, alert: Alert) -> Detector:
        """Return the detector that an alert raises; there always is one."""
        rule = alert.rule.casefold()
        found = self._exact.get(rule)
        if found is not None and not rule.endswith("*"):
            return found
        return next(detector for prefix, detector in self._prefixes if rule.startswith(prefix))


def record(
    rule: str,
    fields: Mapping[str, Scalar] = MappingProxyType({}),
    *,
    priority: str = "Warning",
    tags: tuple[str, ...] = (),
    output: str = "",
) -> Alert:
    """Return an alert for `fires_on` and `ignores`."""
    return Alert(rule=rule, sha256="0" * 64, priority=priority, tags=tags, output=output, fields=dict(fields))


def renamed(alert: Alert, rule: str) -> Alert:
    """Return the same alert under another rule: what a detector ignores."""
    return record(rule, alert.fields, priority=alert.priority, tags=alert.tags, output=alert.output)
