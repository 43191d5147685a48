"""Every timeout and retry policy, by intent. A crash is noticed by the heartbeat, not by the long timeout."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from signals.subjects import FORENSIC_INVESTIGATOR, LIAISON, REMEDIATION_EXECUTOR


CARRIES_ON = "a-new-run-takes-pages-and-unread-events-over"
"""Patch: a pager that is down, or a flood of events, does not keep a run from going on in a new one."""

MOST_UNTOLD = 20
"""Pages that a new run tells anew, the latest."""

TASK_TIMEOUT = timedelta(seconds=3)
"""Workflow task timeout of every start: a judge killed in mid-task is replaced after this long."""

STICKY = timedelta(seconds=1)
"""How long the server waits for a worker that is gone before it gives its work to another."""

NEVER_AGAIN = ["BadInput", "Refused", "Undecodable", "PolicyInvalid", "CatalogError"]
"""Errors that no retry can mend."""

JUDGE: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0),
    "summary": "how sure is this, and how far to go?",
}
"""A pure local activity: its marker is the record."""

FIRST, LATER_ON = Priority(priority_key=1), Priority(priority_key=4)
"""Where much waits for one agent, what contains or undoes goes before what looks after it."""

CHANGE: dict[str, Any] = {
    "task_queue": REMEDIATION_EXECUTOR,
    "priority": FIRST,
    "start_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": timedelta(seconds=2),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=300),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=10),
        non_retryable_error_types=NEVER_AGAIN,
    ),
}
"""What writes: retried for ever, for every attempt does the same thing once."""

LETS_STAND = "a cancel lets stand"
"""Patch: what a cancel in Temporal does. It put everything back until somebody else could send one."""

NEWER_STAYS = "what is known stays where a report is older"
"""Patch: the owner of a stack learns last what was decided anew, and its report took that back for a moment."""

OUTLASTS = "a freeze outlasts its pod"
"""Patch: a freeze was put back as soon as its pod was seen gone, while the API server still believed its token."""

COMES_BACK = "what its turn did not begin is handed over again"
"""Patch: an action that a cap held back in its turn was due again by an approval, and nobody carried it out."""

LATE = timedelta(seconds=10)
"""How long a decision may be with the executor before people are told that nothing came of it yet."""

CARE: dict[str, Any] = {**CHANGE, "priority": LATER_ON, "schedule_to_close_timeout": timedelta(minutes=2)}
"""What looks after a stack: given up after a while, for a person who undoes it must not wait behind it."""

TURN: dict[str, Any] = {
    **CHANGE,
    "priority": LATER_ON,
    "start_to_close_timeout": timedelta(minutes=3),
    "schedule_to_close_timeout": timedelta(minutes=30),
}
"""What is carried out in its turn: it may take its time, and does not keep the next one waiting for ever."""

LATER = timedelta(minutes=1)
"""How long the clock of a stack waits after the executor would not do what was due."""

ASK: dict[str, Any] = {
    "task_queue": FORENSIC_INVESTIGATOR,
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": timedelta(seconds=120),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_attempts=3, non_retryable_error_types=NEVER_AGAIN
    ),
}
"""What only reads: an investigation that cannot be had is a line in the report."""

OWNERS_HEAR = "owners hear what was done to their workloads"
"""Patch: nobody told them."""

TELL: dict[str, Any] = {
    "task_queue": LIAISON,
    "start_to_close_timeout": timedelta(seconds=20),
    "schedule_to_close_timeout": timedelta(hours=24),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=timedelta(seconds=60),
        non_retryable_error_types=NEVER_AGAIN,
    ),
}
"""What reaches people: a channel that is down for an hour still gets its message."""

TELL_OWNERS: dict[str, Any] = {**TELL, "schedule_to_close_timeout": timedelta(minutes=5)}
"""What reaches the owners of workloads: nobody waits for them, so it is given up soon."""
