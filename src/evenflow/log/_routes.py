"""What a subject is routed by: fields whose values are in the name under which an event is stored.

A server that keeps events by name can then leave out what a condition excludes. Whatever it sends is asked again here,
so that the answer is that of the condition: the server may send too much, and never too little.

    what a condition says of a field            the texts that its value may have
    ``==`` a value, ``one_of`` values           one for each value that has a text; with any other value all texts
    a bool field by itself                      ``1``
    ``a & b``                                   the texts that both leave
    ``a | b``                                   the texts of either, for fields that both speak of
    ``!= < <= > >=``, ``~``, a callable         all

Rule 1: values that Python calls equal have one text. A value whose class compares in its own way has none.
Rule 2: an event of which a field has no text is stored without a route, and is always sent.
Rule 3: a route says by which fields, and for which version of its class, it was made. Events with a route of another
        version are all sent, because a step of an upgrade may change the value; so are those routed by other fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast, get_args, get_origin
from uuid import UUID

from evenflow._comparable import FieldRef
from evenflow._conditions import All, Comparison, Condition, Either, OneOf, Truth
from evenflow._fields import MISSING, Path, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

MOST_FIELDS: Final = 4
"""Fields that one event is routed by: each is a part of a name, and names are bounded."""
MOST_BITS: Final = 512
NULL: Final = "null"
"""The text of None, and of a path that leads through None."""
_KINDS: Final = (str, int, bool, Enum, UUID, NoneType)
_FRACTIONS: Final = (float, Decimal, Fraction)


# ---------------------------------------------------------------------- values as texts


def text_of(value: object) -> str | None:
    """The text of a value; None if it has none. Values that are equal have one text."""
    if value is None or value is MISSING:
        return NULL
    equal = type(value).__eq__
    if isinstance(value, str) and equal is str.__eq__:
        return _encodable(str.__str__(value))
    if isinstance(value, int) and equal is int.__eq__:
        return str(int(value)) if value.bit_length() <= MOST_BITS else None
    if type(value) is UUID:
        return str(value)
    if isinstance(value, Enum) and equal is object.__eq__:  # its members are equal to themselves alone
        known: object = value.value
        return _encodable(known) if isinstance(known, str) else _encodable(value.name)
    return None


def _encodable(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def _text_that_equals(value: object) -> str | None:
    """The text that every value has which equals this one; None if that cannot be said."""
    if type(value) in _FRACTIONS:
        try:
            whole = int(cast("float", value))
        except (ValueError, OverflowError):  # nan or infinite
            return None
        return text_of(whole) if whole == value else None
    return text_of(value)


# ---------------------------------------------------------------------- conditions as texts


def texts_in(condition: Condition | None) -> dict[str, frozenset[str]]:
    """The texts that fields may have in an event for which a condition holds; of other fields nothing is said."""
    match condition:
        case Comparison() if condition.op == "==":
            return _texts(condition.path, (condition.value,))
        case OneOf():
            return _texts(condition.path, condition.values)
        case Truth():
            return {_name(condition.path): frozenset({"1"})}
        case All():
            return _all(map(texts_in, condition.parts))
        case Either():
            return _either(map(texts_in, condition.parts))
        case _:
            return {}


def _texts(path: Path, values: Sequence[object]) -> dict[str, frozenset[str]]:
    texts = [_text_that_equals(value) for value in values]
    return {} if None in texts else {_name(path): frozenset(text for text in texts if text is not None)}


def _name(path: Path) -> str:
    return ".".join(path.names)


def _all(parts: Iterable[Mapping[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        for name, texts in part.items():
            found[name] = found[name] & texts if name in found else texts
    return found


def _either(parts: Iterable[Mapping[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    first, *others = parts
    found = dict(first)
    for part in others:
        found = {name: texts | part[name] for name, texts in found.items() if name in part}
    return found


class Route(NamedTuple):
    """What an event is routed by: a server that keeps events by name may leave out others.

    Attributes:
        fields: the names of fields, such as ``region`` or ``customer.country``.
        version: of the event's class.
        texts: the value of each field, as text.
    """

    fields: tuple[str, ...]
    version: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader wants, as far as a server can leave out the rest.

    Attributes:
        types: the wire names of the events that are wanted; None for whatever comes.
        fields: the texts that a field may have, for those of which that is known.
        version_of: the version of the class that has a wire name; None if nobody here knows it.
    """

    types: frozenset[str] | None
    fields: Mapping[str, frozenset[str]]
    version_of: Callable[[str], int | None] = field(compare=False)

    def texts(self, type: str, fields: Sequence[str], version: int) -> tuple[frozenset[str] | None, ...] | None:  # noqa: A002 -- as in the engine
        """The texts that each of these fields may have, in events of a type that were routed by them; None for any.

        None instead of all that, if nothing can be left out.
        """
        if self.version_of(type) != version or self.fields.keys().isdisjoint(fields):
            return None
        return tuple(map(self.fields.get, fields))

    def __or__(self, other: Wanted) -> Wanted:
        """What one of the two wants, or a little more."""
        types = None if self.types is None or other.types is None else self.types | other.types
        return Wanted(types, _either((self.fields, other.fields)), self.version_of)

    @property
    def is_everything(self) -> bool:
        """Whether nothing can be left out."""
        return self.types is None and not self.fields


