"""The JSON of an event, made once for all clients that get it.

    what was read                    its JSON                              kept with
    an event of a subject            encoded                               the numbered event, which all readers share;
                                                                           where events are kept for replay, the event
    a record of a log                as it is stored; encoded where it     the record, which all who are live share
                                     was stored by an older version
    a value of a state or a stream   encoded                               the value, known weakly

The JSON is that of the log (``evenflow.log``), so that a client sees one form of an event, wherever it comes from.
Nothing here keeps an event alive, but for the last few values that cannot be known weakly, such as an ``int``.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from pydantic_core import to_json

from evenflow._events import is_printable
from evenflow.log._codec import codec_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from evenflow.log._codec import Codec

_log = logging.getLogger("evenflow.web")

OWN: Final = "evenflow."
"""What the types of evenflow's own words begin with, such as ``evenflow.end``: no event can be taken for one."""

ERROR: Final = "evenflow.error"
"""The type of what stands for an event that cannot be written: its data has the class of the error, and no text."""

_KEPT: Final = "__evenflow_json__"
_CONSTANTS: Final = (str, int, bytes)
"""Equal ones have one JSON. A float is none of them: -0.0 equals 0.0."""


class Encoded(NamedTuple):
    """What goes over the wire of one event, whatever the wire.

    Attributes:
        type: the wire name.
        data: its JSON.
    """

    type: str
    data: bytes


def encode(event: object) -> Encoded:
    """Encode an event; one that cannot be written is logged, and an error stands for it."""
    try:
        codec = _codec(event)
        return Encoded(codec.name, codec.encode(event))
    except Exception as error:  # noqa: BLE001 -- a serializer of the user's may raise anything; nobody else suffers
        _log.exception("an event of %s cannot be sent to web clients", type(event).__qualname__)
        return Encoded(ERROR, to_json({"error": type(error).__name__}))


def _codec(event: object) -> Codec:
    codec = codec_of(type(event))
    if not is_printable(codec.name):
        raise ValueError(f"the wire name {codec.name!r} has characters that end a line or cannot be shown")
    if codec.name.startswith(OWN):
        raise ValueError(f"the wire name {codec.name!r} would be taken for a word of evenflow's own")
    return codec


def stored(event: object, version: int, data: bytes) -> Encoded:
    """What a log has stored, if it is as today's class would write it; else the event, encoded."""
    codec = codec_of(type(event))
    is_as_stored = codec.version == version and not codec.name.startswith(OWN)
    return Encoded(codec.name, data) if is_as_stored else encode(event)


def refuse_clash(subject: str, types: tuple[Any, ...]) -> None:
    """Refuse classes that a client could not tell apart from each other, or from words of evenflow's own.

    Raises:
        ValueError: two of them have one wire name, or one has a name that begins with ``evenflow.``.
    """
    known: dict[str, type] = {}
    for cls in types:
        if not isinstance(cls, type):
            continue
        name = codec_of(cls).name
        if name.startswith(OWN):
            raise ValueError(
                f"the wire name {name!r} of {cls.__module__}.{cls.__qualname__} would be taken for a word of evenflow's"
                " own; give it another, name=..."
            )
        other = known.setdefault(name, cls)
        if other is not cls:
            raise ValueError(
                f"{subject} has two classes with the wire name {name!r}: {other.__module__}."
                f"{other.__qualname__} and {cls.__module__}.{cls.__qualname__}; give one of them another, name=..."
            )


class _Values:
    """The JSON of the values of one class that live now, by identity."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[object], Encoded]] = {}

    def encoded(self, value: object) -> Encoded:
        number = id(value)
        known = self._known.get(number)
        if known is not None and known[0]() is value:
            return known[1]
        made = encode(value)
        self._known[number] = (ref(value, lambda _: self._known.pop(number, None)), made)
        return made


def encoded_value(value: object) -> Encoded:
    """The JSON of a value that no subject has numbered; made once as long as the value lives."""
    cls = type(value)
    if cls in _CONSTANTS:
        return _encoded_constant(cls, value)
    try:
        kept = cls.__dict__.get(_KEPT)
        if kept is None:
            setattr(cls, _KEPT, kept := _Values())
        found: Encoded = kept.encoded(value)
    except TypeError:  # neither the class nor the value can hold anything: a list, a named tuple, a slotted dataclass
        return encode(value)
    return found


@lru_cache(maxsize=64)
def _encoded_constant(_cls: Hashable, value: Any) -> Encoded:
    return encode(value)
