"""The one exception tree: what went wrong, and what should happen next.

FirebreakError
├── BadInput                 a person or a feed sent something wrong; say what to do, never retry
│   ├── Undecodable          bytes that are not the message they claim to be; goes to a dead letter stream
│   ├── PolicyInvalid        policy.yaml does not hold its schema
│   └── SettingsInvalid      a setting has a value that cannot work
├── Refused                  understood, and not permitted; retrying changes nothing
├── NotFound                 the object or incident is not there (any more)
├── Conflict                 somebody else wrote first; read again and decide anew
│   └── Drifted              what we wrote was changed by somebody else; stop and ask a person
├── Unavailable              a server did not answer; the same call may work later
├── CatalogError             a plug-in file does not hold the plug-in it is named after
└── StackError               an embedded server could not be built, started or stopped
"""


class FirebreakError(Exception):
    """The root of every error that Firebreak raises on purpose."""


class BadInput(FirebreakError):
    """Wrong input: the text says what to change. Never retried."""


class Undecodable(BadInput):
    """Bytes that are not the message they claim to be. Dead-lettered with this text as reason."""


class PolicyInvalid(BadInput):
    """The policy file does not hold its schema; the text names the path inside the file."""


class SettingsInvalid(BadInput):
    """A setting has a value that cannot work; the text names the setting."""


class Refused(FirebreakError):
    """Understood and not permitted. Retrying changes nothing; the text is for the person who asked."""


class NotFound(FirebreakError):
    """The object or incident does not exist (any more)."""


class Conflict(FirebreakError):
    """Somebody else wrote first. Read again and decide anew."""


class Drifted(Conflict):
    """What we wrote was changed by somebody else. Stop, and ask a person."""


class Unavailable(FirebreakError):
    """A server did not answer, or asked us to wait. The same call may work later."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep how many seconds the server asked us to wait, when it said so."""
        super().__init__(message)
        self.retry_after = retry_after


class CatalogError(FirebreakError):
    """A plug-in file does not hold exactly the plug-in that it is named after."""


class StackError(FirebreakError):
    """An embedded server could not be built, started or stopped."""
