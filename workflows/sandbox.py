"""The sandbox that workflows run in: everywhere the same, in the worker, in tests and in replays.

Workflow modules are never passed through it: they meet the restricted clock, random numbers and files. The SDK
imports them anew for every workflow, which costs more than all else that a worker does for a new incident. Here
they are imported once: no module of ours keeps any state that one workflow could leave to the next.

One library is passed through: cryptography looks its exceptions up from native code when a signature is wrong, and
ends the whole process if the sandbox hands it a second copy of them.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions, _runner
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext


class _OfThread(RestrictionContext):
    """Whether this thread runs a workflow, or imports one: many threads share what was imported."""

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def is_runtime(self) -> bool:
        return bool(getattr(self._local, "runtime", False))

    @is_runtime.setter
    def is_runtime(self, value: bool) -> None:
        self._local.runtime = value

    @property
    def in_activation(self) -> bool:
        return bool(getattr(self._local, "activation", False))

    @in_activation.setter
    def in_activation(self, value: bool) -> None:
        self._local.activation = value


class _Instance(_runner._Instance):
    """One workflow, among modules that others use too."""

    def __init__(self, details: WorkflowInstanceDetails, runner: "Sandbox", importer: Importer) -> None:
        self.instance_details = details
        self.runner_class = runner.runner_class
        self.importer = importer
        self._current_thread_id = None
        self.globals_and_locals: dict[str, Any] = {"__file__": "workflow_sandbox.py"}
        self._create_instance()

    def get_serialization_context(self, command_info: Any) -> Any:
        """Ask the SDK's own code, which needs no sandbox: it is asked for every payload."""
        return self.globals_and_locals["__temporal_in_sandbox"].get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """Do the same."""
        return self.globals_and_locals["__temporal_in_sandbox"].get_external_store_context(command_info)


@dataclass(frozen=True)
class Sandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, with every workflow module imported once."""

    _importers: dict[str, Importer] = field(default_factory=dict, init=False, compare=False)
    _importing: Any = field(default_factory=threading.Lock, init=False, compare=False)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return one workflow; the first of a module imports it."""
        name = det.defn.cls.__module__
        with self._importing:
            if name not in self._importers:
                self._importers[name] = Importer(self.restrictions, _OfThread(), workflow_module_name=name)
            return _Instance(det, self, self._importers[name])


RUNNER = Sandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules("cryptography"))
"""What every worker and every replay uses."""
