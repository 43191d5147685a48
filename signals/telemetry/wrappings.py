"""Takes audit events out of what clouds and collectors wrap them in, each as the bytes of one event.

An `EventList` of a webhook, JSON lines of a log file, CloudWatch records of EKS, `properties.log` of AKS, Cloud
Audit entries of GKE, also inside of Pub/Sub and Firehose. What is none of these is passed on as it is.
"""

import json
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from signals.errors import Undecodable
from signals.telemetry.bodies import loads, split

Item = dict[str, Any]

NESTING = 4
"""Wrappings inside of wrappings."""
UNPACKED_LIMIT = 64 << 20
"""Bytes that one packed record may unpack to."""
_BEGINNING = 256
"""Bytes at the beginning of an event in which its id stands, as API servers write it."""
_GRPC = {0: 200, 3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 16: 401}
"""Status codes of gRPC, as Cloud Audit tells them, as those of HTTP."""


class _List(msgspec.Struct, gc=False):
    items: list[msgspec.Raw] | None = None


_LIST = msgspec.json.Decoder(_List)


def events(body: bytes) -> list[bytes]:
    """Return the bytes of every event of a body.

    Raises:
        Undecodable: the body is not JSON.
    """
    found: list[bytes] = []
    for item in _lines(body):
        found += _unwrapped(item, NESTING)
    return found


def _lines(body: bytes) -> list[bytes]:
    """Return the values of a body: one, an array of them, or one a line."""
    stripped = body.strip()
    if stripped.startswith(b"{") and b"}\n{" in stripped.replace(b"\r", b""):
        return [line for line in stripped.splitlines() if line.strip()]
    return split(body)


def _unwrapped(item: bytes, nesting: int) -> Iterator[bytes]:
    if nesting == 0 or b'"auditID":"' in item[:_BEGINNING]:
        yield item
        return
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if listed := _LIST.decode(item).items:
            yield from (bytes(one) for one in listed)
            return
    try:
        given = loads(item.decode("utf-8", "surrogateescape"))[0]
    except Undecodable:
        yield item
        return
    inner = _inner(given) if isinstance(given, dict) else None
    if inner is None:
        yield item
        return
    for one in inner:
        yield from _unwrapped(one, nesting - 1)


def _inner(given: Item) -> list[bytes] | None:
    """Return what one wrapping holds, None where it is none."""
    if "auditID" in given:
        return None
    if isinstance(given.get("protoPayload"), dict):
        return [_bytes(_of_cloud_audit(given))]
    for name in ("items", "records", "logEvents"):
        if isinstance(given.get(name), list):
            return [_bytes(one) for one in given[name]]
    log = given.get("properties", {}).get("log") if isinstance(given.get("properties"), dict) else None
    if log is not None:
        return [_bytes(log)]
    message = given.get("message")
    if isinstance(message, str | dict):
        return [_bytes(message)]
    if isinstance(given.get("data"), str):
        return [_packed(given["data"])]
    return None


def _bytes(one: Any) -> bytes:
    text = one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def _packed(data: str) -> bytes:
    """Return what a base64 record holds, unpacked where it was packed."""
    try:
        raw = b64decode(data, validate=True)
        if raw[:2] != b"\x1f\x8b":
            return raw
        unpacking = zlib.decompressobj(wbits=31)
        found = unpacking.decompress(raw, UNPACKED_LIMIT)
        return found if unpacking.eof else b""
    except (ValueError, zlib.error):
        return data.encode()


def _of_cloud_audit(entry: Item) -> Item:
    """Return an entry of Cloud Audit Logs as the audit event that it was made from."""
    told: Item = entry["protoPayload"]
    place = [part for part in str(told.get("resourceName", "")).split("/") if part]
    group = place[0] if place else ""
    rest = place[2:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource, *_ = *rest, "", "", ""
    user = str((told.get("authenticationInfo") or {}).get("principalEmail", ""))
    code = (told.get("status") or {}).get("code", 0)
    granted = [one.get("granted") for one in told.get("authorizationInfo") or [] if isinstance(one, dict)]
    request, response = told.get("request"), told.get("response")
    return {
        "auditID": str(entry.get("insertId", "")),
        "stage": "ResponseComplete",
        "verb": str(told.get("methodName", "")).rpartition(".")[2],
        "requestURI": str(told.get("resourceName", "")),
        "user": {"username": user},
        "objectRef": {
            "apiGroup": "" if group == "core" else group,
            "resource": resource,
            "namespace": namespace,
            "name": name,
            "subresource": subresource,
        },
        "responseStatus": {
            "code": _GRPC.get(code, 500) if isinstance(code, int) else 500,
            "message": str((told.get("status") or {}).get("message", "")),
        },
        "sourceIPs": [str((told.get("requestMetadata") or {}).get("callerIp", ""))],
        "userAgent": str((told.get("requestMetadata") or {}).get("callerSuppliedUserAgent", "")),
        "requestObject": request,
        "responseObject": response,
        "requestReceivedTimestamp": str(entry.get("timestamp", "")),
        "annotations": {"authorization.k8s.io/decision": "allow" if all(granted) and granted else "forbid"},
    }
