"""A sample of `make bench`: few of everything, no word about time, and what must come out of a flood exactly."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import flood
from tests.bench.__main__ import GROUPS, line, main, measured
from tests.bench.frame import Goal, Row, Run
from tests.bench.publish import BEGIN, END, KEPT, PAGE, publish


def unheard(_: str) -> None:
    """Say nothing."""


def row(**differing: object) -> Row:
    given = {"name": "n", "value": 3.0, "unit": "ms", "ceiling": 2.0, **differing}
    return Row(**given)  # type: ignore[arg-type]


def test_a_goal_is_held_by_the_value_or_by_its_ratio() -> None:
    assert row().met is None
    assert row(goal=Goal(limit=3)).met
    assert row(goal=Goal(limit=3, least=True)).met
    assert not row(goal=Goal(limit=1.4, ratio=True)).met
    assert row(goal=Goal(limit=1.5, ratio=True)).met
    assert not row(goal=Goal(limit=1.5, ratio=True), ceiling=None).met


def test_a_line_tells_what_was_promised_and_that_it_was_missed() -> None:
    told = line(row(goal=Goal(limit=1.4, ratio=True), more={"x_s": 1.5}), 0.5)
    assert all(part in told for part in ("3.00 ms", "1.50 ×", "≤ 1.4 ×", "MISSED", "others 0.5", "x_s 1.50"))


def test_what_is_measured_is_written_with_the_machine_that_it_was_measured_on(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    main(["store", "--share", "0.001", "--json", str(file)])
    told = json.loads(file.read_text())
    assert set(told["machine"]) >= {"cores", "versions", "commit", "python"}
    assert {one["group"] for one in told["rows"]} == {"store"}
    assert all(set(one) == {*row().told(), "group", "other_cores"} for one in told["rows"])


def test_what_is_published_keeps_the_groups_that_were_not_measured(tmp_path: Path) -> None:
    page = tmp_path / PAGE
    page.parent.mkdir(parents=True)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    machine = {"cores": 2, "processor": "p", "commit": "c"}
    for group in ("a", "b"):
        told = {**row(name=f"of {group}").told(), "group": group, "other_cores": 0.1}
        publish(tmp_path, {"at": "2026-01-01T00:00:00Z", "share": 1.0, "machine": machine, "rows": [told]})
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| of a | 3 ms | 1.50 |" in text
    assert "| of b |" in text
    assert set(json.loads((tmp_path / KEPT).read_text())) == {"a", "b"}


def test_every_group_has_a_name_of_its_own_and_says_what_it_is_about() -> None:
    assert len({group.name for group in GROUPS}) == len(GROUPS)
    assert all(group.about for group in GROUPS)


@pytest.mark.stack
@pytest.mark.timeout(240)
def test_a_flood_comes_out_as_one_incident_one_page_and_one_plan_for_each_pod() -> None:
    rows = asyncio.run(measured([flood.GROUP], Run(say=unheard, share=0.03)))
    assert len(rows) == 4
    assert all(one["met"] is not False for one in rows), rows
    out = {str(one["name"]): one for one in rows if "come out" in str(one["name"])}
    incidents, pages, writes = out.values()
    assert (incidents["value"], pages["value"]) == (3.0, 3.0)
    more: Any = writes["more"]
    assert writes["value"] == more["expected"]
