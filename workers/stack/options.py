"""What kind of stack somebody wants, and where."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from signals.subjects import AGENTS
from workers.stack.agents import COMMAND
from workers.stack.node.rules import Enforcement


class Options(BaseModel, frozen=True, extra="forbid"):
    """What to start. It travels to a detached supervisor as JSON."""

    state_dir: Path
    cluster: Literal["kubernetes", "memory", "node"] = "kubernetes"
    enforcement: Enforcement = "cut"
    """What the node's data plane does of NetworkPolicies."""
    context: str | None = None
    """A context of the user's own kubeconfig, instead of the embedded control plane. Never implied."""
    kubeconfig: Path | None = None
    """The file that has the context; None means where kubectl looks."""
    agents: tuple[str, ...] = AGENTS
    """Agents to run; none for servers only."""
    agent_command: tuple[str, ...] = COMMAND
    """What an agent's name is appended to. Tests start agents of their own with it."""
    settings: dict[str, Any] = {}
    """Settings of all agents that differ from what the stack would tell them."""
    durable: bool = True
    """False lets etcd skip its fsync, for tests whose state nobody wants back."""

    @property
    def embedded(self) -> bool:
        """Whether the Kubernetes control plane is ours to run."""
        return self.cluster != "memory" and self.context is None

    @property
    def real_node(self) -> bool:
        """Whether pods run, on a node of ours."""
        return self.cluster == "node"
