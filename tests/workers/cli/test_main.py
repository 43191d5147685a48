"""The command line itself: what it loads, how it ends, and what it says when it cannot."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from signals.errors import BadInput, Conflict, FirebreakError, Refused, Unavailable
from workers import cli
from workers.cli import Exit, main, verbs
from workers.cli.durations import seconds
from workers.cli.output import emit
from workers.cli.verb import Verb, no_arguments

HEAVY = ("temporalio", "kubernetes", "nats", "pydantic", "rich", "yaml", "aiohttp", "asyncio", "cryptography")


@pytest.mark.parametrize("arguments", [["--help"], ["approve", "--help"], ["drill", "--help"], ["nonsense"]])
def test_help_and_wrong_use_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom workers.cli import main\n"
        f"code = main({arguments!r})\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    code = 2 if arguments == ["nonsense"] else 0
    assert done.stdout.splitlines()[-1] == f"LOADED [] {code}"


def test_every_verb_has_help_and_a_name_that_people_can_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == Exit.DONE
    shown = capsys.readouterr().out
    for file in Path(verbs.__path__[0]).glob("[a-z]*.py"):
        assert f"    {file.stem.replace('_', '-')} " in shown


@pytest.mark.parametrize(
    ("error", "code"),
    [(Refused("no"), 3), (BadInput("what"), 2), (Conflict("late"), 1), (Unavailable("gone"), 1)],
)
def test_an_error_is_told_in_words_and_by_exit_code(
    error: FirebreakError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Namespace) -> int:
        raise error

    monkeypatch.setattr(
        cli, "load", lambda *_: {"x": Verb(name="x", help="x", arguments=no_arguments, run=fail)}
    )
    assert main(["x"]) == code
    assert str(error) in capsys.readouterr().err


def test_an_interrupt_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        cli, "load", lambda *_: {"x": Verb(name="x", help="x", arguments=no_arguments, run=interrupt)}
    )
    assert main(["x"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [["-o", "json", "--state", "/s", "x"], ["x", "-o", "json", "--state", "/s"]]
)
def test_global_options_stand_before_or_after_the_verb(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Namespace] = []

    def remember(options: Namespace) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(
        cli, "load", lambda *_: {"x": Verb(name="x", help="x", arguments=no_arguments, run=remember)}
    )
    assert main(arguments) == 0
    assert (seen[0].output, seen[0].state) == ("json", Path("/s"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["incidents"],
        ["describe", "x"],
        ["approve", "x"],
        ["undo", "x"],
        ["enrol", "shop"],
        ["release", "--all"],
    ],
)
def test_without_a_stack_a_command_says_how_to_start_one(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--state", str(tmp_path)]) == Exit.FAILED
    assert "firebreak up" in capsys.readouterr().err


def test_without_a_verb_all_verbs_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == Exit.WRONG_USE
    assert "stop the embedded servers" in capsys.readouterr().err


def test_a_place_that_cannot_hold_a_stack_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "a-file"
    taken.touch()
    assert main(["up", "--cluster", "memory", "--detach", "--state", str(taken)]) == Exit.FAILED
    assert f"{taken} cannot be the folder of a stack" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["reject", "x"],
        ["close", "x", "--undo", "--keep"],
        ["enrol", "shop", "--mode", "yolo"],
        ["release"],
        ["extend", "x", "--for", "3w"],
        ["watch", "--until", "happy"],
        ["approve", "x", "--kubeconfig", "/nonexistent"],
        ["incidents", "--tier", "5"],
    ],
)
def test_wrong_use_is_exit_code_two(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--state", str(tmp_path)]) == Exit.WRONG_USE


def test_called_by_kubectl_it_names_itself_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-firebreak"])
    main(["--help"])
    assert capsys.readouterr().out.startswith("usage: kubectl firebreak ")


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("30m", 1800), ("4h", 14400), ("2d", 172800)])
def test_lengths_of_time_are_read_as_people_write_them(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_machine_output_is_exact_and_cannot_steer_a_terminal(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"title": "\x1b[2J\x7f\x9b\u202e é"}
    emit(Namespace(output=form), document, lambda: None)
    shown = capsys.readouterr().out
    assert all(" " <= character <= "~" or character == "\n" for character in shown)
    assert (json.loads if form == "json" else yaml.safe_load)(shown) == document
