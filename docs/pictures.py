"""Takes the pictures of Temporal's UI, from a real run: `python -m docs.pictures`. It needs a Chromium.

The stack lies in the folder that FIREBREAK_STATE names, as with all commands. Nothing is posed: an attack is
played, and what the UI shows of it is cut out.
"""

import asyncio
import io
import logging
from pathlib import Path

from docs.chromium import Browser, browser
from signals.approvals import Verb
from workers import settings
from workers.cli import person
from workers.cli.drill import run
from workers.cli.drill.board import Board
from workers.cli.screen import Screen
from workers.stack.progress import unheard
from workers.stack.state import Status

PICTURES = Path(__file__).parent / "pictures"
STORY = "document.querySelectorAll('iframe')[1]"
"""The frame in which the UI shows current details."""
TIMELINE = """(() => {
  let e = [...document.querySelectorAll('h2')].find(e => e.innerText == 'Timeline');
  while (e.getBoundingClientRect().height < 200) e = e.parentElement;
  return e;
})()"""
"""The timeline with its heading: the first element around the heading that is more than a line."""
PAUSE = 4.0
"""Seconds between what is shown on the timeline, so that its rows lie apart."""


async def attacked(status: Status) -> str:
    """Play an attack, leave it contained, and return the incident's id."""

    async def leave(_: str) -> bool:
        await asyncio.sleep(PAUSE)
        return False

    board = Board(Screen(io.StringIO(), 100))
    outcomes = await run.perform(status, board, run.chosen("reverse-shell"), leave)
    return outcomes[0].incident


async def cut(page: Browser, name: str, element: str) -> None:
    """Cut one element of the page out."""
    box = await page.run(f"({element}).getBoundingClientRect().toJSON()")
    sides = (int(box[side]) for side in ("x", "y", "width", "height"))
    (PICTURES / f"{name}.png").write_bytes(await page.picture(*sides))


async def take(root: Path) -> None:
    """Play, and take all pictures, on a stack in this folder."""
    async with run.own_stack(root, "kubernetes", unheard) as status, browser() as page:
        target = run.target_of(status)
        incident = await attacked(status)
        url = f"{status.endpoints.temporal_ui}/namespaces/{target.temporal_namespace}/workflows/{incident}"
        await page.open(url, "location.pathname.endsWith('/timeline')")
        url = await page.run("location.href.replace(/\\/timeline.*/, '')")
        await page.size(1500, 1700)
        await page.open(f"{url}/user-metadata", STORY)
        await cut(page, "story", STORY)
        for verb in (Verb.UNDO, Verb.CLOSE):
            await person.speak(target, verb, {"incident": incident, "reason": "the attack was ours"})
            await asyncio.sleep(PAUSE)
        await page.size(1250, 1700)
        await page.open(f"{url}/timeline", "document.body.innerText.includes('tell people: closed')")
        await cut(page, "timeline", TIMELINE)


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # libraries' logs are no part of it
    asyncio.run(take(settings.state_dir()))
