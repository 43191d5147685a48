"""`firebreak can VERB RESOURCE`: may somebody do this, and by which binding, role and rule."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from workers.cli.snapshots import snapshot_arguments
from workers.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from activities.graph.identities import Who
    from activities.graph.rbac import Rbac
    from workers.cli.questions import Typed

NOT_ALLOWED = 1
"""The exit code of one question whose answer is no."""


def arguments(parser: ArgumentParser) -> None:
    """Add who asks for what, or where many questions stand."""
    parser.add_argument("action", metavar="VERB", nargs="?", help="get, list, create …")
    parser.add_argument(
        "resource", metavar="RESOURCE", nargs="?", help="RESOURCE[/SUB][.GROUP], or a path such as /healthz"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="of one object")
    parser.add_argument("-n", "--namespace", metavar="NS", default="", help="default: in all namespaces")
    parser.add_argument(
        "--as", dest="user", metavar="USER", help="who asks; on a live cluster you, by default"
    )
    parser.add_argument(
        "--as-group", dest="groups", metavar="GROUP", action="append", default=[], help="groups of --as"
    )
    parser.add_argument(
        "--requests",
        metavar="FILE",
        help="answer many questions: JSON lines in (- is standard input), one answer a line out",
    )
    snapshot_arguments(parser)


def run(options: Namespace) -> int:
    """Answer one question (0: yes, 1: no), or many (0)."""
    from signals.errors import BadInput

    question = _question(options)
    asker = _asker(options)
    if question is None:
        return _many(options, _rbac(options), asker)
    if asker is None:
        raise BadInput("A snapshot does not know who you are: say who asks with --as USER.")
    return _one(options, _rbac(options), asker, question)


def _question(options: Namespace) -> "Typed | None":
    from signals.errors import BadInput
    from workers.cli.output import note
    from workers.cli.questions import typed

    if options.groups and not options.user:
        raise BadInput("--as-group needs --as.")
    if options.requests is not None:
        if options.action or options.namespace:
            raise BadInput(
                "Ask either one question, or those in --requests, each of which names its namespace."
            )
        return None
    if not options.resource:
        raise BadInput("Ask VERB RESOURCE, or many questions with --requests FILE.")
    question = typed(options.action, options.resource, options.name or "", options.namespace)
    for text in question.notes:
        note(text)
    return question


def _rbac(options: Namespace) -> "Rbac":
    from activities.graph.rbac import Rbac
    from workers.cli.output import note
    from workers.cli.questions import KINDS
    from workers.cli.snapshots import load

    rbac = Rbac(load(options, KINDS).objects)
    if options.snapshot and not rbac.bootstrapped:
        note(
            "The API server's default roles and bindings are not in this snapshot, and count for nothing here."
        )
    return rbac


def _asker(options: Namespace) -> "Who | None":
    """Return who asks: `--as`, else whom a live cluster knows us as; nobody in a snapshot or in the past."""
    import asyncio

    from activities.graph.identities import Who, impersonated_groups

    if options.user:
        return Who(options.user, impersonated_groups(options.user, options.groups))
    return None if options.snapshot or options.at else asyncio.run(_me(options))


async def _me(options: Namespace) -> "Who":
    from activities.graph.identities import Who
    from signals.errors import BadInput
    from workers.cli.clusters import ANY, connected
    from workers.cli.speaking import REVIEWS
    from workers.cli.target import cluster_only

    access = cluster_only(options).administrator()
    if access.memory:
        raise BadInput("A memory cluster knows nobody: say who asks with --as USER.")
    async with connected(access, ANY) as cluster:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await cluster.create(REVIEWS.ref(""), review)
    info = answer["status"]["userInfo"]
    return Who(info["username"], tuple(info.get("groups") or ()))


def _one(options: Namespace, rbac: "Rbac", asker: "Who", question: "Typed") -> int:
    from workers.cli import questions
    from workers.cli.output import emit
    from workers.cli.screen import Screen

    decision = rbac.decide(asker, question.request)

    def table() -> None:
        screen = Screen()
        screen.say("yes" if decision.allowed else "no", "bold")
        screen.say(decision.reason)
        if decision.by:
            screen.table(("binding", "role", "rule"), questions.rows(decision))

    emit(options, questions.as_json(decision), table)
    return 0 if decision.allowed else NOT_ALLOWED


def _many(options: Namespace, rbac: "Rbac", asker: "Who | None") -> int:
    import sys
    from pathlib import Path

    from signals.errors import BadInput

    if options.requests == "-":
        return _tell(rbac, asker, sys.stdin.buffer, "standard input", flush=True)
    try:
        with Path(options.requests).open("rb") as lines:
            return _tell(rbac, asker, lines, options.requests, flush=False)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadInput(f"The questions in {options.requests} cannot be read: {error.strerror}.") from error


def _tell(rbac: "Rbac", asker: "Who | None", lines: "Iterable[bytes]", place: str, *, flush: bool) -> int:
    """Answer line by line; `flush` for somebody who waits for an answer before asking on."""
    from workers.cli.output import note
    from workers.cli.questions import Answers

    answers = Answers(rbac, asker)
    for number, line in enumerate(lines, 1):
        if line.strip():
            print(answers.line(line, f"{place}:{number}"), flush=flush)
    if answers.bad:
        note(f"{answers.bad} of the requests could not be understood: their answers have an error.")
    return 0


VERB = Verb(
    name="can",
    help="say who may do what, and by which role; exit code 0 for yes, 1 for no",
    arguments=arguments,
    run=run,
)
