"""Looks at what followed the isolation of a pod: evidence, frozen credentials, and an eviction that is refused.

How much follows is the policy's matter; what it leaves out is said, and not claimed.
"""

from collections.abc import Awaitable, Callable, Mapping

from activities.ports import FREEZES, PODS, Cluster, Manifest
from signals.errors import NotFound
from signals.incidents import Incident
from signals.policy import Step
from signals.receipts import ActionState, Receipt
from workers.cli.drill.board import Board
from workers.cli.patience import patiently
from workers.cli.words import count

LIMITED = "within the hour"
"""What the limit of freezes says of itself: a drill that is played again soon meets it."""


async def looked(cluster: Cluster, board: Board, pod: Manifest, incident: Incident) -> None:
    """Claim of each step that it came to what it should."""
    receipts = {receipt.action.type: receipt for receipt in incident.receipts}
    for step, look in LOOKS.items():
        if step in receipts:
            await look(cluster, board, pod, receipts[step])
        else:
            board.say(f"the policy leaves {step} out", "dim", indent=2)


async def _captured(cluster: Cluster, board: Board, pod: Manifest, receipt: Receipt) -> None:
    kept = [item for item in receipt.evidence if not item.failed]
    failed = [f"{item.what}: {item.failed}" for item in receipt.evidence if item.failed]
    told = f"{count(len(kept), 'piece')} kept"
    if failed:
        told += f", {len(failed)} could not be had, and why is on record: {failed[0]}"
    board.claim("evidence was captured first", receipt.state is ActionState.DONE and bool(kept), told)


async def _frozen(cluster: Cluster, board: Board, pod: Manifest, receipt: Receipt) -> None:
    uid = pod["metadata"]["uid"]
    freezes = await patiently(lambda: cluster.list(FREEZES))
    frozen = any(freeze["spec"]["podUID"] == uid for freeze in freezes)
    if not receipt.state.stands and LIMITED in receipt.reason:
        what = "one freeze an hour is the limit: this pod's credentials are not frozen, and that is said"
        board.claim(what, not frozen, receipt.reason)
    else:
        board.claim("its credentials are frozen", receipt.state.stands and frozen, receipt.reason)


async def _refused(cluster: Cluster, board: Board, pod: Manifest, receipt: Receipt) -> None:
    metadata = pod["metadata"]
    try:
        ref = PODS.ref(metadata["name"], metadata["namespace"])
        lives = (await patiently(lambda: cluster.get(ref)))["metadata"]["uid"] == metadata["uid"]
    except NotFound:
        lives = False
    said = receipt.state is ActionState.FAILED and "disruption budget" in receipt.reason
    board.claim("the budget of the shop refuses the eviction, and that is said", said, receipt.reason)
    board.claim("the pod is still there, to be looked at", lives)


LOOKS: Mapping[Step, Callable[[Cluster, Board, Manifest, Receipt], Awaitable[None]]] = {
    Step.CAPTURE: _captured,
    Step.FREEZE: _frozen,
    Step.EVICT: _refused,
}
