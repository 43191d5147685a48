"""`firebreak status`: what runs and where. It needs no running server."""

from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.cli.verb import Verb, no_arguments, state_dir

if TYPE_CHECKING:
    from workers.cli.screen import Screen
    from workers.stack.layout import Layout
    from workers.stack.state import Status

ASK_SECONDS = 3.0


def run(options: Namespace) -> int:
    """Show the status document."""
    from workers.cli.output import emit
    from workers.stack.layout import Layout
    from workers.stack.memory import memory
    from workers.stack.nats import dead_letters
    from workers.stack.space import room
    from workers.stack.state import read

    status = read(state_dir(options))
    if status.ready:
        status = status.model_copy(update={"stopped": _stopped(status)})
    if status.processes:
        layout = Layout(state_dir(options).absolute())
        found = {
            "dead_letters": dead_letters(layout),
            "attention": _attention(layout),
            "room": room(layout),
            "context_store": memory(layout.context / "versions.db"),
            "filters": _filters(status),
        }
        status = status.model_copy(update=found)
    emit(options, status.model_dump(), lambda: _show(status))
    return 0


def _stopped(status: "Status") -> str | None:
    """Return what the API server says of a stop, if it says anything."""
    import asyncio
    from pathlib import Path

    from signals.errors import FirebreakError
    from workers.cli import halting
    from workers.cli.target import Target

    target = Target(
        state=Path(status.state_dir),
        status=status,
        temporal="",
        temporal_namespace="",
        kubeconfig=None,
        context=None,
    )
    try:
        stop = asyncio.run(asyncio.wait_for(halting.standing(target), ASK_SECONDS))
    except (FirebreakError, TimeoutError):
        return None
    return f"{stop}; resumed by {' and '.join(stop.resumed_by) or 'nobody'} so far" if stop else None


def _attention(layout: "Layout") -> tuple[str, ...]:
    """Return what the agents want a person to see to; one that ends meanwhile has nothing to say."""
    lines = list[str]()
    for file in sorted(layout.ready.iterdir()) if layout.ready.is_dir() else ():
        with suppress(FileNotFoundError):
            lines += file.read_text(encoding="utf-8").splitlines()
    return tuple(lines)


def _filters(status: "Status") -> dict[str, str]:
    from signals.filters import filters

    places = status.endpoints
    if not places.temporal_ui:
        return {}
    return filters(f"{places.temporal_ui}/namespaces/{places.temporal_namespace or 'default'}/workflows")


def _warn(screen: "Screen", status: "Status") -> None:
    """Say first what a person must know or see to."""
    if status.stopped:
        screen.say(f"STOPPED: {status.stopped}", "bold red")
    for line in status.attention:
        screen.say(f"{line[:1].upper()}{line[1:]}.", "yellow")
    for line in dict.fromkeys(status.room.troubles.values()) if status.room else ():
        screen.say(line, "bold red")


def _show(status: "Status") -> None:
    from workers.cli.screen import Screen
    from workers.stack.memory import LATE, told

    screen = Screen()
    screen.say(f"{'ready' if status.ready else 'not ready'}: {status.state_dir}", "bold")
    _warn(screen, status)
    if not status.processes:
        screen.say("Nothing runs here. Start a stack with `firebreak up`.")
        return
    rows = [
        (process.name, str(process.pid or "-"), "yes" if process.ready else "no", str(process.restarts))
        for process in status.processes
    ]
    screen.table(("process", "pid", "ready", "restarts"), rows)
    for agent, count in (status.dead_letters or {}).items():
        if count:
            screen.say(
                f"{agent} could not handle {count}: `firebreak deadletters list` shows them.", "yellow"
            )
    if store := status.context_store:
        screen.say(told(store), "yellow" if store.broken or store.lag_seconds > LATE else "dim")
    screen.say()
    places = {**status.endpoints.model_dump(), **status.people.model_dump()}
    screen.table(("what", "where"), [(name, where) for name, where in places.items() if where])
    if status.filters:
        screen.say()
        screen.table(("incidents in Temporal's UI", "where"), list(status.filters.items()))


VERB = Verb(name="status", help="what runs, and where", arguments=no_arguments, run=run)
