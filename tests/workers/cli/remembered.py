"""A workflow that only remembers one incident and answers for it, as far as a reader can tell."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.incidents import Incident, IncidentState, Summary
    from signals.subjects import INCIDENT_WORKFLOW, MEMO


@workflow.defn(name=INCIDENT_WORKFLOW)
class Remembered:
    """Holds an incident until it is told to end."""

    @workflow.init
    def __init__(self, given: Incident) -> None:
        self._incident = given
        self._ended = False

    @workflow.run
    async def run(self, given: Incident) -> None:
        workflow.upsert_memo({MEMO: self._incident.summary.model_dump(mode="json")})
        await workflow.wait_condition(lambda: self._ended)
        closed = self._incident.summary.model_copy(update={"state": IncidentState.CLOSED})
        self._told(closed)

    def _told(self, summary: Summary) -> None:
        self._incident = self._incident.model_copy(update={"summary": summary})
        workflow.upsert_memo({MEMO: summary.model_dump(mode="json")})

    @workflow.signal
    def end(self) -> None:
        self._ended = True

    @workflow.query
    def incident(self) -> Incident:
        return self._incident
