"""What subjects, groups, ids and headers may be called. Every name is checked where it is given.

a subject, a group, a log    1 to 64 of A-Z a-z 0-9 _ -      it becomes a key, a file, a subject of NATS
an id                        1 to 256 characters             no control characters: it travels in headers
a wire name                  1 to 1,000 characters           the same
the name of a header         1 to 20 of a-z 0-9              CloudEvents' own rule, and none of its attributes
the value of a header        a str, empty or not             no control characters
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final, cast

VERSION_HEADER: Final = "schemaversion"
"""The extension that carries the version of an event's class."""

CORE_ATTRIBUTES: Final = frozenset(
    {"id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time", "data"}
)
"""What CloudEvents 1.0 defines itself; ``data_base64`` of its JSON format is no header name anyway."""

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
MOST_ID: Final = 256
MOST_WIRE_NAME: Final = 1_000
_SHOWN: Final = 80

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER: Final = re.compile(r"[a-z0-9]{1,20}")
# What a CloudEvents string may not hold: controls, halves of surrogate pairs, and what Unicode will never assign.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def checked_name(name: object, what: str = "a subject", /) -> str:
    """The name of a subject, a group or a log.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty, longer than 64, or has a character that is not allowed.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} must be a str, not {name!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name of {what} must be 1 to 64 of the characters A-Z a-z 0-9 _ -, not {short(name)}")
    return name


def checked_given_id(given: object, /) -> str:
    """The id that a function of the publisher's made of an event.

    Raises:
        TypeError, ValueError: as for ``checked_id``; or it made none.
    """
    if given is None:
        raise TypeError("id= of publish_many made None of an event: it must return a text for each of them")
    return checked_id(given) or ""


def checked_id(given: object, /) -> str | None:
    """The id of an event that a publisher gave, or None.

    Raises:
        TypeError: it is not a str.
        ValueError: it is empty, longer than 256 characters, or has a control character.
    """
    if given is None:
        return None
    if not isinstance(given, str):
        raise TypeError(f"the id of an event must be a str, not {given!r}")
    if not given:
        raise ValueError("the id of an event must not be empty; leave id= out to have one derived")
    if len(given) > MOST_ID:
        raise ValueError(
            f"the id of an event must be at most {MOST_ID} characters, not {len(given)}: {short(given)}; "
            "of something longer use a digest"
        )
    _refuse_controls(given, "the id of an event")
    return given


def checked_keep_ids(keep_ids: object, /) -> timedelta:
    """How long ids that were given are known.

    Raises:
        TypeError: it is no timedelta.
        ValueError: it is negative.
    """
    if not isinstance(keep_ids, timedelta):
        raise TypeError(f"keep_ids must be a timedelta, not {keep_ids!r}: write timedelta(days=7)")
    if keep_ids < timedelta(0):
        raise ValueError(f"keep_ids must not be negative, and is {keep_ids}")
    return keep_ids


def checked_max_event_bytes(size: object, /) -> int:
    """How large an event may be.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than 1.
    """
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"max_event_bytes must be a whole number, not {size!r}")
    if size < 1:
        raise ValueError(f"max_event_bytes must be at least 1, not {size}")
    return size


def refuse_unknown(what: str, given: Collection[str], known: Iterable[str], /) -> None:
    """Refuse options that a public function does not have.

    Raises:
        TypeError: some are given; the message names them, and those that there are.
    """
    if given:
        raise TypeError(f"{what}() has no option {', '.join(sorted(given))}; it has {', '.join(known)}")


def checked_wire_name(name: str, cls: str, /) -> str:
    """What the events of a class are called outside the process.

    Raises:
        ValueError: it is longer than 1,000 characters, or has a control character: it travels in headers.
    """
    if len(name) > MOST_WIRE_NAME:
        raise ValueError(
            f"the wire name of {cls} must be at most {MOST_WIRE_NAME} characters, not {len(name)}: {short(name)}; "
            "give the class another, as in class ...(Event, name='...')"
        )
    _refuse_controls(name, f"the wire name of {cls}")
    return name


def checked_headers(headers: object, /) -> Mapping[str, str]:
    """The headers of an event, copied; none for None.

    Raises:
        TypeError: it is no mapping of str to str.
        ValueError: a name is not allowed or reserved, or a value has a control character.
    """
    if headers is None:
        return NO_HEADERS
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping of names to texts, not {headers!r}")
    items = cast("Mapping[object, object]", headers).items()
    return {(text := _checked_header(name)): _checked_value(text, value) for name, value in items}


def _checked_header(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a header must be a str, not {name!r}")
    if not _HEADER.fullmatch(name):
        raise ValueError(f"the name of a header must be 1 to 20 of the characters a-z 0-9, not {short(name)}")
    if name in CORE_ATTRIBUTES or name == VERSION_HEADER:
        raise ValueError(f"the header {name!r} is reserved: evenflow or CloudEvents says something of its own with it")
    return name


def _checked_value(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the header {name!r} must be a str, not {value!r}; write it as text")
    _refuse_controls(value, f"the header {name!r}")
    return value


def _refuse_controls(text: str, what: str) -> None:
    # Whatever is forbidden is not printable, and asking for that is quicker.
    if not text.isprintable() and (found := _FORBIDDEN.search(text)):
        raise ValueError(f"{what} must not have the character {found[0]!r}, as {short(text)} has")


def short(text: str, /) -> str:
    """A text as an error shows it: quoted, and no longer than a line."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
