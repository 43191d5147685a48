"""Who asks the API server: a user name and groups, and the groups that it adds by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MASTERS = "system:masters"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
SERVICE_ACCOUNT = "system:serviceaccount:"


def implicit_groups(user: str) -> tuple[str, ...]:
    """Return the groups that the API server puts a user into by itself."""
    if user == ANONYMOUS:
        return (UNAUTHENTICATED,)
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    if user.startswith(SERVICE_ACCOUNT) and namespace and name:
        return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return (AUTHENTICATED,)


def impersonated_groups(user: str, groups: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of a user whom somebody acts as, naming these: as `kubectl --as --as-group` has it."""
    named = tuple(groups)
    if not named:
        return implicit_groups(user)
    if user == ANONYMOUS:
        return named if UNAUTHENTICATED in named else (*named, UNAUTHENTICATED)
    return named if {AUTHENTICATED, UNAUTHENTICATED} & {*named} else (*named, AUTHENTICATED)


@dataclass(frozen=True)
class Who:
    """A user name and exactly these groups; `implicit_groups` are not added here."""

    user: str
    groups: tuple[str, ...]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What subjects of bindings are looked up by."""
        return (f"u/{self.user}", *(f"g/{group}" for group in dict.fromkeys(self.groups)))

    def __str__(self) -> str:
        """Return the name, and the groups where there are any."""
        return f'user "{self.user}"' + (f" (groups {', '.join(self.groups)})" if self.groups else "")
