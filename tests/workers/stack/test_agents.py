"""What the processes of agents are given."""

from pathlib import Path

from workers.stack.agents import environment


def test_agents_keep_bytecode_where_they_may_not_write_it_beside_their_sources() -> None:
    given = {"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    kept = environment(given)
    assert set(kept) == {"PATH", "PYTHONPYCACHEPREFIX"}
    assert Path(kept["PYTHONPYCACHEPREFIX"]).is_absolute()


def test_where_bytecode_may_be_written_nothing_is_changed() -> None:
    assert environment({"PATH": "/bin"}) == {"PATH": "/bin"}
