"""One block of ports for each stack."""

from pathlib import Path

import pytest

from signals.errors import StackError
from workers.stack.ports import BLOCK, NAMES, find, reserve


def test_two_stacks_never_share_a_port(tmp_path: Path) -> None:
    first = reserve(tmp_path / "a.json")
    second = reserve(tmp_path / "b.json")
    with first.guard, second.guard:
        assert abs(first.base - second.base) >= BLOCK


def test_a_stack_that_starts_again_has_its_ports_again(tmp_path: Path) -> None:
    first = reserve(tmp_path / "ports.json")
    first.guard.close()
    second = reserve(tmp_path / "ports.json")
    second.guard.close()
    assert first.base == second.base


def test_a_stack_whose_ports_are_taken_moves_on(tmp_path: Path) -> None:
    first = reserve(tmp_path / "a.json")
    (tmp_path / "b.json").write_text(f'{{"base": {first.base}}}')
    with first.guard:
        second = reserve(tmp_path / "b.json")
    second.guard.close()
    assert second.base != first.base


def test_a_file_of_ports_that_somebody_edited_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("[")
    reserve(tmp_path / "ports.json").guard.close()


def test_ports_lie_below_those_that_the_kernel_gives_to_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert find() + BLOCK <= lowest


def test_more_agents_than_a_block_holds_are_refused(tmp_path: Path) -> None:
    ports = reserve(tmp_path / "ports.json")
    with ports.guard:
        assert ports.metrics(0) == ports.base + len(NAMES)
        with pytest.raises(StackError, match="room for"):
            ports.metrics(BLOCK)
