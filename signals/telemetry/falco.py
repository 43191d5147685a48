"""Falco alerts as `http_output` and falcosidekick send them, read leniently and made harmless.

Foreign text is normalised here and never later: numbers or strings, null and `<NA>`, nanoseconds without loss,
lone surrogates, NaN, control characters, oversize. What was cut is marked, and the hash of the received bytes
stays with every alert.
"""

import hashlib
import json
from math import isfinite
from typing import Any

import msgspec

from signals.errors import Undecodable
from signals.redaction import has_hint, redact, redact_named
from signals.telemetry.bodies import loads
from signals.telemetry.moments import nanoseconds
from signals.telemetry.texts import CUT, clean

TEXT_LIMIT = 4096
"""Characters kept of one text. Linux gives a process name less, and Falco a command line no more."""
FIELD_LIMIT = 128
"""Output fields kept of one alert."""
ALERT_LIMIT = 65536
"""Characters kept of all output fields together; beyond it every text is cut like falcosidekick does, at 512."""
SIDEKICK_LIMIT = 512

Scalar = str | int | float | bool

_NOTHING = frozenset({"", "<NA>", "<na>", "N/A"})
_INT64 = 1 << 63


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One alert, normalised. `time` is in nanoseconds since 1970, None where the alert tells none."""

    rule: str
    sha256: str
    priority: str = ""
    source: str = ""
    hostname: str = ""
    output: str = ""
    time: int | None = None
    tags: tuple[str, ...] = ()
    fields: dict[str, Scalar] = {}
    truncated: bool = False

    def text(self, name: str) -> str:
        """Return one output field as text, empty where there is none."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else str(value)


class _Wire(msgspec.Struct, gc=False):
    """The members of an alert that are used, as Falco writes them; what deviates is read leniently."""

    rule: str
    priority: str | None = None
    source: str | None = None
    hostname: str | None = None
    output: str | None = None
    message: str | None = None
    time: str | int | float | None = None
    tags: tuple[str, ...] | None = None
    output_fields: dict[str, Scalar | None] | None = None


_WIRE = msgspec.json.Decoder(_Wire)


def read(item: bytes) -> Alert:
    """Return one alert, normalised and not yet redacted.

    Raises:
        Undecodable: it is not a Falco alert; the text says why.
    """
    try:
        wire = _WIRE.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        wire = _leniently(item)
        ordinary = False
    else:
        ordinary = len(item) <= TEXT_LIMIT and item.isascii() and b"\\" not in item and b"\x7f" not in item
    cut = False
    if not ordinary:
        wire = _cleaned(wire)
        cut = _is_cut(wire)
    if not wire.rule.strip():
        raise Undecodable("`rule` is empty: every Falco alert names its rule")
    given = wire.output_fields or {}
    fields = {name: value for name, value in given.items() if value is not None and value not in _NOTHING}
    output = wire.output or wire.message or ""
    return Alert(
        rule=wire.rule.strip(),
        sha256=hashlib.sha256(item).hexdigest(),
        priority=wire.priority or "",
        source=wire.source or "",
        hostname=wire.hostname or "",
        output=output,
        time=nanoseconds(wire.time) or nanoseconds(fields.get("evt.time")),
        tags=wire.tags or (),
        fields=fields,
        truncated=cut or b"[...]" in item,
    )


def _is_cut(wire: _Wire) -> bool:
    texts = (wire.output or "", *(wire.output_fields or {}).values())
    return any(isinstance(text, str) and text.endswith(CUT) for text in texts)


def _leniently(item: bytes) -> _Wire:
    """Read what strict JSON or the usual types do not allow."""
    text = item.decode("utf-8", "surrogateescape")
    given, end = loads(text)
    if text[end:].strip(" \t\r\n"):
        raise Undecodable("more than one JSON value: send an array, or one alert a request")
    if not isinstance(given, dict):
        raise Undecodable(f"an alert is a JSON object, this is a {type(given).__name__}")
    if not isinstance(given.get("rule"), str):
        raise Undecodable("the alert has no text in `rule`: send Falco's JSON (json_output: true)")
    fields = given.get("output_fields")
    if not isinstance(fields, dict | None):
        raise Undecodable("`output_fields` must be an object of names and values")
    time, tags = given.get("time"), given.get("tags")
    return _Wire(
        rule=given["rule"],
        priority=_text(given.get("priority")),
        source=_text(given.get("source")),
        hostname=_text(given.get("hostname")),
        output=_text(given.get("output")),
        message=_text(given.get("message")),
        time=time if isinstance(time, str | int | float) else None,
        tags=_tags(tags.split(",") if isinstance(tags, str) else tags),
        output_fields={name: _scalar(value) for name, value in (fields or {}).items()},
    )


def _cleaned(wire: _Wire) -> _Wire:
    """Return the same with harmless text, within bounds."""
    given = wire.output_fields or {}
    fields = {
        clean(name, SIDEKICK_LIMIT): clean(value, TEXT_LIMIT) if isinstance(value, str) else value
        for name, value in list(given.items())[:FIELD_LIMIT]
    }
    if len(given) > FIELD_LIMIT:
        fields["firebreak.left_out"] = f"{len(given) - FIELD_LIMIT} fields {CUT}"
    if sum(len(value) for value in fields.values() if isinstance(value, str)) > ALERT_LIMIT:
        for name, value in fields.items():
            fields[name] = clean(value, SIDEKICK_LIMIT) if isinstance(value, str) else value
    return _Wire(
        rule=clean(wire.rule.strip(), SIDEKICK_LIMIT),
        priority=clean(wire.priority or "", SIDEKICK_LIMIT),
        source=clean(wire.source or "", SIDEKICK_LIMIT),
        hostname=clean(wire.hostname or "", SIDEKICK_LIMIT),
        output=clean(wire.output or "", TEXT_LIMIT),
        message=clean(wire.message or "", TEXT_LIMIT),
        time=wire.time,
        tags=tuple(clean(tag, SIDEKICK_LIMIT) for tag in (wire.tags or ())[:FIELD_LIMIT]),
        output_fields=fields,
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return "" if value in _NOTHING else value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _scalar(value: Any) -> Scalar | None:
    """Return a field's value as something that every later encoder takes."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return json.dumps(value, ensure_ascii=False)


def _tags(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        return ()
    return tuple(tag.strip() for tag in given if isinstance(tag, str) and tag.strip())


def redacted(alert: Alert) -> Alert:
    """Return the alert with every secret that its texts hold replaced by `[redacted:kind]`."""
    texts = [value for value in alert.fields.values() if isinstance(value, str)]
    everything = " ".join((alert.rule, alert.hostname, alert.output, *alert.tags, *alert.fields, *texts))
    if not has_hint(everything):
        return alert
    return msgspec.structs.replace(
        alert,
        rule=redact(alert.rule),
        priority=redact(alert.priority),
        source=redact(alert.source),
        hostname=redact(alert.hostname),
        output=redact(alert.output),
        tags=tuple(redact(tag) for tag in alert.tags),
        fields={redact(name): redact_named(name, value) for name, value in alert.fields.items()},
    )
