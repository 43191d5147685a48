"""What an API server answers when it does not do what it was asked, in our own errors."""

import json
from collections.abc import Mapping

from activities.ports import Manifest
from signals.errors import BadInput, Conflict, FirebreakError, NotFound, Refused, Unavailable


class Expired(FirebreakError):
    """The server no longer knows the resource version that a watch wants to go on from (410)."""


def status(text: str) -> Manifest:
    """Return the Status that a body holds; of another body its beginning as the message."""
    try:
        body = json.loads(text)
    except ValueError:
        return {"message": text.strip()[:300]}
    return body if isinstance(body, dict) else {"message": text[:300]}


def translated(code: int, headers: Mapping[str, str], status: Manifest, what: str) -> FirebreakError:
    """Translate one answer of the API server."""
    message = str(status.get("message") or f"{what}: HTTP {code}")
    if code == 410:
        return Expired(message)
    if _over_budget(code, headers, status):
        return Refused(" ".join((message, *(cause["message"] for cause in _causes(status)))))
    if code == 429 or code >= 500:
        after = headers.get("Retry-After", "")
        return Unavailable(message, float(after) if after.isdigit() else None)
    if code == 404:
        return NotFound(message)
    if code in (401, 403) or "denied request" in message or "denied the request" in message:
        return Refused(message)
    if code == 409 or (code == 422 and not status.get("details")):
        return Conflict(message)
    return BadInput(message)


def _over_budget(code: int, headers: Mapping[str, str], status: Manifest) -> bool:
    """Return whether a disruption budget forbids an eviction: no answer to wait for, unlike a busy server's.

    A budget whose status lags behind says after how many seconds to ask again. Two budgets over one pod are an
    internal error to the API server, and stay so.
    """
    budget = any(cause.get("reason") == "DisruptionBudget" for cause in _causes(status))
    if code == 429:
        return budget and not headers.get("Retry-After")
    return code == 500 and "more than one PodDisruptionBudget" in str(status.get("message"))


def _causes(status: Manifest) -> list[Manifest]:
    """Return the causes that a Status names, those with a message."""
    causes = (status.get("details") or {}).get("causes") or []
    return [cause for cause in causes if cause.get("message")]
