"""Which servers a command means: the embedded stack's, or those that options name."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signals.errors import BadInput, Refused, StackError
from workers.cli.verb import state_dir

if TYPE_CHECKING:
    from workers.stack.state import Status

PERSONS = ("oncall", "lead")


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a command reaches an API server: a kubeconfig, or the memory cluster of the stack in `state`."""

    kubeconfig: Path | None
    context: str | None
    memory: bool
    state: Path


@dataclass(frozen=True, kw_only=True)
class Target:
    """The servers of one stack, or of the user's own installation (`status` is None)."""

    state: Path
    status: "Status | None"
    temporal: str
    temporal_namespace: str
    kubeconfig: Path | None
    context: str | None

    @property
    def own_cluster(self) -> bool:
        """Whether options name a cluster that is not the embedded stack's."""
        return self.kubeconfig is not None or self.context is not None

    @property
    def memory(self) -> bool:
        """Whether the cluster is the embedded one in a dictionary, where nobody proves who speaks."""
        return not self.own_cluster and self.status is not None and self.status.endpoints.kubeconfig is None

    def person(self, who: str) -> Access:
        """Return how this person speaks: the stack's own kubeconfig for them, or the user's credentials.

        Raises:
            StackError: this stack has no credentials for them.
        """
        if self.own_cluster or self.memory or self.status is None:
            return self._access(self.kubeconfig)
        path = self.status.people.oncall if who == "oncall" else self.status.people.lead
        if path is None:
            raise StackError(f"this stack has no kubeconfig for {who}; start it again with `firebreak up`")
        return self._access(Path(path))

    def administrator(self) -> Access:
        """Return the full rights over the cluster: the stack's administrator, or the user's credentials.

        Raises:
            Refused: neither is known; a cluster is never guessed.
        """
        if self.own_cluster or self.memory:
            return self._access(self.kubeconfig)
        if self.status is None or self.status.endpoints.kubeconfig is None:
            raise Refused("No cluster is named. Say which with --kubeconfig F or --context C.")
        return self._access(Path(self.status.endpoints.kubeconfig))

    def _access(self, kubeconfig: Path | None) -> Access:
        return Access(kubeconfig=kubeconfig, context=self.context, memory=self.memory, state=self.state)


def temporal_arguments(parser: ArgumentParser) -> None:
    """Add the options that name a Temporal other than the embedded stack's."""
    group = parser.add_argument_group("your own servers, instead of the embedded stack's")
    group.add_argument("--temporal", metavar="HOST:PORT", help="Temporal's frontend")
    group.add_argument("--temporal-namespace", metavar="NAME", help="Temporal namespace (default: default)")


def cluster_arguments(parser: ArgumentParser) -> None:
    """Add the options that name a cluster other than the embedded stack's."""
    group = parser.add_argument_group("your own cluster, instead of the embedded stack's")
    group.add_argument("--kubeconfig", metavar="F", type=Path, help="your credentials")
    group.add_argument("--context", metavar="C", help="a context of that kubeconfig (or of the default one)")


def resolve(options: Namespace) -> Target:
    """Return what these options mean.

    Raises:
        StackError: no stack runs in the state folder, and no server is named.
        BadInput: the kubeconfig that is named does not exist.
    """
    named = vars(options)
    kubeconfig: Path | None = named.get("kubeconfig")
    if kubeconfig is not None and not kubeconfig.is_file():
        raise BadInput(f"There is no kubeconfig {kubeconfig}.")
    status = None if named.get("temporal") else running(state_dir(options))
    return Target(
        state=state_dir(options),
        status=status,
        temporal=named.get("temporal") or (status.endpoints.temporal if status else None) or "",
        temporal_namespace=named.get("temporal_namespace")
        or (status.endpoints.temporal_namespace if status else None)
        or "default",
        kubeconfig=kubeconfig,
        context=named.get("context"),
    )


def cluster_only(options: Namespace) -> Target:
    """Return the cluster that these options name, whether or not a stack runs.

    Raises:
        BadInput: the kubeconfig that is named does not exist.
        StackError: no cluster is named, and no stack runs.
    """
    if options.kubeconfig is None and options.context is None:
        return resolve(options)
    if options.kubeconfig is not None and not options.kubeconfig.is_file():
        raise BadInput(f"There is no kubeconfig {options.kubeconfig}.")
    return Target(
        state=state_dir(options), status=None, temporal="", temporal_namespace="",
        kubeconfig=options.kubeconfig, context=options.context,
    )  # fmt: skip


def running(state: Path) -> "Status":
    """Return the status of the stack that runs in a folder.

    Raises:
        StackError: none does.
    """
    from workers.stack.state import read, supervisor

    if supervisor(state) is None:
        raise StackError(
            f"no stack runs in {state}; start one with `firebreak up`, or name one with --state DIR"
        )
    return read(state)
