"""`firebreak up`: start the embedded servers and the agents, and keep them running."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.verb import Verb, state_dir

if TYPE_CHECKING:
    from workers.stack.state import Status


def arguments(parser: ArgumentParser) -> None:
    """Add which cluster, and whether to stay in the foreground."""
    parser.add_argument(
        "--cluster",
        choices=("kubernetes", "memory", "node"),
        default="kubernetes",
        help="kubernetes: a real control plane on this machine; node: with a real node too, so that pods run"
        " (Linux, root); memory: a dictionary (default: kubernetes)",
    )
    parser.add_argument(
        "--enforcement",
        choices=("cut", "keep", "none"),
        default="cut",
        help="what a real node makes of NetworkPolicies. cut: open connections end too; keep: only new ones are"
        " refused; none: nothing is enforced (default: cut)",
    )
    parser.add_argument("--detach", action="store_true", help="return when it is ready")
    parser.add_argument(
        "--policy",
        metavar="F",
        type=Path,
        help="policy.yaml that all agents follow; it is kept with the stack",
    )
    group = parser.add_argument_group("your own cluster, instead of the embedded control plane")
    group.add_argument(
        "--context", metavar="C", help="a context of your kubeconfig; installs Firebreak there"
    )
    group.add_argument("--kubeconfig", metavar="F", type=Path, help="the file that has it")


def run(options: Namespace) -> int:
    """Start, and return when it is ready (detached) or when it was told to stop."""
    import asyncio

    from signals.errors import BadInput
    from workers.cli.drill.board import Board
    from workers.cli.drill.building import Telling
    from workers.settings import named
    from workers.stack.options import Options
    from workers.stack.serve import detached, foreground

    if options.context and options.cluster != "kubernetes":
        raise BadInput(f"--context names a cluster of yours; leave out --cluster {options.cluster}.")
    if options.kubeconfig and not options.context:
        raise BadInput("--kubeconfig needs --context: a cluster is never implied.")
    if options.policy:
        _keep_policy(options.policy, state_dir(options))
    wanted = Options(
        state_dir=state_dir(options),
        cluster=options.cluster,
        enforcement=options.enforcement,
        context=options.context,
        kubeconfig=options.kubeconfig,
        settings=named("slack_"),
    )

    def tell(status: "Status") -> None:
        heard.over()
        _tell(options, status)

    with Telling(Board.of(options)) as heard:
        if options.detach:
            tell(asyncio.run(detached(wanted, heard)))
        else:
            asyncio.run(foreground(wanted, heard, tell))
    return 0


def _keep_policy(file: Path, state: Path) -> None:
    """Check a policy and keep it with the stack: agents that start again follow it too.

    Raises:
        BadInput: it cannot be read.
        PolicyInvalid: it does not hold its schema; the text says where.
    """
    from signals.errors import BadInput
    from signals.policy import parse
    from workers.stack.layout import Layout, write_private

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    parse(text, str(file))
    layout = Layout(state.absolute())
    layout.make()
    write_private(layout.policy, text.encode())


def _tell(options: Namespace, status: "Status") -> None:
    import sys

    from workers.cli.output import emit
    from workers.cli.verb import program

    def people() -> None:
        print("Firebreak is ready.")
        print(f"  Incidents in the browser   {status.endpoints.temporal_ui}")
        print(f"  Alerts are received at     {status.endpoints.falco}")
        if status.endpoints.kubeconfig:
            print(f"  The cluster                KUBECONFIG={status.endpoints.kubeconfig}")
        print(f"  Play an attack             {program(options)} drill")
        ending = f"{program(options)} down" if options.detach else "Ctrl-C"
        print(f"  Stop everything            {ending}")

    emit(options, status.model_dump(), people)
    sys.stdout.flush()


VERB = Verb(name="up", help="start the embedded servers and the agents", arguments=arguments, run=run)
