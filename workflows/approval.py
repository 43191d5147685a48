"""The gate at which a person is asked, and what makes an answer count.

An answer counts if the liaison signed it, it names the plan and the very objects that were asked about, it
comes in time, from somebody in a role that may say so, and only once. Silence means no.
"""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from signals.approvals import Approval, Verb
    from signals.envelope import Trust
    from signals.errors import Refused
    from signals.incidents import WaitingFor
    from signals.subjects import LIAISON


class ApprovalGate:
    """One question at a time, bound to a plan and its targets."""

    def __init__(
        self, liaison_key: str, waiting: WaitingFor | None = None, used: tuple[str, ...] = ()
    ) -> None:
        """Believe this liaison. `used` are the ids of the commands that were obeyed already."""
        self._trust = Trust.from_pem({LIAISON: liaison_key.encode()})
        self._used = dict.fromkeys(used)
        self.waiting = waiting

    @property
    def used(self) -> tuple[str, ...]:
        """The ids of the commands that were obeyed, the latest hundred."""
        return tuple(self._used)[-100:]

    def ask(self, waiting: WaitingFor) -> None:
        """Ask this; a question that was open is replaced."""
        self.waiting = waiting

    def withdraw(self) -> None:
        """Ask nothing any more."""
        self.waiting = None

    def prove(self, approval: Approval) -> None:
        """Return if the liaison vouches for this command and it was not obeyed before.

        Raises:
            Refused: the signature is not the liaison's, or the command was used.
        """
        self._trust.check_sealed(LIAISON, approval)
        if approval.id in self._used:
            raise Refused("this command was obeyed already")

    def check(self, approval: Approval) -> None:
        """Return if this answers the open question.

        Raises:
            Refused: it does not; the text says why, for the person who gave it.
        """
        waiting = self.waiting
        if waiting is None:
            raise Refused("nothing waits for an answer (any more)")
        if approval.plan_hash != waiting.plan_hash:
            raise Refused("the plan has changed since you looked: describe the incident and decide again")
        if set(approval.target_uids) != set(waiting.target_uids):
            raise Refused("the targets are not those that were asked about: describe the incident again")
        if workflow.now() > waiting.deadline:
            raise Refused(f"the question expired at {waiting.deadline:%H:%M:%S} UTC")
        if approval.role not in waiting.roles:
            raise Refused(f"this needs {' or '.join(waiting.roles)}, and you spoke as {approval.role}")

    def obey(self, approval: Approval) -> None:
        """Count this command as used; an answer ends the open question."""
        self._used[approval.id] = None
        if approval.verb in (Verb.APPROVE, Verb.REJECT):
            self.waiting = None

    async def silence(self, summary: str) -> bool:
        """Wait until the open question is answered or replaced (False), or its deadline passes (True)."""
        asked = self.waiting
        if asked is None:
            return False
        left = max(asked.deadline - workflow.now(), timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(
                lambda: self.waiting is not asked, timeout=left, timeout_summary=summary
            )
        except TimeoutError:
            return self.waiting is asked
        return False
