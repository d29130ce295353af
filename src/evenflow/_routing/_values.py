"""Which values can be found by hash, and which by order, so that the answer is exactly Python's own.

Rule 1: a value is found by hash only if ``a == b`` is known to mean ``hash(a) == hash(b)`` for all values of its type.
Rule 2: a value is found by order only within a family, in which ``<`` is a total order.
        Python refuses to order it with values outside of its family.
Rule 3: nothing is known about a type with an ``==`` or ``<`` of its own: for such values, conditions are asked.

    family      holds                                            compared with values of
    number      int, bool, float, Fraction                       number, decimal
    decimal     Decimal                                          number, decimal
    naive       datetime, no zone                                its own family
    aware       datetime, a fixed offset                         its own family
    str, bytes, date, time, timedelta, UUID                      its own family
    NO_ORDER    None, complex, nan, types without <              no family

A datetime in a zone with changing offsets is in no family. Python compares it by the clock on the wall with one
of the same zone, and by UTC with any other. The two together are no total order.

Nothing is remembered about subclasses here: that would be a cache of classes which must not keep them alive.
A table knows the types of its own keys.
"""

from __future__ import annotations

import ipaddress
import pathlib
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from operator import eq
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import TzInfo

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

NO_ORDER: Final = "no order"

_EXACT: Final = 2**53
"""Up to here every whole number is a float."""

_NUMBERS: Final = ("number", "decimal")
_IN_TIME: Final = frozenset({"datetime", "time"})
_ORDERED: Final[dict[type, str]] = {
    int: "number",
    bool: "number",
    float: "number",
    Fraction: "number",
    Decimal: "decimal",
    str: "str",
    bytes: "bytes",
    date: "date",
    datetime: "datetime",
    time: "time",
    timedelta: "timedelta",
    uuid.UUID: "UUID",
    complex: NO_ORDER,
    type(None): NO_ORDER,
    object: NO_ORDER,
}
_FIXED: Final = (timezone, TzInfo)

HASHED: Final = frozenset(
    (
        *(bool, int, float, complex, Decimal, Fraction, str, bytes, date, datetime, time, timedelta, uuid.UUID),
        *(ipaddress.IPv4Address, ipaddress.IPv6Address, pathlib.PurePath, type(None)),
    )
)
"""The types whose own values, though not those of every subclass, can be found by hash."""

_EQUALITY: Final = frozenset({"__eq__", "__hash__"})
_ORDER: Final = frozenset({"__lt__", "__le__", "__gt__", "__ge__"})


def can_be_hashed(value: object, trusted: AbstractSet[type] = HASHED, /) -> bool:
    """Whether an event's value can be looked up by hash; values of a ``trusted`` type are known to."""
    kind = type(value)
    if kind in trusted:
        return True
    if kind is tuple or kind is frozenset:
        members: Any = value
        # A loop, because `all` of a generator takes twice as long.
        for member in members:
            if type(member) not in trusted and not can_be_hashed(member):
                break
        else:
            return True
        return False
    for cls in kind.__mro__:
        if cls in HASHED:
            return True
        if not cls.__dict__.keys().isdisjoint(_EQUALITY):
            break
    # A value with the equality of `object` is equal to itself alone, so any hash will do.
    return kind.__eq__ is object.__eq__ and kind.__hash__ is not None


def can_be_key(value: object, /) -> bool:
    """Whether a value in a condition can be kept to be found by hash; nan cannot, because it is not equal to itself."""
    try:
        hash(value)
        return can_be_hashed(value) and bool(eq(value, value))
    except Exception:  # noqa: BLE001 -- a signalling nan raises, and a time zone of the user's may raise anything
        return False


def family(value: object, /) -> str | None:
    """The family in which a value is ordered; None if nothing is known about its order."""
    kind = type(value)
    found = _ORDERED.get(kind) or _family_of_base(kind)
    if found in _NUMBERS:
        # Only nan is not equal to itself.
        return found if eq(value, value) else NO_ORDER
    return _family_in_time(found, value) if found in _IN_TIME else found


def _family_of_base(kind: type) -> str | None:
    """The family of the first known base class, if no class before it has an ``==`` or an order of its own."""
    own = False
    for cls in kind.__mro__:
        if cls in _ORDERED:
            return None if own and cls is not object else _ORDERED[cls]
        if not cls.__dict__.keys().isdisjoint(_ORDER):
            return None
        own = own or "__eq__" in cls.__dict__
    return None


def _family_in_time(name: str, value: Any) -> str | None:
    zone = value.tzinfo
    if zone is None:
        return name
    return f"aware {name}" if type(zone) in _FIXED else None


def beside(found: str, /) -> tuple[str, ...]:
    """The families with which a value of this family is compared."""
    return _NUMBERS if found in _NUMBERS else (found,)


def one_family(low: Any, high: Any, /) -> tuple[str, Any, Any] | None:
    """The family of both bounds of an interval, and the bounds as they compare there; None if there is no such family.

    None stands for a side without a bound.
    """
    try:
        names = {family(bound) for bound in (low, high) if bound is not None}
    except ArithmeticError:
        # One of them is a signalling nan.
        return None
    if names == set(_NUMBERS):
        if isinstance(low, Fraction) or isinstance(high, Fraction):
            return None
        low, high, names = Decimal(low), Decimal(high), {"decimal"}
    if len(names) != 1:
        return None
    name = names.pop()
    if name is None or name == NO_ORDER:
        return None
    return (name, as_float(low), as_float(high)) if name == "number" else (name, low, high)


def as_float(number: Any, /) -> Any:
    """The number as a float, if that is the same number. Python compares two floats in half the time of other pairs."""
    return float(number) if type(number) is int and -_EXACT <= number <= _EXACT else number
