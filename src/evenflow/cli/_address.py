"""WHERE: the address of a log as the user gave it, and what is shown of it.

    given                       opened                      shown
    shop.db, sqlite:///...      the same                    the same
    redis://me:word@host/0      the same                    redis://***@host/0
    env:SHOP                    what the variable holds     env:SHOP

Rule 1: a secret is remembered when its address is read, and left out of every text that the command line shows.
Rule 2: what looks like an address with a secret is left out too, even if nobody has read it as an address.
"""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

STARS: Final = "***"
SHORTEST: Final = 4
"""A shorter secret is left out with its address alone: by itself it would be a part of ordinary words."""

_BEFORE_THE_HOST: Final = re.compile(r"(?<=://)[^\s'\"<>]*@")
_NAMED: Final = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*(?:password|passwd|secret|token)|auth|api_?key|user|username)=)[^&\s'\"]*"
)
_SECRET_NAMES: Final = re.compile(r"(?i)password|passwd|secret|token|^auth$|api_?key")
_SHOWN: Final[dict[str, str]] = {}
"""What is left out of every text, and what stands there instead."""


class Refused(Exception):
    """The command line names what is not there; the message is for the user."""


def address(where: str) -> str:
    """The address that WHERE stands for: itself, or with ``env:NAME`` what that variable holds.

    Raises:
        Refused: there is no such variable, or it is empty.
    """
    kind, colon, name = where.partition(":")
    if not (colon and kind == "env"):
        remember(where, masked(where))
        return where
    found = os.environ.get(name, "")
    if not found:
        raise Refused(f"the environment has no variable {name!r}, or it is empty; env:NAME reads the address from it")
    remember(found, where)
    return found


def remember(text: str, shown: str) -> None:
    """Leave an address and the secrets in it out of what is shown from now on."""
    if shown != text:
        _SHOWN[text] = shown
    for secret in _secrets_in(text):
        if len(secret) >= SHORTEST:
            _SHOWN[secret] = STARS


def masked(text: str) -> str:
    """The text without secrets."""
    for secret in sorted(_SHOWN, key=len, reverse=True):
        text = text.replace(secret, _SHOWN[secret])
    return _NAMED.sub(rf"\g<1>{STARS}", _BEFORE_THE_HOST.sub(f"{STARS}@", text))


def _secrets_in(text: str) -> set[str]:
    if "://" not in text:
        return set()
    before, at, _ = text.partition("://")[2].rpartition("@")
    given = {before.partition(":")[2]} if at else set[str]()
    try:
        query = urlsplit(text).query
    except ValueError:  # a bracket in the host; whoever opens it says so
        query = ""
    given |= {value for name, value in parse_qsl(query) if _SECRET_NAMES.search(name)}
    return {form for each in given for form in (each, unquote(each)) if form}
