"""Secrets that only a tool's own syntax betrays: `mysql -pSECRET`, `curl -u name:SECRET`, `redis-cli -a SECRET`.

The words of a command line are walked once, left to right, remembering the last tool that was named.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Syntax:
    """How one family of tools takes a secret: flags with it attached, flags before it, what it hides behind."""

    tools: frozenset[str]
    attached: tuple[str, ...] = ()
    spaced: tuple[str, ...] = ()
    behind: str = ""
    """The secret is what follows this character of the value; nothing: all of it."""
    command: str = ""
    """Only after this subcommand."""


_SYNTAXES = (
    Syntax(
        frozenset({"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mysqlsh", "mariadb",
                   "mariadb-dump", "mariadb-admin"}),
        attached=("-p",),
    ),
    Syntax(frozenset({"mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"}),
           attached=("-p",), spaced=("-p",)),
    Syntax(frozenset({"sshpass"}), attached=("-p",), spaced=("-p",)),
    Syntax(frozenset({"redis-cli", "valkey-cli"}), spaced=("-a",)),
    Syntax(frozenset({"ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"}),
           attached=("-w",), spaced=("-w",)),
    Syntax(frozenset({"docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras", "crane", "oc", "az"}),
           attached=("-p",), spaced=("-p",), command="login"),
    Syntax(frozenset({"curl"}), attached=("-u", "-U", "--user=", "--proxy-user="),
           spaced=("-u", "-U", "--user", "--proxy-user"), behind=":"),
    Syntax(frozenset({"http", "https", "xh"}), attached=("-a", "--auth="), spaced=("-a", "--auth"), behind=":"),
    Syntax(frozenset({"smbclient", "rpcclient", "winexe", "smbmap"}),
           attached=("-U", "--user="), spaced=("-U", "--user"), behind="%"),
    Syntax(frozenset({"zip", "unzip", "sqlcmd", "bcp"}), attached=("-P",), spaced=("-P",)),
    Syntax(frozenset({"7z", "7za", "7zr", "rar", "unrar"}), attached=("-p",)),
    Syntax(frozenset({"useradd", "usermod"}), spaced=("-p",)),
    Syntax(frozenset({"openssl"}), spaced=("-k", "-K")),
    Syntax(frozenset({"snmpwalk", "snmpget", "snmpbulkwalk"}), spaced=("-A", "-X", "-c")),
)  # fmt: skip
_BY_TOOL = {tool: syntax for syntax in _SYNTAXES for tool in syntax.tools}

_HINTS = ("mysql", "maria", "mongo", "redis-cli", "valkey-cli", "ldap", "login ", "curl", "http ", "https ", "xh ",
          "smb", "rpcclient", "winexe", "zip", "sqlcmd", "bcp", "7z", "rar ", "useradd", "usermod", "openssl",
          "snmp", "sshpass")  # fmt: skip

_FLAGS = tuple(
    {f" {flag.lower()[:6]}" for syntax in _SYNTAXES for flag in (*syntax.attached, *syntax.spaced)}
)

_WORD = re.compile(r"\S+")
_TAIL = re.compile(r"[^/=\"'(`]*\Z")
_PORTS = re.compile(r"\d{1,5}:\d{1,5}\Z")
_MARKED = re.compile(r"\[redacted:[a-z0-9-]+\]\Z")
_ENDS = ("|", "||", "&&", ";", "&")


def names_a_tool(lower: str) -> bool:
    """Return whether a text, in lower case, may be a command line of one of the tools."""
    if any(flag in lower for flag in _FLAGS) and any(hint in lower for hint in _HINTS):
        return True
    return "chpasswd" in lower


def redact_arguments(text: str) -> str:
    """Return the text with the secrets in the arguments of tools that we know replaced."""
    edits: list[tuple[int, int]] = []
    walk = _Walk()
    for word in _WORD.finditer(text):
        edits += walk.step(word)
    for start, end in sorted(set(edits), reverse=True):
        if not _MARKED.match(text[start:end]):
            text = f"{text[:start]}[redacted:argument]{text[end:]}"
    return text


class _Walk:
    """Where we are in a command line."""

    def __init__(self) -> None:
        self._syntax: Syntax | None = None
        self._command = ""
        self._flag = False
        self._last: list[re.Match[str]] = []

    def step(self, word: re.Match[str]) -> list[tuple[int, int]]:
        """Take one word; return the spans of the secrets that it shows."""
        said = word[0]
        found = self._value(word) if self._flag else self._attached(word)
        self._flag = self._takes_next(said)
        self._note(said)
        if _tail(said) == "chpasswd" and len(self._last) == 2 and self._last[1][0] == "|":
            found = _behind(self._last[0], 0, ":")
        self._last = [*self._last[-1:], word]
        return found

    def _note(self, said: str) -> None:
        tail = _tail(said)
        if tail in _BY_TOOL:
            self._syntax, self._command = _BY_TOOL[tail], ""
        elif said in _ENDS or said.endswith(";"):
            self._syntax = None
        elif said == "login":
            self._command = said

    def _active(self) -> Syntax | None:
        syntax = self._syntax
        return syntax if syntax and (not syntax.command or syntax.command == self._command) else None

    def _takes_next(self, said: str) -> bool:
        syntax = self._active()
        return syntax is not None and said in syntax.spaced

    def _value(self, word: re.Match[str]) -> list[tuple[int, int]]:
        syntax = self._active()
        return _behind(word, 0, syntax.behind) if syntax else []

    def _attached(self, word: re.Match[str]) -> list[tuple[int, int]]:
        syntax = self._active()
        for flag in syntax.attached if syntax else ():
            rest = word[0][len(flag) :]
            if word[0].startswith(flag) and rest and not _PORTS.match(rest):
                return _behind(word, len(flag), syntax.behind if syntax else "")
        return []


def _tail(said: str) -> str:
    found = _TAIL.search(said.rstrip("\"')"))
    return found[0] if found else ""


def _behind(word: re.Match[str], skip: int, mark: str) -> list[tuple[int, int]]:
    """Return the span of the secret in a word: all of it, or what follows the mark if there is one."""
    start = word.start() + skip
    if mark:
        position = word[0].find(mark, skip)
        if position < 0:
            return []
        start = word.start() + position + 1
    end = word.start() + len(word[0].rstrip("\"'"))
    return [(start, end)] if end > start else []
