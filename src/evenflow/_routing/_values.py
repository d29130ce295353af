"""Which values may be found by hash, and which by order, and still be answered exactly as Python would.

Rule 1: found by hash: where ``a == b`` can be known to mean ``hash(a) == hash(b)`` for all such values.
Rule 2: found by order: within a family, in which ``<`` is a total order, and outside of which Python refuses it.
Rule 3: where a type brings an ``==`` or ``<`` of its own, nothing can be known: such values are asked one by one.

    family      holds                                            beside it
    number      int, bool, float, Fraction                       compares with decimal
    decimal     Decimal                                          compares with number
    naive       datetime, no zone                                nothing
    aware       datetime, a fixed offset                         nothing (other zones: asked one by one)
    str, bytes, date, time, timedelta, UUID                      nothing
    NO_ORDER    None, complex, whatever has no < at all          nothing

A zone with changing offsets is in no family: Python compares such a datetime by the clock on the wall with one
of the same zone, and by UTC with any other, which together is no order.
"""

from __future__ import annotations

import ipaddress
import operator
import pathlib
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pydantic_core import TzInfo

if TYPE_CHECKING:
    from collections.abc import Callable

NO_ORDER: Final = "no order"

_EXACT: Final = 2**53
"""Up to here every whole number is a float."""

_NUMBERS: Final = ("number", "decimal")
_HASHED: Final[tuple[type, ...]] = (
    *(int, float, complex, Decimal, Fraction, str, bytes, date, datetime, time, timedelta, uuid.UUID),
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, pathlib.PurePath),
)
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

HASHED: Final = frozenset((*_HASHED, bool, type(None)))
"""The types whose values, and not those of their subclasses, may be found by hash without a second look."""

_hashed_subclasses: WeakKeyDictionary[type, bool] = WeakKeyDictionary()
_ordered_subclasses: WeakKeyDictionary[type, str] = WeakKeyDictionary()
_UNKNOWN: Final = "unknown"


def can_be_hashed(value: object, /) -> bool:
    """Whether a value may be found by hash, or as a key be found."""
    kind = type(value)
    if kind in HASHED:
        return True
    if kind is tuple or kind is frozenset:
        members: Any = value
        for member in members:  # noqa: SIM110 -- `all` of a generator takes twice as long
            if type(member) not in HASHED and not can_be_hashed(member):
                return False
        return True
    known = _hashed_subclasses.get(kind)
    if known is None:
        known = _hashed_subclasses[kind] = _hashes_as_inherited(kind)
    return known


def can_be_key(value: object, /) -> bool:
    """Whether a value may be kept to be found by hash: it can be hashed, and equals itself, unlike nan."""
    try:
        hash(value)
        return can_be_hashed(value) and bool(value == value)  # noqa: PLR0124 -- nan
    except Exception:  # noqa: BLE001 -- a signalling nan, a zone that raises: asked one by one
        return False


def _hashes_as_inherited(kind: Any) -> bool:
    """Subclasses of known types that change neither ``==`` nor ``hash``; whatever is equal to itself alone."""
    if kind.__eq__ is object.__eq__:
        return kind.__hash__ is not None
    return any(kind.__eq__ is known.__eq__ and kind.__hash__ is known.__hash__ for known in _HASHED)


def family(value: object, /) -> str | None:
    """The family in which a value is ordered; None where it must be asked one by one."""
    kind = type(value)
    found = _ORDERED.get(kind) or _ordered_subclasses.get(kind)
    if found is None:
        found = _ordered_subclasses[kind] = _ordered_as_inherited(kind)
    if found == "datetime" or found == "time":  # noqa: PLR1714 -- both are looked at for every event
        return _family_in_time(found, value)
    return None if found is _UNKNOWN else found


def _ordered_as_inherited(kind: Any) -> str:
    signs: tuple[Callable[[Any], object], ...] = tuple(
        operator.attrgetter(f"__{sign}__") for sign in ("lt", "le", "gt", "ge")
    )
    for known, name in _ORDERED.items():
        same_equality = known is object or kind.__eq__ is getattr(known, "__eq__")  # noqa: B009 -- for checkers
        if same_equality and all(sign(kind) is sign(known) for sign in signs):
            return name
    return _UNKNOWN


def _family_in_time(name: str, value: Any) -> str | None:
    zone = value.tzinfo
    if zone is None:
        return name
    return f"aware {name}" if type(zone) in _FIXED else None


def beside(found: str, /) -> tuple[str, ...]:
    """The families in which an event's value of this family is looked for."""
    return _NUMBERS if found in _NUMBERS else (found,)


def one_family(low: object, high: object, /) -> tuple[str, object, object] | None:
    """The family of both bounds of an interval, with the bounds as they compare there; None if there is none.

    ``None`` stands for a side that is open.
    """
    names = {family(bound) for bound in (low, high) if bound is not None}
    if names == set(_NUMBERS):
        if isinstance(low, Fraction) or isinstance(high, Fraction):
            return None
        low, high = Decimal(low), Decimal(high)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- both are numbers
        names = {"decimal"}
    if len(names) != 1:
        return None
    name = names.pop()
    if name is None or name == NO_ORDER or not all(_equals_itself(bound) for bound in (low, high)):
        return None
    if name == "number":
        low, high = as_float(low), as_float(high)
    return name, low, high


def as_float(number: Any, /) -> Any:
    """The number as a float where that is the same: Python compares two floats in half the time of any other two."""
    return float(number) if type(number) is int and -_EXACT <= number <= _EXACT else number


def _equals_itself(value: object) -> bool:
    try:
        return bool(value == value)  # noqa: PLR0124 -- nan
    except ArithmeticError:  # a signalling nan
        return False
