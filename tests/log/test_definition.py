"""What a group is, written out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from evenflow import Event, one_of, present, when
from evenflow.log._definition import checked_order, condition_text, definition_of


class Colour(Enum):
    RED = "red"


class Address(Event):
    """A part of an event."""

    country: str | None = None


class Sold(Event, name="shop.sold"):
    """Something with fields of many kinds."""

    id: UUID = UUID(int=1)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal("1.50")
    colour: Colour = Colour.RED
    is_new: bool = False
    n: int = 1
    address: Address | None = None


class Tagged(Event):
    """Something with sets."""

    tags: frozenset[int] = frozenset()
    pairs: tuple[frozenset[int], int] = (frozenset(), 0)


class Bought(Event):
    """Another, with one field of the same name."""

    n: int = 1


@pytest.mark.parametrize(
    "condition, text",
    [
        (Sold.n > 1, "shop.sold.n > 1"),
        (Sold.is_new, "shop.sold.is_new"),
        (one_of(Sold.n, 1, 2), "one_of(shop.sold.n, 1, 2)"),
        (~when(Sold.is_new) & (Sold.n == 1), "(~(shop.sold.is_new)) & (shop.sold.n == 1)"),
        ((Sold.n == 1) | (Sold.price < Decimal(2)), "(shop.sold.n == 1) | (shop.sold.price < Decimal('2'))"),
        (present(Sold.address).country == "DE", "present(shop.sold.address).country == 'DE'"),
    ],
)
def test_a_condition_is_written_with_the_names_on_the_wire(condition: Any, text: str) -> None:
    """A class may be renamed in the program: what counts is what its events are called where they are stored."""
    assert condition_text(when(condition)) == text


def test_equal_keys_have_one_lane_and_others_have_others() -> None:
    """Whatever the field's type, in every process."""
    order = checked_order((Sold.id, Sold.at, Sold.price, Sold.colour, present(Sold.address).country), (Sold,))
    assert order is not None
    assert order.key_of(Sold()) == order.key_of(Sold(n=7))
    different = [Sold(price=Decimal(2)), Sold(address=Address(country="DE")), Sold(id=UUID(int=2))]
    assert len({order.key_of(event) for event in [Sold(), *different]}) == 4
    assert str(order) == "(id, at, price, colour, address.country)"


def test_equal_sets_are_written_alike_in_every_process() -> None:
    """In a condition and as a key: the order in which a set is run through is another one in each process."""
    one, other = frozenset([0, 8]), frozenset([8, 0])
    assert one == other
    assert list(one) != list(other)
    assert condition_text(when(Tagged.tags == one)) == "Tagged.tags == frozenset({0, 8})"
    for condition in (Tagged.tags == other, one_of(Tagged.tags, other)):
        assert "frozenset({0, 8})" in condition_text(when(condition))
    assert condition_text(when(Tagged.tags == frozenset[int]())) == "Tagged.tags == frozenset()"
    order = checked_order((Tagged.tags, Tagged.pairs), (Tagged,))
    assert order is not None
    assert order.key_of(Tagged(tags=one, pairs=(one, 1))) == order.key_of(Tagged(tags=other, pairs=(other, 1)))
    assert order.key_of(Tagged(tags=one)) != order.key_of(Tagged(tags=frozenset([0])))


@pytest.mark.parametrize(
    "one, other",
    [
        (Decimal("1.5"), Decimal("1.50")),
        (Decimal(100), Decimal("1E2")),
        (Decimal(0), Decimal("-0.00")),
        (Decimal("1E+2000000"), Decimal("10E+1999999")),
        (Decimal("0.1234567890123456789012345678901"), Decimal("0.12345678901234567890123456789010")),
        (0.0, -0.0),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
        ((Decimal("1.5"), (0.0,)), (Decimal("1.50"), (-0.0,))),
    ],
)
def test_keys_that_are_equal_have_one_lane_however_they_were_written(one: Any, other: Any) -> None:
    """Python says that they are equal, so their events are handled one after the other."""

    class Keyed(Event):
        """A field of any type."""

        key: Any

    order = checked_order(Keyed.key, (Keyed,))
    assert order is not None
    assert one == other
    assert order.key_of(Keyed(key=one)) == order.key_of(Keyed(key=other))


@pytest.mark.parametrize(
    "one, other",
    [
        (Decimal("0.1234567890123456789012345678901"), Decimal("0.1234567890123456789012345678902")),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
        (Decimal("NaN"), Decimal(0)),
        (Decimal("Infinity"), Decimal("-Infinity")),
    ],
)
def test_keys_that_differ_have_two_lanes(one: Any, other: Any) -> None:
    """However little they differ."""

    class Keyed(Event):
        """A field of any type."""

        key: Any

    order = checked_order(Keyed.key, (Keyed,))
    assert order is not None
    assert order.key_of(Keyed(key=one)) != order.key_of(Keyed(key=other))


def test_text_and_number_are_different_keys() -> None:
    """The key "1" is not the key 1."""

    class Mixed(Event):
        """A field of two types."""

        key: int | str

    order = checked_order(Mixed.key, (Mixed,))
    assert order is not None
    assert order.key_of(Mixed(key=1)) != order.key_of(Mixed(key="1"))


def test_a_field_of_one_class_orders_all_that_have_it() -> None:
    """Two classes that call it the same are one order; the whole group is one key."""
    order = checked_order(Sold.n, (Sold, Bought))
    assert order is not None
    assert order.key_of(Sold(n=3)) == order.key_of(Bought(n=3))
    whole = checked_order((), (Sold, Bought))
    assert whole is not None
    assert (whole.is_whole, whole.key_of(Sold())) == (True, whole.key_of(Bought(n=9)))
    assert checked_order(None, ()) is None
    with pytest.raises(ValueError, match="Bought"):
        checked_order(Sold.price, (Sold, Bought))
    with pytest.raises(TypeError, match="'n'"):
        checked_order("n", (Sold,))


def test_a_definition_says_what_a_group_is() -> None:
    """In the order in which it was written, or another, it is the same group."""
    one = definition_of(frozenset({"b", "a"}), when(Sold.n > 1), checked_order(Sold.n, (Sold,)))
    assert str(one) == "a | b where shop.sold.n > 1, ordered by n"
    assert one == definition_of(frozenset({"a", "b"}), when(Sold.n > 1), checked_order(Bought.n, (Bought,)))
    assert str(definition_of(None, None, None)) == "everything"
