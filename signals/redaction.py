"""Takes secrets out of text before it is written anywhere, and leaves in their place what kind they were.

Every pattern is anchored at something rare and runs forward only, so the time is linear in the length of the
text whatever an attacker writes. Where a value is in doubt and its name says that it is a secret, it goes.
"""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from math import log2
from typing import TypeVar

from signals.arguments import names_a_tool, redact_arguments

Value = TypeVar("Value")

MARK = re.compile(r"\[redacted:[a-z0-9-]+\]")
"""What stands where a secret stood."""

_RUN = 16
"""Letters and digits in a row from which a word may be a token or an encoded secret."""
_MASK = bytes(
    97 if (chr(code).isascii() and chr(code).isalnum()) or code == 43 else 32 for code in range(256)
)
_WORDS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "bearer",
    "cookie",
    "jwt",
    "sig",
    "session",
)
_PREFIXES = ("eyj", "slack.com/", "aiza", "ya29.", "glpat-", "xox", "sk-", "hvs.")
_HINTS = (*_WORDS[:9], *_PREFIXES)
"""One of these (in lower case), an `@`, a run of letters and digits or a tool is in every text with a secret."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_BEFORE = r"(?<![A-Za-z0-9_-])"
_SHAPES = re.compile(
    _BEFORE + r"(?:"
    r"(?P<jwt>eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?)"
    r"|(?P<aws>(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{12,})"
    r"|(?P<gcp>AIza[0-9A-Za-z_-]{20,}|ya29\.[0-9A-Za-z._-]{16,})"
    r"|(?P<github>gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})"
    r"|(?P<gitlab>gl(?:pat|dt|rt|ptt|agent|soat)-[A-Za-z0-9_-]{16,})"
    r"|(?P<slack>xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{8,})"
    r"|(?P<stripe>[sr]k_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z+/=]{16,})"
    r"|(?P<npm>npm_[A-Za-z0-9]{20,})"
    r"|(?P<pypi>pypi-[A-Za-z0-9_-]{20,})"
    r"|(?P<api>sk-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{20,}|dop_v1_[a-f0-9]{20,})"
    r"|(?P<vault>hv[sbr]\.[A-Za-z0-9_-]{16,})"
    r"|(?P<sendgrid>SG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
    r")"
)
_SLACK_HOOK = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)(?!\[redacted:)[A-Za-z0-9/_-]+")
_URL = re.compile(r"(?<=://)([^\s/:@\"']*)(:?)([^\s/@\"']*)@")
_BEARER = re.compile(r"(?i)\b(bearer|negotiate)\s{1,3}(?=[^\s\"']*[0-9._~+/=-])([A-Za-z0-9._~+/=-]{8,})")
_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?"
    r"(?:(?:bearer|basic|digest|token|negotiate|apikey|key|aws4-hmac-sha256)\s{1,3})?)([^\s\"']+)"
)
_COOKIE = re.compile(r"(?i)\b((?:set-)?cookie:\s{0,3})([^\s\"';]+(?:;\s{0,3}[^\s\"';]+)*)")
_LITERAL = re.compile(r"(--from-literal(?:=|\s{1,3})[\"']?[^\s=\"']{1,200}=)(\S+)")
_NAMED = re.compile(
    r"(?:(?P<word>passwords?|passwd|passphrase|(?<![a-z])pass|(?<![a-z])pwd|secrets?|tokens?|jwt"
    r"|(?:secret|private|access|api|encryption|signing|account|master|shared|session|storage|license)[_-]?key"
    r"|credentials?)"
    r"|(?<![a-z])(?P<maybe>key|auth|sig|signature|session|sessionid|sid|creds?|cookie|code))\d{0,2}"
    r"(?P<sep>(?:\\?[\"'])?\s{0,3}(?:=>|:=|=|:|%3d)\s{0,3}|\s{1,3})"
)
_VALUE = re.compile(r"\\?\"(?:[^\"\\\n]|\\[^\"\n]){1,4096}\\?\"|'[^'\n]{1,4096}'|\S+")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{20,8192}={0,2}(?![A-Za-z0-9+/=_-])")
_NAME = re.compile(r"[A-Za-z0-9_.-]{0,64}\Z")
_HARMLESS = re.compile(
    r"(?i)(?:true|false|yes|no|on|off|null|none|nil|<[^>]*>|\*+|x{3,}|\$\(.*|`.*|[,;:.)\]}]+|"
    r"\$\{?[A-Z_][A-Z0-9_]*\}?|/(?:etc|var|run|home|usr|tmp|opt|root|proc|mnt|dev|app|srv|secrets)/\S*)\Z"
)
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z-]*(?:=.*)?\Z")
_SECRET_FIELD = re.compile(
    r"(?i)env\[[^\]]*(?:passw|passphrase|pass\b|pwd|secret|token|key|cred|auth|dsn)[^\]]*\]"
)


def has_hint(text: str) -> bool:
    """Return whether anything in a text could be a secret: a fast no for nearly every ordinary alert."""
    lower = text.lower()
    return "@" in text or any(hint in lower for hint in _HINTS) or _has_run(text) or names_a_tool(lower)


def _has_run(text: str) -> bool:
    return b"a" * _RUN in text.encode("utf-8", "replace").translate(_MASK)


def redact(text: str) -> str:
    """Return the text with every secret replaced by `[redacted:kind]`; the same again if applied again."""
    return _redact(text, encoded=True) if has_hint(text) else text


def redact_named(name: str, value: Value) -> Value | str:
    """Return a named field's value, redacted; all of it where the name is that of a secret variable."""
    if _SECRET_FIELD.search(name) and not MARK.fullmatch(str(value)):
        return "[redacted:variable]"
    return redact(value) if isinstance(value, str) else value


