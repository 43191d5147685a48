"""The smallest incident: signalled with a trace, and applied within it."""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from activities.tracing import span
    from signals.subjects import SPAN_APPLY


@activity.defn
async def apply_plan(carried: dict[str, str]) -> None:
    """Go on with the trace that the decision carries."""
    with span(SPAN_APPLY, carried):
        pass


@workflow.defn
class Incident:
    """Waits for one event and applies what it asks for."""

    def __init__(self) -> None:
        """Start with no event."""
        self._carried: list[dict[str, str]] = []

    @workflow.run
    async def run(self) -> None:
        """Apply once."""
        await workflow.wait_condition(lambda: bool(self._carried))
        await workflow.execute_activity(
            apply_plan, self._carried[0], start_to_close_timeout=timedelta(seconds=10)
        )

    @workflow.signal
    def events(self, carried: dict[str, str]) -> None:
        """Take the trace of an event."""
        self._carried.append(carried)
