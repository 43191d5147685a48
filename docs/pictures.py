"""Takes the pictures of Temporal's UI and of a report, from a real run, in Chromium: `python -m docs.pictures`.

The stack lies in the folder that FIREBREAK_STATE names, as with all commands. Nothing is posed: an attack is
played, and what the UI shows of it is cut out.
"""

import asyncio
import io
import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from activities.reporting.page import render
from docs.chromium import LOOKS, Browser, browser
from signals.approvals import Verb
from signals.filters import WAITING, filters
from signals.report import report
from signals.subjects import ORCHESTRATOR
from workers import settings
from workers.cli import person
from workers.cli.clusters import ANY, connected
from workers.cli.drill import alerts, app, run
from workers.cli.drill.board import Board
from workers.cli.ledger import Ledger
from workers.cli.screen import Screen
from workers.cli.target import Target
from workers.stack.progress import unheard
from workers.stack.state import Status

PICTURES = Path(__file__).parent / "pictures"
STORY = "document.querySelectorAll('iframe')[2]"
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


async def waiting(status: Status) -> str:
    """Ask before everything, play the attack once more, and return the incident that waits."""
    target = run.target_of(status)
    await person.speak(target, Verb.ENROL, {"namespace": app.NAMESPACE, "mode": "approve"}, "lead")
    ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
    known = {summary.id for summary in await ledger.summaries()}
    async with connected(target.administrator(), ANY) as cluster:
        scenario = run.chosen("reverse-shell")[0]
        pods = await app.part(cluster, "api")  # of another account: it is an incident of its own
        await alerts.post(status, alerts.filled(scenario, pods[-1], datetime.now(UTC)))
    for _ in range(LOOKS):
        for summary in await ledger.summaries():
            if summary.waiting_for and summary.id not in known:
                return summary.id
        await asyncio.sleep(0.5)
    raise SystemExit("nothing waits for an approval")


async def away(status: Status, page: Browser, url: str) -> None:
    """Show what is left of an incident's page while nobody can tell its story."""
    orchestrator = status.process(ORCHESTRATOR)
    if orchestrator.pid is None:
        raise SystemExit("the orchestrator does not run")
    os.kill(orchestrator.pid, signal.SIGSTOP)
    try:
        await page.open(f"{url}/user-metadata", "document.querySelectorAll('iframe').length > 1")
        await page_picture(page, "away", 900)
    finally:
        os.kill(orchestrator.pid, signal.SIGCONT)


async def page_picture(page: Browser, name: str, height: int) -> None:
    """Take the top of the page, as wide as the window."""
    width = await page.run("document.documentElement.clientWidth")
    (PICTURES / f"{name}.png").write_bytes(await page.picture(0, 0, int(width), height))


async def reported(target: Target, incident: str, page: Browser, folder: Path) -> None:
    """Show an incident's report as a phone does."""
    ledger = await Ledger.connect(target.temporal, target.temporal_namespace)
    file = folder / "report.html"
    file.write_text(
        render(report((await ledger.find(incident)).incident, datetime.now(UTC))), encoding="utf-8"
    )
    await page.size(390, 844)
    await page.open(file.as_uri(), "document.body.innerText.includes('Five questions')")
    if await page.run("document.documentElement.scrollWidth > 390"):
        raise SystemExit("the report is wider than a phone")
    await page_picture(page, "report-phone", 844)


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
        await page.size(1500, 2300)
        await page.open(f"{url}/user-metadata", STORY)
        await cut(page, "story", STORY)
        asks = await waiting(status)
        lists = url.partition("/workflows/")[0] + "/workflows"
        await page.size(1500, 1100)
        await page.open(filters(lists)[WAITING], f"document.body.innerText.includes({asks!r})")
        await page_picture(page, "list", 420)
        theirs = f"{lists}/{asks}"
        await page.open(theirs, "location.pathname.endsWith('/timeline')")
        theirs = await page.run("location.href.replace(/\\/timeline.*/, '')")
        await page.size(1500, 1900)
        await page.open(f"{theirs}/user-metadata", STORY)
        await cut(page, "waiting", STORY)
        await away(status, page, theirs)
        for verb, more in ((Verb.UNDO, {}), (Verb.CLOSE, {"verdict": "drill"})):
            said = {"incident": incident, "reason": "the attack was ours", **more}
            await person.speak(target, verb, said)
            await asyncio.sleep(PAUSE)
        await page.size(1250, 1700)
        await page.open(f"{url}/timeline", "document.body.innerText.includes('tell people: closed')")
        await cut(page, "timeline", TIMELINE)
        await reported(target, incident, page, root)


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # libraries' logs are no part of it
    asyncio.run(take(settings.state_dir()))
