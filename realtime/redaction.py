"""Credentials out of everything that is printed or stored."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_USER_INFO = re.compile(r"(\w[\w+.-]*://)[^\s\"'<>]*@")
_QUERY = re.compile(
    r"([?&;](?:[\w.-]*(?:pass|pwd|secret|token|key|auth|sig)[\w.-]*|user(?:name)?|login)=)[^&;\s\"'<>#]*",
    re.IGNORECASE,
)
HIDDEN = "***"


def without_credentials(text: str) -> str:
    """Text whose URLs carry neither user, password nor the values of telling query parameters.

    What stands between `://` and the last `@` of a word goes: better too much than half a password.
    """
    return _QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub(r"\1", text))


def secrets_of(url: str) -> tuple[str, ...]:
    """The parts of a URL that must not be seen, as they stand in it and decoded."""
    found = [match.group(0).split("://", 1)[1][:-1] for match in _USER_INFO.finditer(url)]
    parts = [part for info in found for part in (info, *info.split(":", 1)[1:])]
    parts += [match.group(0).split("=", 1)[1] for match in _QUERY.finditer(url)]
    return tuple(dict.fromkeys(form for part in parts for form in (part, unquote(part)) if part))


class Redactor:
    """Takes known secrets, and the credentials of any URL, out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: literal strings, each also hidden in its percent-encoded form."""
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return without_credentials(text)

    def guard_log(self) -> None:
        """From here on, whatever is logged by whomever goes through this."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._clean)

    def _clean(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self(record.getMessage()), ()
        return True
