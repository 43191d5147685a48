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
    from signals.requests import Heard
    from signals.subjects import LIAISON


class ApprovalGate:
    """One question at a time, bound to a plan and its targets."""

    def __init__(
        self, liaison_key: str, waiting: WaitingFor | None = None, used: tuple[str, ...] = ()
    ) -> None:
        """Believe this liaison. `used` are the ids of the commands that were obeyed already."""
        self._trust = Trust.from_pem({LIAISON: liaison_key.encode()})
        self._used = dict.fromkeys(used)
        self._asked = waiting
        self._yes: dict[str, None] = dict.fromkeys(waiting.approved if waiting else ())

    @property
    def used(self) -> tuple[str, ...]:
        """The ids of the commands that were obeyed, the latest hundred."""
        return tuple(self._used)[-100:]

    @property
    def waiting(self) -> WaitingFor | None:
        """The open question, with who has said yes to it so far."""
        if self._asked is None or not self._yes:
            return self._asked
        return self._asked.model_copy(update={"approved": tuple(self._yes)})

    def ask(self, waiting: WaitingFor) -> None:
        """Ask this; a question that was open is replaced."""
        self._asked, self._yes = waiting, {}

    def withdraw(self) -> None:
        """Ask nothing any more."""
        self._asked, self._yes = None, {}

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
        have = len({approval.person or approval.actor, *(voice.person for voice in approval.seconded)})
        if have < waiting.people:
            raise Refused(f"{have} of {waiting.people} approved: another person is needed")

    def hear(self, heard: Heard) -> None:
        """Take note of who has said yes to the open question, where that takes several.

        Raises:
            Refused: the liaison did not say so.
        """
        approval = heard.approval
        self._trust.check_sealed(LIAISON, approval)
        if heard.counts and self._asked is not None and approval.plan_hash == self._asked.plan_hash:
            self._yes[approval.person or approval.actor] = None

    def obey(self, approval: Approval) -> None:
        """Count this command as used; an answer ends the open question."""
        self._used[approval.id] = None
        if approval.verb in (Verb.APPROVE, Verb.REJECT):
            self.withdraw()

    async def silence(self, summary: str) -> bool:
        """Wait until the open question is answered or replaced (False), or its deadline passes (True)."""
        asked = self._asked
        if asked is None:
            return False
        left = max(asked.deadline - workflow.now(), timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(
                lambda: self._asked is not asked, timeout=left, timeout_summary=summary
            )
        except TimeoutError:
            return self._asked is asked
        return False
