"""The metrics of all processes as one text."""

from prometheus_client.parser import text_string_to_metric_families

from workers.stack.metrics import merge
from workers.stack.state import Process

ALERTS = """\
# HELP alerts_total Alerts accepted
# TYPE alerts_total counter
alerts_total{feed="falco"} 3
# HELP depth Messages waiting
# TYPE depth gauge
depth 1
"""


def samples(text: bytes) -> dict[tuple[str, str, str], float]:
    return {
        (sample.name, sample.labels["process"], sample.labels.get("feed", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_sample_says_which_process_it_is_from() -> None:
    merged = samples(merge({"a": ALERTS, "b": ALERTS.replace(" 3", " 4")}, ()))
    assert merged[("alerts_total", "a", "falco")] == 3
    assert merged[("alerts_total", "b", "falco")] == 4
    assert merged[("depth", "b", "")] == 1


def test_a_family_stands_once_whatever_number_of_processes_has_it() -> None:
    text = merge({"a": ALERTS, "b": ALERTS}, ()).decode()
    assert text.count("# TYPE alerts_total counter") == 1


def test_the_supervisor_tells_what_is_up_and_how_often_it_was_started_again() -> None:
    text = merge({}, (Process(name="etcd", pid=1, ready=True, restarts=2), Process(name="nats")))
    merged = samples(text)
    assert merged[("firebreak_process_up", "etcd", "")] == 1
    assert merged[("firebreak_process_up", "nats", "")] == 0
    assert merged[("firebreak_process_restarts_total", "etcd", "")] == 2


def test_a_process_that_answers_nonsense_does_not_take_the_others_with_it() -> None:
    merged = samples(merge({"a": "{{{", "b": ALERTS}, ()))
    assert ("depth", "b", "") in merged