def _redact(text: str, *, encoded: bool) -> str:
    lower = text.lower()
    run = _has_run(text)
    if "key" in lower:
        text = _PRIVATE_KEY.sub("[redacted:private-key]", text)
    if run or any(hint in lower for hint in _PREFIXES):
        text = _SHAPES.sub(lambda found: f"[redacted:{found.lastgroup}]", text)
        text = _SLACK_HOOK.sub(r"\1[redacted:slack]", text)
    if "@" in text:
        text = _URL.sub(_url, text)
    if any(hint in lower for hint in _WORDS):
        text = _HEADER.sub(_after("authorization"), text)
        text = _BEARER.sub(r"\1 [redacted:bearer]", text)
        text = _COOKIE.sub(_after("cookie"), text)
        text = _LITERAL.sub(_after("secret"), text)
        text = _named(text)
    if names_a_tool(lower):
        text = redact_arguments(text)
    return _ENCODED.sub(_decoded, text) if encoded and run else text


def _after(kind: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement of the second group, unless it is replaced already."""

    def replace(found: re.Match[str]) -> str:
        return found[0] if MARK.fullmatch(found[2]) else f"{found[1]}[redacted:{kind}]"

    return replace


def _url(found: re.Match[str]) -> str:
    user, colon, password = found.groups()
    if MARK.fullmatch(user + colon + password):
        return found[0]
    if colon and password and not MARK.fullmatch(password):
        return f"{user}:[redacted:url-password]@"
    if not colon and len(user) >= _RUN:
        return "[redacted:url-user]@"
    return found[0]


def _named(text: str) -> str:
    """Replace the value of every variable, flag or member whose name says that it is a secret."""
    pieces: list[str] = []
    done = position = 0
    folded = _folded(text)
    while found := _NAMED.search(folded, position):
        position = found.end()
        value = _secret_value(text, found)
        if value is None:
            continue
        quote = value[0][0] if value[0][0] in "\"'" and value[0][-1] == value[0][0] and value[0][1:] else ""
        pieces += [text[done : found.end()], quote, _mark(found), quote]
        done = position = value.end()
    return "".join((*pieces, text[done:]))


def _folded(text: str) -> str:
    """Return the text in lower case, every character in its place (`İ` would become two)."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _mark(found: re.Match[str]) -> str:
    word = found["word"] or found["maybe"]
    kind = next((kind for kind in ("pass", "token", "key", "secret") if kind in word), "value")
    return f"[redacted:{'password' if kind == 'pass' else kind}]"


def _secret_value(text: str, found: re.Match[str]) -> re.Match[str] | None:
    """Return the match of what stands after a secret's name, None where it is no secret."""
    if not _names_a_value(text, found) or text.startswith(("$(", "`"), found.end()):
        return None
    value = _VALUE.match(text, found.end())
    if value is None:
        return None
    bare = value[0].strip("\\\"'")
    if not bare or MARK.fullmatch(bare) or _HARMLESS.match(bare):
        return None
    if found["sep"].isspace() and _FLAG.match(bare):
        return None
    return value if found["word"] or _random(bare) else None


def _names_a_value(text: str, found: re.Match[str]) -> bool:
    """Return whether this is the name of a variable, a flag or a member, and not a path or a plain word."""
    prefix = _NAME.search(text, max(0, found.start() - 64), found.start())
    start = prefix.start() if prefix else found.start()
    name = text[start : found.start("sep")]
    separator = found["sep"]
    if separator.isspace():
        return name.startswith("-") and not re.search(r"\b(?:no|ask)-", name)
    if name in ("PWD", "OLDPWD"):
        return False
    if ":" not in separator:
        return True
    return text[max(0, start - 1) : start] != "/" and (separator != ":" or "pass" in name.lower())


def _random(text: str) -> bool:
    """Return whether a value looks drawn by lot: long, letters and digits, many different ones, no path."""
    if len(text) < _RUN or text[0] in "/.~" or not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text)):
        return False
    counts = Counter(text[:256]).values()
    size = min(len(text), 256)
    return -sum(count / size * log2(count / size) for count in counts) >= 3.2


def _decoded(found: re.Match[str]) -> str:
    """Replace base64 that holds a secret."""
    encoded = found[0].rstrip("=")
    try:
        plain = b64decode(encoded[: len(encoded) // 4 * 4]).decode()
    except ValueError:
        return found[0]
    return "[redacted:base64]" if _redact(plain, encoded=False) != plain else found[0]
