"""One process's logs, traces and metrics. Each test runs in a process of its own: providers are set once."""

import json
import multiprocessing
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from activities.tracing import attach, inject, span
from signals.subjects import REMEDIATION_EXECUTOR, RUNTIME_GUARDIAN, SPAN_ALERT, SPAN_APPLY, SPAN_CORRELATE
from tests.workers.scenes import EVIL, executor, guardian, logged, measured, orchestrated, refusing
from workers.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


def elsewhere(do: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Run a scene in a fresh process and return what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(do, *given, **named).result(timeout=50)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def spans(path: Path) -> list[dict[str, Any]]:
    """Return the spans in a trace file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_logs_name_agent_incident_and_library() -> None:
    lines = [json.loads(line) for line in elsewhere(logged, Settings()).splitlines()]
    assert [line["event"] for line in lines] == ["alert accepted", f"retrying {EVIL}", "failed"]
    assert {line["agent"] for line in lines} == {RUNTIME_GUARDIAN}
    assert [line.get("incident") for line in lines] == ["shop-web-0-1", "shop-web-0-1", None]
    assert [line["logger"] for line in lines] == ["made.before.start", "some.library", "made.before.start"]
    assert lines[0]["command"] == EVIL
    assert lines[0]["timestamp"].endswith("Z")
    assert "ValueError" in lines[2]["exception"]


@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_log_line_carries_a_control_character_or_a_local_variable(format_: Any) -> None:
    written = elsewhere(logged, Settings(log_format=format_))
    assert "rm -rf /" in written
    assert "ValueError" in written
    assert not {"\x1b", "\u202e"} & set(written)
    assert "hunter2" not in written


def test_the_level_decides_what_is_written() -> None:
    assert "chatter" in elsewhere(logged, Settings(log_level="debug"))
    assert "alert accepted" not in elsewhere(logged, Settings(log_level="error"))


def test_metrics_are_scraped_on_the_loopback_until_shutdown() -> None:
    text = elsewhere(measured, free_port())
    for line in (
        'firebreak_alerts_total{feed="falco",outcome="accepted"} 1.0',
        'firebreak_alerts_total{feed="falco",outcome="undecodable"} 1.0',
        "firebreak_incidents_opened_total 1.0",
        'firebreak_redeliveries_total{agent="runtime-guardian"} 1.0',
        'firebreak_stage_seconds_bucket{le="0.05",stage="accepted_to_write"} 1.0',
        'firebreak_stage_seconds_sum{stage="alert_to_signal"} 0.0',
    ):
        assert line in text, text
    assert "signal_to_decision" not in text


def test_a_taken_port_is_named() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        assert elsewhere(refusing, port).startswith(f"FIREBREAK_METRICS_PORT: port {port} is taken")


def test_one_trace_spans_two_processes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "traces.jsonl"
    carried = elsewhere(guardian, path)
    elsewhere(executor, path, carried)
    alert, verify, apply = spans(path)
    assert {one["context"]["trace_id"] for one in (alert, apply, verify)} == {alert["context"]["trace_id"]}
    assert carried["traceparent"].split("-")[1] == alert["context"]["trace_id"].removeprefix("0x")
    assert apply["parent_id"] == alert["context"]["span_id"]
    assert verify["parent_id"] == apply["context"]["span_id"]
    assert alert["attributes"] == {"firebreak.feed": "falco"}
    resources = [one["resource"]["attributes"] for one in (alert, apply)]
    assert [one["service.name"] for one in resources] == [RUNTIME_GUARDIAN, REMEDIATION_EXECUTOR]
    assert resources[1]["service.instance.id"] == "7"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.stack
def test_one_trace_goes_from_the_alert_through_temporal_to_the_effect(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    elsewhere(orchestrated, path, elsewhere(guardian, path))
    found = spans(path)
    names = {one["name"] for one in found}
    assert {SPAN_ALERT, SPAN_CORRELATE, SPAN_APPLY} <= names
    assert any(name.startswith("RunActivity") for name in names)
    assert len({one["context"]["trace_id"] for one in found}) == 1, names


def test_without_a_provider_nothing_is_traced_and_nothing_fails() -> None:
    with span(SPAN_APPLY, {"traceparent": "nonsense", "other": "x"}), attach({}):
        assert inject() == {}


def test_a_message_with_a_broken_trace_leaves_the_current_one_alone() -> None:
    carrier = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with attach(carrier):
        with attach({"traceparent": "nonsense"}):
            assert inject() == carrier
        with attach({}):
            assert inject() == carrier
    assert inject() == {}


def test_what_workflows_can_reach_loads_no_telemetry() -> None:
    code = (
        "import sys, activities.metrics, activities.tracing, activities.notify, activities.investigate;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'networkx'))])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
