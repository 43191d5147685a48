"""Every shape in which Falco and falcosidekick say the same thing, and every way to say it wrongly."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.errors import Undecodable
from signals.telemetry.bodies import split
from signals.telemetry.falco import ALERT_LIMIT, FIELD_LIMIT, TEXT_LIMIT, Alert, read, redacted
from signals.telemetry.moments import moment, nanoseconds
from signals.telemetry.texts import CUT

FALCO = (
    b'{"output":"09:17:28.304966461: Notice Unexpected connection (command=node /usr/src/app.js)",'
    b'"priority":"Notice","rule":"Contact K8S API Server From Container","time":"2020-10-16T09:17:28.304966461Z",'
    b'"source":"syscall","hostname":"node-1","tags":["T1565","network"],'
    b'"output_fields":{"container.id":"3fb74555883c","evt.time":1602839848304966461,"proc.pid":4242,'
    b'"fd.name":"172.31.202.8:46440->10.96.0.1:443","k8s.ns.name":"tce","proc.tty":0,"proc.is_exe":true,'
    b'"k8s.pod.name":null,"container.image.tag":"<NA>","user.loginuid":-1}}'
)
AT = 1602839848304966461


def alert(**given: Any) -> Alert:
    return read(json.dumps({"rule": "R", **given}).encode())


def test_an_alert_of_falco_is_read() -> None:
    found = read(FALCO)
    assert found.rule == "Contact K8S API Server From Container"
    assert (found.priority, found.source, found.hostname) == ("Notice", "syscall", "node-1")
    assert found.tags == ("T1565", "network")
    assert found.fields == {
        "container.id": "3fb74555883c",
        "evt.time": AT,
        "proc.pid": 4242,
        "fd.name": "172.31.202.8:46440->10.96.0.1:443",
        "k8s.ns.name": "tce",
        "proc.tty": 0,
        "proc.is_exe": True,
        "user.loginuid": -1,
    }
    assert found.text("proc.pid") == "4242"
    assert found.text("no.such") == ""
    assert not found.truncated


def test_an_alert_of_falcosidekick_is_the_same_but_for_its_uuid() -> None:
    sent = json.loads(FALCO) | {"uuid": "0b8b1a34-1f6e-4d2f-a3a7-000000000000", "source": "syscalls"}
    found = read(json.dumps(sent).encode())
    assert found.fields == read(FALCO).fields
    assert found.time == read(FALCO).time


def test_the_hash_is_of_the_received_bytes() -> None:
    assert read(FALCO).sha256 == hashlib.sha256(FALCO).hexdigest()


def test_nanoseconds_survive() -> None:
    assert read(FALCO).time == AT
    assert read(FALCO).fields["evt.time"] == AT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-10-16T09:17:28.304966461Z", AT),
        ("2020-10-16T11:17:28.304966461+02:00", AT),
        ("2020-10-16T09:17:28.304966Z", AT - 461),
        ("2020-10-16T09:17:28.3Z", 1602839848300000000),
        ("2020-10-16T09:17:28Z", 1602839848000000000),
        ("2020-10-16 09:17:28", 1602839848000000000),
        ("1602839848304966461", AT),
        (AT, AT),
        (1602839848304966, AT - 461),
        (1602839848304, 1602839848304000000),
        (1602839848, 1602839848000000000),
        (1602839848.5, 1602839848500000000),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (0, None),
        (-5, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**30, None),
        ("9" * 19, 9999999999999999999),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.999999999Z", 253402300799999999999),
        ({}, None),
    ],
)
def test_times_are_read_in_every_notation(value: object, expected: int | None) -> None:
    assert nanoseconds(value) == expected


def test_a_time_is_told_to_the_microsecond() -> None:
    assert moment(AT) == datetime(2020, 10, 16, 9, 17, 28, 304966, tzinfo=UTC)
    assert moment(nanoseconds("9999-12-31T23:59:59.999999999Z") or 0).year == 9999


def test_a_missing_time_is_taken_from_the_event() -> None:
    assert alert(output_fields={"evt.time": AT}).time == AT
    assert alert(output_fields={"evt.time": str(AT)}).time == AT
    assert alert(time="nonsense", output_fields={"evt.time": AT}).time == AT
    assert alert().time is None


def test_only_the_rule_is_needed() -> None:
    found = alert()
    assert found == Alert(rule="R", sha256=found.sha256)


def test_a_missing_output_is_taken_from_the_message() -> None:
    assert alert(message="as said").output == "as said"
    assert alert(message="as said", output="in full").output == "in full"


def test_null_stands_for_nothing() -> None:
    nothing = dict.fromkeys(
        ("priority", "time", "source", "hostname", "output", "message", "tags", "output_fields")
    )
    assert alert(**nothing).fields == {}


def test_types_that_deviate_are_read() -> None:
    found = alert(priority=4, hostname=7, tags="a, b", output={"a": 1}, output_fields={"x": [1, {"y": 2}]})
    assert (found.priority, found.hostname, found.tags) == ("4", "7", ("a", "b"))
    assert found.output == '{"a": 1}'
    assert found.fields == {"x": '[1, {"y": 2}]'}


def test_not_a_number_and_numbers_without_end_become_text() -> None:
    found = read(
        b'{"rule":"R","output_fields":{"a":NaN,"b":-Infinity,"c":123456789012345678901234567890,"d":1e400}}'
    )
    assert found.fields == {"a": "nan", "b": "-inf", "c": "123456789012345678901234567890", "d": "inf"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb"a\ud800b", "a\ufffdb"),
        (b"a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb"),
        (b"a\xffb", "a\ufffdb"),
        (b"a\x1b[31mb", "a\ufffd[31mb"),
        (rb"a\u001b[31mb", "a\ufffd[31mb"),
        (rb"a\u0000b", "a\ufffdb"),
        (rb"a\nb\tc", "a b c"),
        (b"a\nb", "a b"),
        (rb"a\u202eb", "a\ufffdb"),
        (b"a\x7fb", "a\ufffdb"),
        (rb"a\u0085b", "a\ufffdb"),
        (rb"caf\u00e9", "café"),
        (rb"\ud83d\ude00", "😀"),
        (rb"say \"so\"", 'say "so"'),
    ],
)
def test_text_is_made_harmless(sent: bytes, kept: str) -> None:
    found = read(
        b'{"rule":"R","output":"%b","hostname":"%b","output_fields":{"x":"%b"}}' % (sent, sent, sent)
    )
    assert (found.output, found.hostname, found.fields["x"]) == (kept, kept, kept)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Alert) == found


def test_what_falcosidekick_cut_is_marked() -> None:
    assert alert(output_fields={"proc.cmdline": "x" * 507 + CUT}).truncated
    assert alert(output="x" + CUT).truncated
    assert not alert(output_fields={"proc.cmdline": "x" * 512}).truncated


def test_long_text_is_cut_at_a_word_and_marked() -> None:
    found = alert(output_fields={"proc.cmdline": "word " * 3000}, output="y" * 9000)
    assert found.text("proc.cmdline").endswith("word" + CUT)
    assert len(found.text("proc.cmdline")) <= TEXT_LIMIT
    assert len(found.output) == TEXT_LIMIT
    assert found.truncated


def test_an_alert_stays_within_bounds() -> None:
    found = alert(output_fields={f"f{number}": "z" * 4000 for number in range(500)})
    assert len(found.fields) == FIELD_LIMIT + 1
    assert found.fields["firebreak.left_out"] == f"{500 - FIELD_LIMIT} fields {CUT}"
    assert sum(len(str(value)) for value in found.fields.values()) <= ALERT_LIMIT + 1024
    assert found.truncated


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"hello", "not JSON"),
        (b'{"rule":"R"', "not JSON"),
        (b'{"rule":"R"} {"rule":"S"}', "more than one"),
        (b"3", "this is a int"),
        (b'"R"', "this is a str"),
        (b"{}", "`rule`"),
        (b'{"rule":5}', "`rule`"),
        (b'{"rule":null}', "`rule`"),
        (b'{"rule":" "}', "`rule`"),
        (b'{"rule":"R","output_fields":[1]}', "`output_fields`"),
        (b'{"rule":"R","output_fields":{"x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"rule":"R","output_fields":{"x":' + b"9" * 5000 + b"}}", "not JSON"),
    ],
)
def test_what_is_no_alert_is_refused_with_the_reason(sent: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        [read(item) for item in split(sent)]


def test_an_array_is_taken_apart_to_its_bytes() -> None:
    body = b'\xef\xbb\xbf [ {"rule":"A"} ,\n {"rule": "B"} ]\n'
    assert split(body) == [b'{"rule":"A"}', b'{"rule": "B"}']
    assert split(b"[]") == []
    assert split(b' {"rule":"A"} ') == [b'{"rule":"A"}']


def test_an_array_that_strict_json_refuses_keeps_the_bytes_too() -> None:
    items = [
        b'{"rule":"A","output_fields":{"x":NaN}}',
        b'{"rule":"\\ud800"}',
        b'{"rule":"\xff"}',
        b'{"rule":"\x01"}',
    ]
    assert split(b"[" + b" , ".join(items) + b"]") == items
    assert [read(item).sha256 for item in items] == [hashlib.sha256(item).hexdigest() for item in items]


@pytest.mark.parametrize(
    "body", [b'[{"rule":"A"}', b'[{"rule":"A"} {"rule":"B"}]', b'[{"rule":NaN}]x', b"[NaN", b"[,]"]
)
def test_an_array_that_is_broken_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable):
        split(body)


def test_one_bad_item_does_not_spoil_the_others() -> None:
    good, bad = split(b'[{"rule":"A"}, 7]')
    assert read(good).rule == "A"
    with pytest.raises(Undecodable, match="JSON object"):
        read(bad)


def test_every_text_of_an_alert_is_redacted() -> None:
    secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    sent = {
        "rule": f"R {secret}",
        "priority": secret,
        "source": secret,
        "hostname": secret,
        "output": f"x {secret}",
        "tags": [secret],
        "output_fields": {
            secret: 1,
            "proc.cmdline": f"x {secret}",
            "nested": [secret],
            "proc.env[TOKEN]": "plain",
        },
    }
    found = redacted(read(json.dumps(sent).encode()))
    assert secret not in msgspec.json.encode(found).decode()
    assert found.fields["proc.env[TOKEN]"] == "[redacted:variable]"
    assert found.sha256 == hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def test_an_alert_without_a_secret_is_untouched() -> None:
    found = read(FALCO)
    assert redacted(found) is found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["priority", "time", "source", "output", "tags", "hostname", "message"]), JSON
    )
)
def test_any_members_make_an_alert_that_can_be_stored(members: dict[str, Any]) -> None:
    found = redacted(alert(**members))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Alert) == found


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
def test_any_fields_make_an_alert_that_can_be_stored(fields: dict[str, Any]) -> None:
    found = redacted(alert(output_fields=fields))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Alert) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(Undecodable):
        assert all(read(item).rule for item in split(body))
