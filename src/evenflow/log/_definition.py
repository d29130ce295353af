"""What a group is: its classes, its condition and its order, written out so that they can be kept and compared."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import to_jsonable_python

from evenflow._comparable import path_of
from evenflow._conditions import All, Comparison, Condition, Either, Not, OneOf, Truth
from evenflow._events import wire_name
from evenflow._fields import fields_of
from evenflow._routing import names

from ._group_records import Definition

if TYPE_CHECKING:
    from evenflow._fields import Path


def condition_text(condition: Condition) -> str:
    """A condition, whole, with the wire names of its classes: what prints it shortens its values."""
    match condition:
        case Comparison():
            return f"{_field(condition.path)} {condition.op} {_text(condition.value)}"
        case OneOf():
            return f"one_of({_field(condition.path)}, {', '.join(map(_text, condition.values))})"
        case Truth():
            return _field(condition.path)
        case Not():
            return f"~({condition_text(condition.part)})"
        case All() | Either():
            return f" {condition.sign} ".join(f"({condition_text(part)})" for part in condition.parts)
        case _:
            raise TypeError(f"a group cannot keep the condition {condition!r}")


def _text(value: object) -> str:
    """A value as its repr, but a set in one order: that of its own repr is another one in each process."""
    kind = type(value).__name__
    if not isinstance(value, (set, frozenset)):
        return repr(value)
    parts = sorted(map(_text, cast("frozenset[object]", value)))
    return f"{kind}({'{' + ', '.join(parts) + '}' if parts else ''})"


def _field(path: Path) -> str:
    text = wire_name(path.owner)
    for position, name in enumerate(path.names):
        text = f"present({text}.{name})" if position in path.present else f"{text}.{name}"
    return text


class Order:
    """By what the events of a group are ordered: the fields that are its key; without any, all are of one key."""

    __slots__ = ("_names",)

    def __init__(self, paths: tuple[tuple[str, ...], ...]) -> None:
        self._names = paths

    @property
    def is_whole(self) -> bool:
        """Whether all events are of one key."""
        return not self._names

    def key_of(self, event: object) -> str:
        """The lane of an event: the same for equal keys, in every process."""
        if not self._names:
            return _THE_ONE_LANE
        values = [self._read(event, path) for path in self._names]
        if len(values) == 1 and type(text := values[0]) is str:
            return _lane_of_text(text)
        return _lane_of(values)

    @staticmethod
    def _read(event: object, path: tuple[str, ...]) -> object:
        for name in path:
            event = None if event is None else getattr(event, name)
        return event

    def __str__(self) -> str:
        fields = [".".join(path) for path in self._names]
        return fields[0] if len(fields) == 1 else f"({', '.join(fields)})"


def _lane_of(values: list[object]) -> str:
    text = json.dumps(to_jsonable_python([*map(_alike, values)]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _alike(value: object) -> object:
    """What is written alike for equal values: 1.5 and 1.50, one moment in two time zones, a set in any order."""
    match value:
        case set() | frozenset():
            return sorted(map(_alike, cast("frozenset[object]", value)), key=_sort_key)
        case tuple() | list():
            return [*map(_alike, cast("list[object]", value))]
        case float():
            return value or 0.0  # and not -0.0
        case Decimal() if value.is_finite():
            exact = Context(prec=len(value.as_tuple().digits), Emin=MIN_EMIN, Emax=MAX_EMAX)
            return value.normalize(exact) if value else 0
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
        case _:
            return value


def _sort_key(value: object) -> str:
    return json.dumps(to_jsonable_python(value), sort_keys=True)


_THE_ONE_LANE: Final = _lane_of([])
"""That of a group whose events are all of one key."""


@lru_cache(maxsize=4_096)
def _lane_of_text(text: str) -> str:
    """Most keys are one text, and the same few come again and again: 0.2 us, where to make it takes 10."""
    return _lane_of([text])


def checked_order(ordered_by: Any, classes: tuple[type, ...]) -> Order | None:
    """What ``ordered_by`` says; ``classes`` are those that the group wants.

    Raises:
        TypeError: it is no field, and no tuple of fields.
        ValueError: a wanted class has no such field.
    """
    if ordered_by is None:
        return None
    fields = cast("tuple[object, ...]", ordered_by if isinstance(ordered_by, tuple) else (ordered_by,))
    paths: list[tuple[str, ...]] = []
    for field in fields:
        if (path := path_of(field)) is None:
            what = "a callable, which cannot be kept with the group" if callable(field) else repr(field)
            raise TypeError(
                f"ordered_by takes a field (OrderPlaced.customer_id), a tuple of fields, or () for the whole group,"
                f" not {what}"
            )
        if without := names(cls for cls in classes if path.names[0] not in (fields_of(cls) or {})):
            raise ValueError(
                f"ordered_by={path} is no field of {', '.join(without)}, which the group wants too;"
                " every wanted class needs it: name only classes that have it, or order by ()"
            )
        paths.append(path.names)
    return Order(tuple(paths))


def definition_of(types: frozenset[str] | None, condition: Condition | None, order: Order | None) -> Definition:
    """What is kept with the group."""
    return Definition(
        None if types is None else tuple(sorted(types)),
        "" if condition is None else condition_text(condition),
        None if order is None else str(order),
    )
