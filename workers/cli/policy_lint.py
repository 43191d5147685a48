"""What is wrong with a policy that parses: names that match nothing, and settings that undo each other."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import yaml

from signals.detector import Detector
from signals.policy import CONTROL_PLANE_NAMESPACES, Policy


def duplicates(text: str) -> Iterator[str]:
    """Yield keys that stand twice in one mapping: YAML lets the last one win without a word."""
    for node in _mappings(yaml.compose(text, Loader=yaml.SafeLoader)):
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield f"line {line}: {key.value!r} stands in line {seen[key.value]} already; only this one counts"
            seen[key.value] = line


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


def warnings(policy: Policy, detectors: Iterable[Detector], others: set[str]) -> Iterator[str]:
    """Yield what a person should look at before this policy is used; `others` names further suspicions."""
    known = list(detectors)
    yield from _names(policy, known, others)
    yield from _contradictions(policy)
    yield from _reach(policy, known)


def _names(policy: Policy, detectors: list[Detector], others: set[str]) -> Iterator[str]:
    """Yield rules and detectors that nobody knows; a rule of one's own is fine, a typing mistake is not."""
    rules = {rule for detector in detectors for rule in detector.rules} | others
    names = {detector.name for detector in detectors}
    for where, said, known in (
        *(("rules", rule, rules) for rule in policy.rules),
        *(("alone", one, rules | names) for one in policy.alone),
    ):
        if said in known or any(
            said.startswith(rule[:-1]) for rule in rules if rule.endswith("*") and rule != "*"
        ):
            continue
        close = get_close_matches(said, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "right only if it is a rule of your own"
        yield f"{where}: no detector knows {said!r}: {hint}"


def _contradictions(policy: Policy) -> Iterator[str]:
    """Yield settings that undo each other."""
    for name, rule in policy.rules.items():
        if rule.ignore and (rule.confidence is not None or rule.severity is not None):
            yield f"rules: {name!r} is ignored, so its confidence and severity say nothing"
        if rule.ignore and name in policy.alone:
            yield f"alone: {name!r} is ignored under `rules`"
    if policy.isolate_ttl_seconds < policy.restrict_ttl_seconds:
        yield "isolate_ttl_seconds is below restrict_ttl_seconds: an isolation ends before a blocked flow"
    if policy.approval_seconds * 2 > policy.restrict_ttl_seconds:
        yield "approval_seconds is more than half of restrict_ttl_seconds: a question may outlive its reason"
    yield from _protection(policy)


def _protection(policy: Policy) -> Iterator[str]:
    """Yield what is protected from everything, and what is not protected any more."""
    for place, entry in enumerate(policy.protected):
        if entry.namespace == "*" and entry.name == "*":
            yield f"protected.{place} covers every pod: nothing is ever written without a person"
    lost = [pattern for pattern in CONTROL_PLANE_NAMESPACES if pattern not in policy.control_plane_namespaces]
    if "kube-system" in lost:
        yield "control_plane_namespaces: without kube-system, what runs there may be isolated without a person"
    elif lost:
        yield f"control_plane_namespaces: {', '.join(lost)} of the default are missing"


def _reach(policy: Policy, detectors: list[Detector]) -> Iterator[str]:
    """Yield tiers that no detector reaches alone by this policy."""
    sure = [detector.confidence for detector in detectors if detector.confidence is not None]
    sure += [rule.confidence for rule in policy.rules.values() if rule.confidence is not None]
    top = max(sure, default=0.0)
    for name in ("restrict", "isolate"):
        bound = getattr(policy.thresholds, name)
        if bound > top:
            yield f"thresholds.{name}: no detector says more than {top}, so one agent alone never gets there"
