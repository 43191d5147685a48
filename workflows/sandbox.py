"""The sandbox that workflows run in: everywhere the same, in the worker, in tests and in replays.

Workflow modules are never passed through it. One library is: cryptography looks its exceptions up from native code
when a signature is wrong, and ends the whole process if the sandbox hands it a second copy of them.
"""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("cryptography")
)
