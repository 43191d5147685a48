"""How the answer to a person's command is told."""

import json
from argparse import Namespace

import pytest

from signals.approvals import Answer
from signals.errors import Refused
from workers.cli.person import conclude
from workers.cli.speaking import Said


def said(*, accepted: bool = True, authenticated: bool = True) -> Said:
    return Said("undo-1", "jane", Answer(accepted=accepted, message="two things"), authenticated)


def test_a_yes_is_told_in_the_liaisons_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(Namespace(output="table"), said()) == 0
    assert capsys.readouterr().out == "two things\n"


def test_a_no_is_a_refusal_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused, match="two things"):
        conclude(Namespace(output="table"), said(accepted=False))
    assert capsys.readouterr().out == ""


def test_a_machine_gets_the_whole_answer_also_when_it_is_no(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refused):
        conclude(Namespace(output="json"), said(accepted=False))
    assert json.loads(capsys.readouterr().out) == {
        "command": "undo-1",
        "actor": "jane",
        "authenticated": True,
        "accepted": False,
        "message": "two things",
    }


def test_where_nobody_proves_who_speaks_the_answer_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    conclude(Namespace(output="table"), said(authenticated=False))
    assert "unauthenticated" in capsys.readouterr().out
