"""What all commands by people share: who speaks, and how the answer is told."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from signals.errors import BadInput, Refused
from workers.cli.target import PERSONS, Target, cluster_arguments, cluster_only

if TYPE_CHECKING:
    from signals.approvals import Verb
    from workers.cli.speaking import Said


def speaker_arguments(parser: ArgumentParser, person: str = "oncall") -> None:
    """Add who speaks; `person` is who it is when nothing is said."""
    parser.add_argument("--person", choices=PERSONS, default=person, help=f"your role (default: {person})")
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="your name, on a memory cluster: nobody proves it there"
    )
    cluster_arguments(parser)


def incident_arguments(parser: ArgumentParser) -> None:
    """Add which incident, and who speaks."""
    parser.add_argument("incident", metavar="ID", help="the incident, as `firebreak incidents` shows it")
    speaker_arguments(parser)


def verdict_arguments(parser: ArgumentParser, *, required: bool = False) -> None:
    """Add what an incident was, and why somebody says so."""
    verdicts = ("true", "benign", "false", "drill")
    parser.add_argument(
        "--verdict", choices=verdicts, required=required, help="what it was; detectors are judged by it"
    )
    parser.add_argument("--reason", default="", help="kept with the incident")


def stack_arguments(parser: ArgumentParser) -> None:
    """Add which incident, what of it was seen to stand, and who speaks."""
    incident_arguments(parser)
    parser.add_argument(
        "--stack-hash",
        dest="plan_hash",
        default="",
        metavar="H",
        help="insist: refuse if something else stands by now than `stack` in `firebreak describe -o json`",
    )


def about_stack(options: Namespace, **what: Any) -> dict[str, Any]:
    """Return what a command about what stands says."""
    seen = {"planHash": options.plan_hash} if options.plan_hash else {}
    return {"incident": options.incident, "reason": options.reason, **seen, **what}


def decision_arguments(parser: ArgumentParser) -> None:
    """Add which incident or group, which plan, and who speaks."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("incident", metavar="ID", nargs="?", help="the incident that asks")
    what.add_argument(
        "--group",
        metavar="GROUP",
        help="everything that waits for one limit, as `firebreak incidents` shows it",
    )
    speaker_arguments(parser)
    parser.add_argument("--plan-hash", metavar="H", help="insist: refuse if the plan is another one by now")


def run(options: Namespace, verb: "Verb", what: dict[str, Any]) -> int:
    """Say one thing as the person that the options name, print the answer, and return the exit code."""
    import asyncio

    target = cluster_only(options)
    return conclude(options, asyncio.run(speak(target, verb, what, options.person, options.name)))


async def speak(
    target: Target, verb: "Verb", what: dict[str, Any], who: str = "oncall", name: str | None = None
) -> "Said":
    """Say one thing to the API server in the role `who`; `name` is for clusters where nobody proves names.

    Raises:
        BadInput: a name was given where the API server proves names.
    """
    from workers.cli import speaking
    from workers.cli.clusters import ANY, connected

    if name and not target.memory:
        raise BadInput("--as is for memory clusters. Here the API server says who you are: use --person.")
    async with connected(target.person(who), ANY) as cluster:
        actor = (name or who) if target.memory else await speaking.whoami(cluster)
        said = await speaking.say(cluster, verb, actor, who, what)
        return replace(said, authenticated=not target.memory)


def conclude(options: Namespace, said: "Said") -> int:
    """Print the answer.

    Raises:
        Refused: the answer is no; the text says why.
    """
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    answer = said.answer
    unproved = "" if said.authenticated else f" (unauthenticated: nobody proved that this is {said.actor})"
    if answer.accepted or options.output != "table":
        emit(
            options,
            said.conclusion.model_dump(mode="json"),
            lambda: Screen().say(f"{answer.message}{unproved}"),
        )
    if not answer.accepted:
        raise Refused(answer.message or "Refused, without a reason.")
    return 0
