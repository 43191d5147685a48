"""The incident's workflow with one step in another place: what somebody might do who does not think of replay."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.decisions import Decision
    from signals.requests import Closed, IncidentInput
    from signals.subjects import INCIDENT_WORKFLOW

from workflows.incident import IncidentWorkflow


class _ShownFirst(IncidentWorkflow):
    """Shows what was written before anybody owns it."""

    async def _follow_up(self, decision: Decision, *, tell: bool, first: bool) -> None:
        self._publish()
        await super()._follow_up(decision, tell=tell, first=first)


class _Patched(IncidentWorkflow):
    """The same, as it is done well: only where no older run can meet it."""

    async def _follow_up(self, decision: Decision, *, tell: bool, first: bool) -> None:
        if workflow.patched("shown-first"):
            self._publish()
        await super()._follow_up(decision, tell=tell, first=first)


@workflow.defn(name=INCIDENT_WORKFLOW)
class Reordered(_ShownFirst):
    """A change that breaks every run that is recorded."""

    @workflow.init
    def __init__(self, given: IncidentInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: IncidentInput) -> Any:
        return await super().run(given)


@workflow.defn(name=INCIDENT_WORKFLOW)
class Patched(_Patched):
    """The same change, behind a patch."""

    @workflow.init
    def __init__(self, given: IncidentInput) -> None:
        super().__init__(given)

    @workflow.run
    async def run(self, given: IncidentInput) -> Closed:
        return await super().run(given)
