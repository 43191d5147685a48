"""Credentials that live for a short time, made anew while the stack runs, without a message lost.

The server reads its certificate again when it is told to, clients see theirs change, and the receiver too. Keys
that sign are changed rarely and keep their predecessor; the liaison's is not, because each open incident was
told at its start whose word to believe.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from signals.errors import StackError
from signals.subjects import AGENTS, LIAISON
from workers.stack import credentials, nats
from workers.stack.layout import Layout
from workers.stack.pki import new_signing_key

CERTIFICATES_EVERY = credentials.SHORT_LIFE / 3
KEYS_EVERY = timedelta(days=30)
TURNING = tuple(agent for agent in AGENTS if agent != LIAISON)
"""Agents whose signing key is changed by itself."""
log = logging.getLogger(__name__)


def turn_certificates(layout: Layout) -> None:
    """Make the certificates of the bus and of the alert receiver anew.

    Raises:
        StackError: an authority cannot be read.
    """
    credentials.bus(layout)
    credentials.falco(layout)


def turn_keys(layout: Layout, older_than: timedelta = KEYS_EVERY) -> tuple[str, ...]:
    """Change the signing keys that are older than this; return whose."""
    turned = []
    for agent in TURNING:
        age = time.time() - (layout.keys / f"{agent}.key").stat().st_mtime
        if age >= older_than.total_seconds():
            new_signing_key(layout.keys, agent)
            turned.append(agent)
    return tuple(turned)


def turn_now(layout: Layout) -> tuple[str, ...]:
    """Make everything anew that can be while a stack runs, or before it does; return whose signing key changed.

    Raises:
        StackError: this folder has never been a stack's, or an authority cannot be read.
    """
    if not (layout.pki / "nats-ca.crt").exists():
        raise StackError(f"there are no certificates in {layout.nats}; start a stack with `firebreak up`")
    turn_certificates(layout)
    turned = turn_keys(layout, timedelta())
    nats.reload(layout)
    return turned


async def keep_turning(layout: Layout, reload: Callable[[], None]) -> None:
    """Turn everything in time, for ever. `reload` tells NATS to read its files again."""
    while True:
        await asyncio.sleep(CERTIFICATES_EVERY.total_seconds())
        try:
            await asyncio.to_thread(turn_certificates, layout)
            await asyncio.to_thread(turn_keys, layout)
        except (OSError, StackError) as error:
            log.warning("credentials were not made anew: %s", error)
        else:
            reload()
