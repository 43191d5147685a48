"""Who is in which Slack user group, asked when somebody decides."""

from collections.abc import Callable, Iterable
from time import monotonic

from activities.slack.web import Speaking
from signals.people import Person

FRESH_SECONDS = 60.0
"""How long an answer of Slack's about a group is used."""


class UserGroups:
    """The user groups of one workspace that policy names."""

    def __init__(
        self, web: Speaking, team: str, named: Iterable[str], clock: Callable[[], float] = monotonic
    ) -> None:
        """Ask about the groups that are `named`; `clock` counts seconds."""
        self._web = web
        self._team = team
        self._named = tuple(sorted(set(named)))
        self._clock = clock
        self._members: dict[str, tuple[float, frozenset[str]]] = {}

    async def groups_of(self, person: Person) -> frozenset[str]:
        """Return the ids of the groups that a person is in now, at most 60 s old.

        Raises:
            Refused: Slack does not tell: there is no such group, a scope is missing, the plan has no user groups.
            Unavailable: Slack does not answer; the decision waits.
        """
        accounts = {account.user for account in person.slack if account.team == self._team}
        if not accounts:
            return frozenset()
        return frozenset([group for group in self._named if accounts & await self._of(group)])

    async def _of(self, group: str) -> frozenset[str]:
        known = self._members.get(group)
        if known and self._clock() - known[0] < FRESH_SECONDS:
            return known[1]
        body = await self._web.call("usergroups.users.list", usergroup=group)
        members = frozenset(body["users"])
        self._members[group] = self._clock(), members
        return members
