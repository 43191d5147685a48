"""Takes one HTTP body apart into the bytes of each alert, so that each has a hash of its own."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from signals.errors import Undecodable

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_LENIENT = json.JSONDecoder(strict=False)


def split(body: bytes) -> list[bytes]:
    """Return the bytes of each alert of a body: one object, or an array of them.

    Raises:
        Undecodable: the body is not JSON.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    if not body:
        raise Undecodable("the body is empty: send one Falco alert as JSON, or an array of them")
    if not body.startswith(b"["):
        return [body]
    try:
        return [bytes(item) for item in _ARRAY.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return list(_elements(body.decode("utf-8", "surrogateescape")))


def _elements(text: str) -> Iterator[bytes]:
    """Yield the exact bytes of each element of an array that strict JSON does not allow (NaN, controls)."""
    position, end = _space(text, 1), len(text)
    while position < end and text[position] != "]":
        stop = loads(text, position)[1]
        yield text[position:stop].encode("utf-8", "surrogateescape")
        position = _space(text, stop)
        if text[position : position + 1] not in (",", "]"):
            raise Undecodable(f"the array is not JSON: expected ',' or ']' at character {position}")
        position = _space(text, position + 1) if text[position] == "," else position
    if text[position:].strip(" \t\r\n") != "]":
        raise Undecodable("the array is not JSON: it does not end with ']'")


def _space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def loads(text: str, position: int = 0) -> tuple[Any, int]:
    """Return the JSON value at a position and where it ends; NaN, controls and lone surrogates are taken.

    Raises:
        Undecodable: there is none.
    """
    try:
        return _LENIENT.raw_decode(text, position)
    except RecursionError as error:
        raise Undecodable("the alert is nested too deeply to be one of Falco's") from error
    except ValueError as error:
        raise Undecodable(f"not JSON: {error}; set json_output: true in falco.yaml") from error
