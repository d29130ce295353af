"""Fields read on the class: what they stand for, how they print, and what cannot be done with them."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from evenflow import Condition, Event, one_of, present
from evenflow._comparable import path_of


class Address(BaseModel):
    city: str = "Bonn"


class Customer(BaseModel):
    country: str = "de"
    address: Address | None = None


class Order(Event):
    number: int = 1
    total: Decimal = Decimal(5)
    paid: bool = False
    gift: bool | None = None
    customer: Customer | None = None


NUMBER: Any = Order.number
CUSTOMER: Any = Order.customer


@pytest.mark.parametrize(
    "field, text",
    [
        (Order.number, "Order.number"),
        (CUSTOMER.address.city, "Order.customer.address.city"),
        (present(Order.customer).country, "present(Order.customer).country"),
        (present(CUSTOMER.address).city, "present(Order.customer.address).city"),
        (present(present(CUSTOMER).address).city, "present(present(Order.customer).address).city"),
    ],
)
def test_a_field_prints_as_it_is_written(field: Any, text: str) -> None:
    """Its text is the expression that makes it."""
    assert repr(field) == text
    assert repr(eval(text)) == text


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda field: pickle.loads(pickle.dumps(field))])
def test_a_field_can_be_copied_and_pickled(make: Any) -> None:
    """The copy stands for the same field."""
    copied = make(CUSTOMER.country)
    assert repr(copied == "de") == repr(CUSTOMER.country == "de")
    assert hash(copied) == hash(CUSTOMER.country)


def test_the_path_of_a_field_is_known_and_nothing_else_has_one() -> None:
    """Options that take a field or a callable tell them apart by it."""
    path = path_of(CUSTOMER.country)
    assert path is not None
    assert (path.owner, path.names) == (Order, ("customer", "country"))
    assert path_of("number") is None
    assert path_of(lambda event: event.number) is None
    assert path_of(NUMBER == 1) is None


@pytest.mark.parametrize("word", ["==", "!=", "<", "<=", ">", ">="])
def test_comparing_a_field_makes_a_condition(word: str) -> None:
    """Each operator makes a condition that prints as it was written, from either side."""
    condition = eval(f"NUMBER {word} 3")
    assert isinstance(condition, Condition)
    assert repr(condition) == f"Order.number {word} 3"
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(word, word)
    assert eval(f"3 {mirrored} NUMBER") == condition


def test_a_bool_field_is_joined_as_the_condition_that_it_is() -> None:
    """On either side of `&` and `|`, and under `~`."""
    paid: Any = Order.paid
    for text in ("{} & {}", "{} | {}"):
        for sides in (("paid", "paid"), ("paid", "(NUMBER == 1)"), ("(NUMBER == 1)", "paid")):
            joined = eval(text.format(*sides))
            assert repr(joined) == text.format(*sides).replace("paid", "Order.paid").replace("NUMBER", "Order.number")
    assert repr(~paid) == "~Order.paid"


@pytest.mark.parametrize(
    "expression",
    [
        *(f"NUMBER {sign} 2" for sign in ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "^", "@")),
        *(f"2 {sign} NUMBER" for sign in ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "^", "@")),
        *("-NUMBER", "+NUMBER", "abs(NUMBER)", "int(NUMBER)", "float(NUMBER)", "complex(NUMBER)", "[1][NUMBER]"),
        *("len(NUMBER)", "iter(NUMBER)", "reversed(NUMBER)", "1 in NUMBER", "NUMBER[0]", "divmod(NUMBER, 2)"),
    ],
)
def test_computing_with_a_field_is_refused_with_the_way_out(expression: str) -> None:
    """A field is not a value; the error says to use a callable."""
    with pytest.raises(TypeError, match=r"use a callable: where=lambda event"):
        eval(expression)


def test_a_field_has_no_truth_value() -> None:
    """`if Order.paid` would always be true, so it is refused."""
    with pytest.raises(TypeError, match=r"use & \| ~ for"):
        bool(Order.paid)


def test_a_field_has_no_private_attributes() -> None:
    """Names with an underscore are not looked up as fields, so that copying and mocking work."""
    assert not hasattr(NUMBER, "_private")
    assert not hasattr(NUMBER, "__wrapped__")


@pytest.mark.parametrize(
    "field, way",
    [(Order.gift, r"write present\(Order.gift\)"), (Order.total, "compare it: Order.total == ...")],
)
def test_a_field_that_is_not_a_bool_is_no_condition_by_itself(field: Any, way: str) -> None:
    """The error says what to write instead."""
    with pytest.raises(TypeError, match=way):
        _ = ~field


def test_present_takes_the_none_out_of_a_field() -> None:
    """After that, comparing with None is nonsense, and the bool field is a condition."""
    assert repr(~present(Order.gift)) == "~present(Order.gift)"  # type: ignore[operator]
    with pytest.raises(TypeError, match="can never hold"):
        eval("present(CUSTOMER) == None")
    assert one_of(CUSTOMER, None)(Order())
