"""What follows a first write: the stack's owner, what people see, the page, and the investigation."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.investigate import Investigating
    from activities.notify import Notifying
    from activities.owners import Owning
    from signals import owners, story
    from signals.casefile import CaseFile
    from signals.decisions import Decision, Tier
    from signals.incidents import Incident, Summary
    from signals.owners import OwnersNews, Touched
    from signals.pages import Page
    from signals.receipts import Receipt
    from signals.requests import InvestigationRequest

from workflows import visibility
from workflows.handover import StackOwner
from workflows.options import ASK, NEWER_STAYS, OWNERS_HEAR, TELL, TELL_OWNERS


class Following:
    """The half of an incident that is in no hurry. Nothing here may hold a judgement or a write up."""

    _file: CaseFile
    _stack: StackOwner
    _rejudge: bool
    _shown: Summary | None
    _aside: set[asyncio.Task[None]]
    _owners_know: tuple[Touched, ...] | None = None
    """What owners were told last; None before this run has shown anything."""
    _untold: list[Page]
    """Pages on their way to people, which may take hours; a new run sends them anew."""

    def _incident(self) -> Incident:
        raise NotImplementedError

    async def _follow_up(self, decision: Decision, *, tell: bool, first: bool) -> None:
        """Do what comes after the write: hand over the stack, show it, page, investigate."""
        if first and decision.followup_seconds:
            await workflow.sleep(decision.followup_seconds, summary="spread what follows in a burst")
        await self._stack.hand_over(self._file)
        self._publish()
        if tell:
            self._beside(self._tell(story.page(self._incident(), decision, workflow.now())))
        if not self._file.investigated and decision.tier > Tier.OBSERVE:
            self._file.investigated = True
            await self._investigate()

    async def _investigate(self) -> None:
        """Ask the probes; what they find is judged again."""
        request = InvestigationRequest(
            incident=self._file.given.incident,
            cluster=self._file.given.cluster,
            subjects=self._file.subjects,
            plan=self._file.plan,
            since=min((event.observed_at for event in self._file.events.values()), default=None),
        )
        try:
            found = await workflow.execute_activity_method(
                Investigating.collect_evidence, request, summary="ask what is known about the subjects", **ASK
            )
        except ActivityError as error:
            self._file.note(workflow.now(), "the investigation could not be had", str(error.cause or error))
            return
        self._file.investigation = found
        self._file.note(
            workflow.now(),
            f"investigated: {len(found.nodes)} things, {len(found.edges)} relations",
            "; ".join(found.findings[:5]),
        )
        self._rejudge = True

    def _beside(self, what: Coroutine[Any, Any, None]) -> None:
        """Run something beside the main loop."""
        task = asyncio.create_task(what)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _tell(self, page: Page) -> None:
        """Tell people; that nobody could be told is said in the timeline, and stops nothing."""
        self._untold.append(page)
        try:
            await workflow.execute_activity_method(
                Notifying.tell_people, page, summary=f"tell people: {page.kind}", **TELL
            )
        except ActivityError as error:
            self._file.note(workflow.now(), "people could not be told", str(error.cause or error))
        finally:
            self._untold.remove(page)

    def _take_in(self, receipts: tuple[Receipt, ...]) -> None:
        """Take in what the owner of the stack reports, but for what is older than what is known."""
        newer = self._file.newer(receipts)
        stays = newer != receipts and workflow.patched(NEWER_STAYS)
        self._file.update(newer if stays else receipts)
        self._stack.given_back(receipts)

    def _publish(self) -> None:
        """Show what changed."""
        incident = self._incident()
        visibility.tell(incident)
        if incident.summary != self._shown:
            self._shown = incident.summary
            visibility.show(incident)
        self._tell_owners(incident)

    def _tell_owners(self, incident: Incident) -> None:
        """Tell the owners of what was touched since they were told last."""
        touched = owners.touched(incident)
        if self._owners_know is None:
            self._owners_know = touched if self._file.given.carried else ()
        news = tuple(one for one in touched if one not in self._owners_know)
        if news and workflow.patched(OWNERS_HEAR):
            self._owners_know = touched
            summary = incident.summary
            told = OwnersNews(incident=summary.id, cluster=incident.cluster, touched=news, at=workflow.now())
            self._beside(self._owners(told))

    async def _owners(self, news: OwnersNews) -> None:
        first, *others = (str(one.owner or one.pod) for one in news.touched)
        whom = f"{first} and {len(others)} more" if others else first
        try:
            await workflow.execute_activity_method(
                Owning.tell_owners, news, summary=f"tell the owners of {whom}", **TELL_OWNERS
            )
        except ActivityError as error:
            self._file.note(workflow.now(), "owners could not be told", str(error.cause or error))
