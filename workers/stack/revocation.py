"""The kill switch: an identity that the bus lets in no more, cut off at once and kept out over restarts.

What it has stored stays, and so do its rights at the API server: those are taken by RBAC, after this.
"""

import json
import time
from collections.abc import Collection

from deploy.bus import client_certificates
from signals.errors import BadInput, StackError
from signals.subjects import spiffe_id
from workers.stack import nats
from workers.stack.layout import Layout, write_private

PATIENCE = 5.0
"""Seconds within which NATS must have read its configuration again."""
PAUSE = 0.05


def revoke(layout: Layout, name: str) -> bool:
    """Let an identity in no more; return whether it was let in until now.

    Raises:
        BadInput: there is no such identity.
        StackError: NATS runs and has not cut it off.
    """
    return _change(layout, name, out=True)


def restore(layout: Layout, name: str) -> bool:
    """Let an identity in again; return whether it was revoked. Raises as `revoke`."""
    return _change(layout, name, out=False)


def _change(layout: Layout, name: str, *, out: bool) -> bool:
    known = client_certificates()
    if name not in known:
        raise BadInput(f"there is no identity {name!r} on the bus; there are {', '.join(known)}")
    before = set(nats.revoked(layout))
    after = before | {name} if out else before - {name}
    if after != before:
        write_private(layout.revoked, json.dumps(sorted(after)).encode())
    _enforce(layout, after)
    return after != before


def _enforce(layout: Layout, out: Collection[str]) -> None:
    """Make a running NATS read who is let in, and see that the others are gone."""
    if not layout.nats_configuration.exists():
        return
    told = json.loads(layout.nats_configuration.read_text())
    nats.configure(layout, int(told["listen"].rpartition(":")[2]), int(told["http"].rpartition(":")[2]))
    if not nats.reload(layout):
        return
    users = {spiffe_id(name) for name in out}
    deadline = time.monotonic() + PATIENCE
    while left := users & _connected(layout):
        if time.monotonic() > deadline:
            raise StackError(
                f"NATS still has connections of {', '.join(sorted(left))}; stop the stack with `firebreak down`"
            )
        time.sleep(PAUSE)


def _connected(layout: Layout) -> set[str]:
    """Return the users that are connected just now; a NATS that does not answer has nobody."""
    said = nats.monitored(layout, "connz?auth=1&limit=4096")
    return {one.get("authorized_user", "") for one in said["connections"]} if said else set()