# ---------------------------------------------------------------------- what a subject declares


@dataclass(frozen=True, slots=True)
class Routing:
    """The fields that a subject's events are routed by.

    Attributes:
        paths: where they are read. Of an event those of its class count, in this order.
    """

    paths: tuple[Path, ...]

    def route(self, event: object, version: int) -> Route | None:
        """The route of an event of this version of its class; None if it has none."""
        names: list[str] = []
        texts: list[str] = []
        for path in self.paths:
            if not isinstance(event, path.owner) or (name := _name(path)) in names:
                continue
            try:
                text = text_of(path.read(event))
            except Exception:  # noqa: BLE001 -- an event that cannot be asked is stored all the same
                return None
            if text is None:
                return None
            names.append(name)
            texts.append(text)
        return Route(tuple(names), version, tuple(texts)) if names else None


def checked_routed_by(routed_by: object, types: Collection[type]) -> Routing | None:
    """What ``routed_by`` of a subject says.

    Raises:
        TypeError: it is no field of an event, or the field holds what has no text.
        ValueError: the field is of a class that the subject does not carry, or there are too many.
    """
    if routed_by is None:
        return None
    fields: list[Any] = [*cast("Any", routed_by)] if isinstance(routed_by, tuple) else [routed_by]
    if not fields:
        raise ValueError("routed_by=() names no field; leave it out")
    paths = tuple(dict.fromkeys(_checked(each, types) for each in fields))
    names = {_name(path) for path in paths}
    if len(names) > MOST_FIELDS or sum(map(len, names)) > 100:  # noqa: PLR2004 -- each is a part of a name
        raise ValueError(
            f"routed_by takes at most {MOST_FIELDS} fields, with 100 characters in their names, not {len(names)}"
        )
    return Routing(paths)


def _checked(given: Any, types: Collection[type]) -> Path:
    if not isinstance(given, FieldRef):
        raise TypeError(
            f"routed_by must be a field of an event (OrderPlaced.region), or a tuple of fields, not {given!r}: the"
            " server knows names, and cannot call a function"
        )
    path, parts = given._path, given._parts
    owner = path.owner
    if not any(issubclass(declared, owner) or issubclass(owner, declared) for declared in types):
        carried = ", ".join(cls.__name__ for cls in types)
        raise ValueError(f"routed_by={path}: the subject carries {carried}, and none of these has that field")
    if not all(map(_has_text, parts)):
        raise TypeError(
            f"routed_by={path}: a route is part of a name, so its field holds texts, whole numbers, bools, members of"
            f" an enum or UUIDs, and this holds {spoken(parts)}"
        )
    return Path(owner, path.names)


def _has_text(part: Any) -> bool:
    origin = get_origin(part)
    if origin is Literal:
        return all(isinstance(choice, _KINDS) for choice in get_args(part))
    return isinstance(part, type) and issubclass(part, _KINDS)
