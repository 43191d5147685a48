"""`firebreak policy lint | diff | test`: is a policy right, what would it change, does it do what is expected?"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signals.detector import Detector
    from signals.policy import Policy

_FILES = {"lint": (1, 1), "diff": (2, 2), "test": (2, 99)}
_USAGE = {
    "lint": "firebreak policy lint POLICY",
    "diff": "firebreak policy diff OLD NEW",
    "test": "firebreak policy test POLICY CASES…",
}


def arguments(parser: ArgumentParser) -> None:
    """Add what to do, and with which files."""
    parser.add_argument(
        "what",
        choices=tuple(_FILES),
        help="lint POLICY: what is wrong with it; diff OLD NEW: what would change; test POLICY CASES…: does it"
        " judge as the cases expect",
    )
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="policies, and files of cases")
    parser.add_argument("--strict", action="store_true", help="lint: a warning is a failure too")


def run(options: Namespace) -> int:
    """Lint, compare or test; no server is needed."""
    from signals.errors import BadInput

    least, most = _FILES[options.what]
    if not least <= len(options.files) <= most:
        raise BadInput(f"Say `{_USAGE[options.what]}`.")
    return {"lint": _lint, "diff": _diff, "test": _test}[options.what](options)


def _policy(path: Path) -> "tuple[Policy, str]":
    from signals.errors import BadInput
    from signals.policy import parse

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    return parse(text, str(path)), text


def _detectors() -> "Mapping[str, Detector]":
    import signals.detectors.runtime
    from signals.catalog import load
    from signals.detector import Detector

    return load(signals.detectors.runtime, Detector)


def _others() -> set[str]:
    """Return the names of what other agents suspect: a policy may name those as well."""
    import signals.detectors.rbac
    from signals.audit_detector import AuditDetector
    from signals.catalog import load

    return set(load(signals.detectors.rbac, AuditDetector))


def _lint(options: Namespace) -> int:
    from workers.cli import policy_lint
    from workers.cli.output import emit
    from workers.cli.screen import Screen
    from workers.cli.words import count

    policy, text = _policy(options.files[0])
    found = [*policy_lint.duplicates(text), *policy_lint.warnings(policy, _detectors().values(), _others())]

    def table() -> None:
        screen = Screen()
        for warning in found:
            screen.say(warning, "yellow")
        told = f"{count(len(found), 'warning')}" if found else "Nothing is wrong with it."
        screen.say(f"{told} Its digest is {policy.digest}.", "bold")

    emit(options, {"digest": policy.digest, "warnings": found}, table)
    return 1 if found and options.strict else 0


def _diff(options: Namespace) -> int:
    from workers.cli.output import emit
    from workers.cli.policy_diff import difference
    from workers.cli.screen import Screen

    (old, _), (new, _) = (_policy(path) for path in options.files)
    found = difference(old, new, _detectors().values())

    def table() -> None:
        screen = Screen()
        if not found.changes:
            screen.say("They say the same.", "bold")
        for change in found.changes:
            screen.say(f"{change.field}: {change.old} → {change.new}")
        if found.loosens:
            screen.say("It loosens what holds; a lead approves that (`firebreak approve-policy`):")
            for line in found.loosens:
                screen.say(f"  {line}")
        if found.effects:
            screen.say()
            screen.say("What one alert about a pod in mode auto would come to:", "bold")
        for effect in found.effects:
            screen.say(effect.rule)
            screen.say(f"was  {effect.old}", "dim", 4)
            screen.say(f"is   {effect.new}", "", 4)

    emit(options, found.model_dump(mode="json"), table)
    return 0


def _test(options: Namespace) -> int:
    from signals.detector import Detection
    from workers.cli import policy_cases
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    policy, _ = _policy(options.files[0])
    detection = Detection(_detectors().values())
    cases = [case for path in options.files[1:] for case in policy_cases.read(path).cases]
    verdicts = [policy_cases.judge(case, policy, detection) for case in cases]
    failed = [verdict for verdict in verdicts if not verdict.passed]

    def table() -> None:
        screen = Screen()
        for verdict in verdicts:
            screen.say(
                f"{'✔' if verdict.passed else '✘'} {verdict.case}", "green" if verdict.passed else "red"
            )
            for line in verdict.differences:
                screen.say(line, "", 4)
            for term in verdict.terms if verdict.differences else ():
                screen.say(f"{term.name} {term.value}: {term.effect}. {term.reason}", "dim", 4)
        screen.say(f"{len(verdicts) - len(failed)} of {len(verdicts)} cases are as expected.", "bold")

    emit(options, [verdict.model_dump(mode="json") for verdict in verdicts], table)
    return 1 if failed else 0


VERB = Verb(
    name="policy",
    help="check a policy, compare two, and test one against cases, before it is used",
    arguments=arguments,
    run=run,
)
