"""How long what we wrote stands, as it says on itself: extended by a person, or claimed by the sweeper.

Both go from the oldest action to the newest, so who comes first to the first object has all of them: a stack is
extended or released, never half of each.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from activities.patches import escaped, same_uid
from activities.phases import every
from activities.ports import Cluster, Manifest
from activities.standing import Sight, State, look, moment, retold
from signals.errors import Conflict
from signals.plans import Write
from signals.subjects import EXPIRES_AT, MARK_PREFIX

RELEASING = "releasing"
"""In the place of an expiry: the sweeper is putting it back."""


async def extend(cluster: Cluster, writes: Sequence[Write], expires_at: datetime) -> int:
    """Write another expiry on everything of these writes that carries one; return on how many objects.

    Raises:
        Conflict: it is being released in this very moment, or somebody else wrote first.
        NotFound, Refused, Unavailable: as the API server says.
    """
    sights = await _carrying(cluster, writes)
    for sight in sights:
        await _stamp(cluster, sight, moment(expires_at))
    return len(sights)


async def claim(cluster: Cluster, writes: Sequence[Write]) -> None:
    """Say on everything of these writes that it is being released, so that nobody extends it any more.

    Raises:
        Conflict: somebody has extended it since these writes were read.
        Refused, Unavailable: as the API server says.
    """
    for sight in await _carrying(cluster, writes):
        live, write = _expiries(_annotations(sight.object)), sight.write
        for key, read in _expiries({**_annotations(write.manifest), **write.annotations}).items():
            if live.get(key) not in (read, RELEASING):
                raise Conflict(f"{write.ref} was extended")
        await _stamp(cluster, sight, RELEASING)


async def told(cluster: Cluster, writes: Sequence[Write]) -> datetime | None:
    """Return the latest expiry that what stands of these writes tells; None where nothing tells one."""
    sights = await _carrying(cluster, writes)
    texts = [text for sight in sights for text in _expiries(_annotations(sight.object)).values()]
    return max((datetime.fromisoformat(text) for text in texts if text != RELEASING), default=None)


async def _carrying(cluster: Cluster, writes: Sequence[Write]) -> list[Sight]:
    """Return what stands of these writes and tells an expiry."""
    sights = await every(look(cluster, write) for write in writes)
    return [one for one in sights if one.state is State.STANDS and _expiries(_annotations(one.object))]


def _annotations(manifest: Manifest | None) -> dict[str, str]:
    return ((manifest or {}).get("metadata") or {}).get("annotations") or {}


def _expiries(annotations: dict[str, str]) -> dict[str, str]:
    """Return the expiry that each of these annotations tells, of those that tell one."""
    told = {key: _expiry(key, text) for key, text in annotations.items()}
    return {key: expiry for key, expiry in told.items() if expiry}


def _expiry(key: str, text: str) -> str:
    if key == EXPIRES_AT or not key.startswith(MARK_PREFIX):
        return text if key == EXPIRES_AT else ""
    try:
        story = json.loads(text)
    except ValueError:
        return ""
    return str(story.get(EXPIRES_AT, "")) if isinstance(story, dict) else ""


async def _stamp(cluster: Cluster, sight: Sight, value: str) -> None:
    """Put a value in the place of every expiry that an object tells, if nobody else has since it was read."""
    there = sight.object or {}
    annotations = _annotations(there)
    operations: list[Manifest] = []
    for key, expiry in _expiries(annotations).items():
        if expiry == value:
            continue
        if expiry == RELEASING:
            raise Conflict(f"{sight.write.ref} is being released")
        path, text = f"/metadata/annotations/{escaped(key)}", annotations[key]
        new = value if key == EXPIRES_AT else retold(key, text, value)
        operations += [
            {"op": "test", "path": path, "value": text},
            {"op": "replace", "path": path, "value": new},
        ]
    if operations:
        await cluster.patch(sight.write.ref, [same_uid(there), *operations])
