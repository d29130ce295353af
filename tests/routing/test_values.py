"""Which values can be found by hash, and which by order."""

from __future__ import annotations

import enum
import gc
import weakref
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from evenflow._routing._values import as_float, can_be_hashed, can_be_key, family, one_family
from tests.routing.kit import Contrary


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    A = "a"


class Stamp(datetime):
    """A datetime that changes nothing."""


class Unlike(int):
    """A number that equals nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 3


class Upside(int):
    """A number with another order."""

    def __lt__(self, other: int) -> bool:
        return int(self) > int(other)


class Oddly(str):
    """A text with another hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 3


@pytest.mark.parametrize(
    "value, hashed, key, order",
    [
        (1, True, True, "number"),
        (True, True, True, "number"),
        (1.5, True, True, "number"),
        (float("nan"), True, False, "no order"),
        (Decimal(1), True, True, "decimal"),
        (Fraction(1), True, True, "number"),
        (1j, True, True, "no order"),
        (None, True, True, "no order"),
        ("x", True, True, "str"),
        ((1, "x"), True, True, None),
        ((1, [2]), False, False, None),
        ([1], False, False, None),
        (Contrary(), False, False, None),
        (datetime(2026, 1, 1), True, True, "datetime"),  # noqa: DTZ001 -- no zone, on purpose
        (datetime(2026, 1, 1, tzinfo=UTC), True, True, "aware datetime"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), True, True, None),
        (Colour.RED, True, True, "no order"),
        (Level.LOW, True, True, "number"),
        (Word.A, True, True, "str"),
        (Unlike(3), False, False, None),
        (Upside(3), True, True, None),
        (Oddly("x"), False, False, "str"),
        (Stamp(2026, 1, 1), True, True, "datetime"),
        (Path("x"), True, True, None),
        (Decimal("NaN"), True, False, "no order"),
        (object(), True, True, "no order"),
        (int, True, True, "no order"),
        (bytearray(b"x"), False, False, None),
    ],
)
def test_which_values_can_be_found(value: Any, hashed: bool, key: bool, order: str | None) -> None:
    """A value is found by hash, kept as a key, or found by order, unless its type has an `==` or `<` of its own."""
    assert can_be_hashed(value) is hashed
    assert can_be_key(value) is key
    assert family(value) == order


def test_bounds_of_one_family() -> None:
    """A Decimal and another number are compared as Decimals; a Fraction and a Decimal have no common order."""
    assert one_family(1, Decimal("2.5")) == ("decimal", Decimal(1), Decimal("2.5"))
    assert one_family(1, 2.5) == ("number", 1, 2.5)
    assert one_family(None, "x") == ("str", None, "x")
    assert one_family(Fraction(1, 3), Decimal(1)) is None
    assert one_family(1, "x") is None
    assert one_family(None, None) is None
    assert one_family(1, float("nan")) is None
    assert one_family(Decimal("sNaN"), None) is None


@pytest.mark.parametrize("number", [0, 2**53, -(2**53), 2**53 + 1, -(2**53) - 1, 10**400, True, 2.5, Decimal(1)])
def test_a_number_becomes_a_float_only_if_it_stays_the_same(number: Any) -> None:
    """Comparing floats is quicker, but must not change an answer."""
    assert as_float(number) == number
    assert type(as_float(number)) is (float if type(number) is int and abs(number) <= 2**53 else type(number))


def test_looking_at_a_value_does_not_keep_its_class_alive() -> None:
    """Classes that a program makes and forgets can be collected."""

    class Passing(int):
        pass

    assert can_be_hashed(Passing(1))
    assert family(Passing(1)) == "number"
    kept = weakref.ref(Passing)
    del Passing
    gc.collect()
    assert kept() is None
