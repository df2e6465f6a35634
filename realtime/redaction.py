"""Credentials out of everything that is printed or stored."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_SCHEME = r"(?:\w[\w+.-]*)?:/+"
"""One slash too few, or a scheme that is gone, is a slip of the hand, and must not show a password."""
_TELLING = r"([?&;/_](?:[\w.-]*(?:pass|pwd|secret|token|key|auth|sig)[\w.-]*|user(?:name)?|login)=)"
"""Some cameras want these in the path: `/user=admin_password=x_channel=1`."""
_USER_INFO = re.compile(rf"({_SCHEME})([^\s\"'<>]*)@")
_QUERY = re.compile(_TELLING + r"([^&;\s\"'<>#]*)", re.IGNORECASE)
_WHOLE_USER_INFO = re.compile(rf"\A({_SCHEME}|(?=[^/@]*:))(.*)@", re.DOTALL)
_WHOLE_QUERY = re.compile(_TELLING + r"([^&;#]*)", re.IGNORECASE)
HIDDEN = "***"


def without_credentials(text: str) -> str:
    """Text whose URLs carry neither user, password nor the values of telling query parameters.

    What stands between `://` and the last `@` of a word goes: better too much than half a password.
    """
    return _without(text, _USER_INFO, _QUERY)


def shown_url(url: str) -> str:
    """A URL that is the whole text, without its credentials, whatever characters they are made of."""
    return without_credentials(_without(url, _WHOLE_USER_INFO, _WHOLE_QUERY))


def _without(text: str, user_info: re.Pattern[str], query: re.Pattern[str]) -> str:
    """Text without the second group of either pattern; both look at all of it, as each may hide the other."""
    found = [(match.start(2), match.end(), "") for match in user_info.finditer(text)]
    found += [(match.start(2), match.end(), HIDDEN) for match in query.finditer(text)]
    return _masked(text, found)


def _masked(text: str, found: list[tuple[int, int, str]]) -> str:
    """Text with something instead of each stretch (start, end); stretches may overlap."""
    shown, at = "", 0
    for start, end, instead in sorted(found):
        if end > at:
            shown += text[at:start] + instead
            at = end
    return shown + text[at:]


def secrets_of(url: str) -> tuple[str, ...]:
    """The parts of a URL that must not be seen, as they stand in it and decoded."""
    found = [match[2] for match in _WHOLE_USER_INFO.finditer(url)]
    parts = [part for info in found for part in (info, *info.split(":", 1)[1:])]
    parts += [match[2] for match in _WHOLE_QUERY.finditer(url)]
    return tuple(dict.fromkeys(form for part in parts for form in (part, unquote(part)) if part))


def _written(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]


class Redactor:
    """Takes known secrets, and the credentials of any URL, out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: literal strings, each also hidden as URLs, Python and JSON write it."""
        forms = {form for secret in secrets if secret for form in _written(secret)}
        self._known = [re.compile(re.escape(form)) for form in sorted(forms)]

    def __call__(self, text: str) -> str:
        found = [(*match.span(), HIDDEN) for known in self._known for match in known.finditer(text)]
        return without_credentials(_masked(text, found))

    def guard_log(self) -> None:
        """From here on, whatever is logged by whomever goes through this."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._clean)

    def _clean(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self(record.getMessage()), ()
        return True
