"""Who people are, wherever they speak: one person has one name, however many accounts.

The mapping stands in the policy, which only people can change and whose loosening waits for a lead: not in Slack,
not at the identity provider. Roles and number are counted over persons, never over accounts.
"""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, Field


class Role(StrEnum):
    """In which capacity somebody decides. A lead may say all that the on-call engineer may."""

    ONCALL = "oncall"
    LEAD = "lead"


class SlackAccount(BaseModel, frozen=True, extra="forbid"):
    """One account in one Slack workspace."""

    team: str = Field(pattern=r"^[TE][A-Z0-9]{2,20}$")
    """Id of the workspace, as `T0123ABCD`."""
    user: str = Field(pattern=r"^[UW][A-Z0-9]{2,20}$")
    """Id of the member, as `U0123ABCD`: display names can be changed by anybody."""


class OidcAccount(BaseModel, frozen=True, extra="forbid"):
    """One account at an identity provider, for the approval page."""

    issuer: str = Field(min_length=1, max_length=500)
    """The provider's issuer URL, exactly as its tokens say it."""
    subject: str = Field(default="", max_length=255)
    """The claim `sub`. Better than an address: providers never give it to somebody else."""
    email: str = Field(default="", max_length=255)
    """Where no subject is named: the claim `email`, which counts only with `email_verified`."""

    def is_of(self, issuer: str, subject: str, email: str) -> bool:
        """Return whether a token with these claims is this account's; `email` is empty where it is not verified."""
        if issuer != self.issuer:
            return False
        if self.subject:
            return subject == self.subject
        return bool(self.email) and email.lower() == self.email.lower()


class Person(BaseModel, frozen=True, extra="forbid"):
    """One human being, with every account that they have."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")
    """What they are called in commands, pages and the record."""
    kubernetes: tuple[str, ...] = ()
    """User names that the API server knows them by."""
    slack: tuple[SlackAccount, ...] = ()
    """Their accounts in Slack."""
    oidc: tuple[OidcAccount, ...] = ()
    """Their accounts at identity providers."""
    roles: tuple[Role, ...] = (Role.ONCALL,)
    """In which capacities they may decide. Under their own kubeconfig RBAC must allow it as well."""
    answers_for: tuple[str, ...] = ()
    """Accounts (shell patterns) whose deeds count as theirs, as `system:serviceaccount:ci:*`: they do not decide
    about what those have done."""

    @property
    def role(self) -> Role:
        """The highest of their roles."""
        return Role.LEAD if Role.LEAD in self.roles else Role.ONCALL

    def owns(self, account: str) -> bool:
        """Return whether this account of the API server is theirs, or acts for them."""
        return account in self.kubernetes or any(fnmatchcase(account, one) for one in self.answers_for)


class People:
    """Everybody whom a policy names; lookups by every account that one can have."""

    def __init__(self, persons: Iterable[Person] = ()) -> None:
        """Know these."""
        self._persons = tuple(persons)

    def __bool__(self) -> bool:
        """Return whether anybody is named: then nobody else approves anything."""
        return bool(self._persons)

    def named(self, name: str) -> Person | None:
        """Return the person of this name."""
        return next((one for one in self._persons if one.name == name), None)

    def of_kubernetes(self, username: str) -> Person | None:
        """Return whose user name at the API server this is."""
        return next((one for one in self._persons if username in one.kubernetes), None)

    def of_slack(self, team: str, user: str) -> Person | None:
        """Return whose account in a Slack workspace this is."""
        wanted = SlackAccount.model_construct(team=team, user=user)
        return next((one for one in self._persons if wanted in one.slack), None)

    def of_oidc(self, issuer: str, subject: str, email: str = "") -> Person | None:
        """Return whose account at an identity provider this is.

        `email` must be empty unless the provider says `email_verified`.
        """
        found = (one for one in self._persons if any(a.is_of(issuer, subject, email) for a in one.oidc))
        return next(found, None)

    def of_command(self, actor: str, via: str) -> Person | None:
        """Return who speaks in a Command: its actor is a person's name if it came `via` us."""
        return self.named(actor) if via else self.of_kubernetes(actor)

    def knows(self, actor: str) -> bool:
        """Return whether this is somebody; everybody is where the policy names nobody."""
        return not self or bool(self.of_kubernetes(actor) or self.named(actor))

    def counted_as(self, actor: str) -> str:
        """Return the one name under which an actor counts, so that two accounts of one person are not two."""
        person = self.of_kubernetes(actor) or self.named(actor)
        return person.name if person else actor


def twice(persons: Iterable[Person]) -> str:
    """Return what two persons of a policy share and must not, or nothing."""
    seen: set[object] = set()
    for person in persons:
        mine: list[object] = [person.name, *(one for one in person.kubernetes if one != person.name)]
        for account in (*mine, *person.slack, *person.oidc):
            if account in seen:
                return f"{account} is named twice: every name and account belongs to one person"
            seen.add(account)
    return ""
