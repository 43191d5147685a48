"""What the thread of a message tells: pages that came since, and the timeline, in as few replies as can be."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from activities.slack.blocks import bullets, mention, section, text, theirs
from activities.slack.message import escaped
from activities.slack.record import Record, Saying, Told
from signals.display import literal
from signals.incidents import Incident, Moment

MOMENTS = 40
"""Lines of the timeline in one reply, the latest; the rest is in `firebreak describe`."""


@dataclass(frozen=True)
class Reply:
    """One reply, and how far the story is told with it."""

    body: dict[str, Any]
    loud: bool
    saying: Saying


def reply(record: Record, incident: Incident, wakes: str = "") -> Reply | None:
    """Return what is to be told now, or None; where somebody should look, the user group that it `wakes`."""
    moments = _since(incident.timeline, record.told)
    if not moments and not record.lines:
        return None
    left = len(moments) - MOMENTS
    lines = [
        [
            text(f"{one.at:%H:%M:%S} "),
            text(literal(one.what, 100) + (" " if one.detail else "")),
            *([theirs(one.detail, 120)] if one.detail else []),
        ]
        for one in moments[-MOMENTS:]
    ]
    if left > 0:
        lines.insert(0, [text(f"{left} earlier lines: firebreak describe {record.name}")])
    news = [[theirs(line.text, 200)] for line in record.lines[-10:]]
    loud = any(line.loud for line in record.lines)
    if loud and wakes:
        news.append([mention(wakes)])
    blocks = []
    if news:
        blocks.append(section("News", bullets(news)))
    if lines:
        blocks.append(section("Timeline (UTC)", bullets(lines)))
    latest = record.lines[-1].text if record.lines else moments[-1].what
    body = {"text": escaped(latest, 200), "blocks": blocks}
    last = moments[-1] if moments else None
    digest = hashlib.sha256(json.dumps([record.name, body], sort_keys=True).encode()).hexdigest()[:32]
    told = Told(at=last.at, what=last.what) if last else record.told
    saying = Saying(digest=digest, told=told, keys=tuple(line.key for line in record.lines))
    return Reply(body=body, loud=loud, saying=saying)


def _since(timeline: tuple[Moment, ...], told: Told | None) -> tuple[Moment, ...]:
    """Return what came after the line that was told last; its line may be gone from the front."""
    if told is None:
        return timeline
    for index in range(len(timeline) - 1, -1, -1):
        if (timeline[index].at, timeline[index].what) == (told.at, told.what):
            return timeline[index + 1 :]
    return tuple(one for one in timeline if one.at > told.at)
