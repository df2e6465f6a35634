"""Credentials out of everything that is printed or stored."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_SCHEME = r"(?:\w[\w+.-]*)?:/+"
"""One slash too few, or a scheme that is gone, is a slip of the hand, and must not show a password."""
_TELLING = r"([?&;/_#](?:[\w.-]*(?:pass|pwd|secret|token|key|auth|sig)[\w.-]*|user(?:name)?|login)=)"
"""Some cameras want these in the path: `/user=admin_password=x_channel=1`."""
_HARMLESS = (
    "audio|bitrate|camera|channel|codec|format|fps|mode|name|profile|resolution|rotation|size|stream|subtype"
    "|transportmode|type|video|videocodec"
)
_OTHER = (
    rf"((?!.(?:{_HARMLESS})=|.[^=&;#]*=\d{{1,3}}(?:[&;#\s]|\Z))"
    r"(?:[?&](?:[^=&;#]*=)?|[;#][^=&;#]*=))([^&;#]*)"
)
"""All other parameters are hidden too, unless they are known to be harmless or a small number."""
_URL = re.compile(r":/+[^\s\"'<>]*")
"""From behind the scheme on: to look for its beginning takes long in a word of many letters."""
_LEAST_OTHER = 8
"""Characters from which on such a value is hidden wherever it stands; shorter ones are words of any text."""
_USER_INFO = re.compile(r"(:/+)([^\s\"'<>]*)@")
_QUERY = re.compile(_TELLING + r"([^&;\s\"'<>#]*)", re.IGNORECASE)
_WHOLE_USER_INFO = re.compile(rf"\A({_SCHEME}|(?://)?(?=[^/@]*:))(.*)@", re.DOTALL)
_WHOLE_QUERY = re.compile(_TELLING + r"([^&;#]*)", re.IGNORECASE)
_WHOLE_OTHER = re.compile(_OTHER, re.IGNORECASE)
HIDDEN = "***"


def without_credentials(text: str) -> str:
    """Text whose URLs carry neither user, password nor the values of query parameters that are not known to
    be harmless.

    What stands between `://` and the last `@` of a word goes: better too much than half a password.
    """
    return _URL.sub(lambda url: _without(url[0], _WHOLE_OTHER), _without(text, _USER_INFO, _QUERY))


def shown_url(url: str) -> str:
    """A URL that is the whole text, without its credentials, whatever characters they are made of."""
    return without_credentials(_without(url, _WHOLE_USER_INFO, _WHOLE_QUERY, _WHOLE_OTHER))


def _without(text: str, *patterns: re.Pattern[str]) -> str:
    """Text without the second group of the patterns; all look at the whole of it, as each may hide another.

    Nothing stands for what ends with an @, three asterisks for the rest.
    """
    found = [
        (match.start(2), match.end(), "" if match[0].endswith("@") else HIDDEN)
        for pattern in patterns
        for match in pattern.finditer(text)
    ]
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
    parts += [match[2] for match in _WHOLE_OTHER.finditer(url) if len(match[2]) >= _LEAST_OTHER]
    return tuple(dict.fromkeys(form for part in parts for form in (part, unquote(part)) if part))


def _written(secret: str) -> tuple[str, ...]:
    in_python = repr(secret + "'\"")[1:-4], repr(secret)[1:-1]  # with both quotes around, one is escaped
    return secret, quote(secret, safe=""), quote(secret), *in_python, json.dumps(secret)[1:-1]


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
