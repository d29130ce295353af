"""Which pages may open a WebSocket here. A browser asks nobody: it sends ``Origin``, and the cookies of this host.

    Origin                 origins=None     origins=[...]    origins="any"
    not there              yes              yes              yes               (no browser: it has no cookies of others)
    this host              yes              if listed        yes
    another                no               if listed        yes
    ``null``, or several   no               no               yes               (a file, a sandbox, or forged)

This host is what ``Host`` says, with the port; http or https does not count, because a proxy may end TLS.
Apps and browser extensions have schemes of their own, such as ``capacitor://localhost``: those are listed, or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

Origins: TypeAlias = "frozenset[Origin] | Literal['any'] | None"

_PORTS: Final = {"http": 80, "https": 443}
_OF_NO_PAGE: Final = frozenset({"", "ws", "wss", "file", "data", "blob"})
"""Schemes that no ``Origin`` has."""


class Origin(NamedTuple):
    """Where a page comes from. The port is 0 where the scheme has none."""

    scheme: str
    host: str
    port: int


def checked_origins(origins: object) -> Origins:
    """Which origins may connect.

    Raises:
        TypeError, ValueError: it names none.
    """
    if origins is None:
        return None
    if origins == "any":
        return "any"
    if isinstance(origins, str) or not isinstance(origins, Sequence):
        raise TypeError(f"origins must be a list, as in origins=['https://app.example.com'], or 'any', not {origins!r}")
    found = {text: _parsed(text) for text in cast("Sequence[object]", origins)}
    for text, origin in found.items():
        if origin is None:
            raise ValueError(
                f"an origin is a scheme, a host and maybe a port, as in https://app.example.com, not {text!r};"
                " origins='any' lets every page connect"
            )
    return frozenset(origin for origin in found.values() if origin is not None)


def is_allowed(origins: Origins, sent: Sequence[str], host: str | None) -> bool:
    """Whether a connection with these ``Origin`` headers, to this ``Host``, is welcome."""
    if origins == "any" or not sent:
        return True
    origin = _parsed(sent[0]) if len(sent) == 1 else None
    if origin is None:
        return False
    if origins is not None:
        return origin in origins
    return origin.scheme in _PORTS and origin == _parsed(f"{origin.scheme}://{host}")


def _parsed(text: object) -> Origin | None:
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc or text != text.strip())
    if parts.scheme in _OF_NO_PAGE or not parts.hostname or "*" in parts.hostname or not is_bare:
        return None
    return Origin(parts.scheme, parts.hostname, port if port is not None else _PORTS.get(parts.scheme, 0))
