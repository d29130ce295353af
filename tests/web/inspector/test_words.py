from __future__ import annotations

from typing import Any

import pytest

from evenflow import Condition, Subject, one_of, when
from evenflow._conditions import Condition as AnyCondition
from evenflow.web._inspector import _words as words

from .kit import Order, Shipped

SECRET = "hunter2"


@pytest.mark.parametrize(
    "condition, said",
    [
        (when(Order.region == SECRET), "region == …"),
        ((Order.region == SECRET) & (Order.total > 77.5), "region == … & total > …"),
        (
            (Order.region == SECRET) | (Order.total > 77.5) & (Order.total < 88.5),
            "region == … | (total > … & total < …)",
        ),
        (~when(Order.region == SECRET), "~(region == …)"),
        (one_of(Order.region, SECRET, "x"), "region in …"),
    ],
)
def test_without_contents_a_condition_is_its_fields_and_operators(condition: Any, said: str) -> None:
    """No value that somebody has written into a condition is shown."""
    assert words.condition(condition, contents=False) == said


def test_with_contents_a_condition_is_as_it_was_written() -> None:
    """With contents its values are shown."""
    condition = when(Order.region == SECRET)
    assert SECRET in words.condition(condition, contents=True)


def test_a_value_whose_repr_raises_is_not_shown() -> None:
    """A repr is a user's code: where it raises, the value is left out."""

    class Odd(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise ValueError(SECRET)

    assert words.condition(when(Order.region == Odd("x")), contents=True) == "region == …"


def test_a_condition_of_an_unknown_kind_is_hidden() -> None:
    """What is not known to be harmless is not shown."""

    class Strange(AnyCondition):
        def __repr__(self) -> str:
            return SECRET

    condition: Condition = Strange((Order,), "x")
    assert words.condition(condition, contents=False) == "…"


def test_wants_are_classes_and_a_condition() -> None:
    """Wants are said as classes, with what narrows them."""
    subject = Subject(Order, Shipped)
    interest = subject._life.members.interest
    assert words.wants(interest((), None), contents=False) == "everything"
    assert words.wants(interest((Order, Shipped), None), contents=False) == "Order | Shipped"
    assert words.wants(interest((Order,), Order.region == SECRET), contents=False) == "Order where region == …"
    assert words.wants(interest((Order,), lambda order: True), contents=False) == "Order where a callable says so"


def test_what_a_log_keeps_of_a_group_is_shown_without_its_values() -> None:
    """A log keeps a condition as a text, with its values: without contents only what comes before it is shown."""
    kept = f"Order where Order.region == '{SECRET}, ordered by x', ordered by Order.region"
    assert words.stored_wants(kept, None, contents=False) == "Order where …"
    assert words.stored_wants(kept, when(Order.region == SECRET), contents=False) == "Order where region == …"
    assert words.stored_wants(kept, None, contents=True) == kept
    assert words.stored_wants("Order", None, contents=False) == "Order"


def _raise(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def test_without_contents_an_error_is_its_class_and_line() -> None:
    """The message of an error may have a value in it; its class and its line have none."""
    what, where = words.error(_raise(ValueError(SECRET)), contents=False)
    assert what == "ValueError"
    assert where.startswith("inspector/test_words.py:") and where.endswith(" in _raise")
    assert words.error(ValueError(SECRET), contents=False) == ("ValueError", "")
    assert words.error(ValueError(SECRET), contents=True) == (f"ValueError: {SECRET}", "")


def test_long_texts_are_cut() -> None:
    """A condition of a thousand parts, and an event of a megabyte, are cut."""
    condition = when(Order.total > 1)
    for number in range(1_000):
        condition |= Order.total == number
    assert len(words.condition(condition, contents=False)) == words.LONGEST
    assert len(words.event(Order(region="x" * 1_000_000, total=1))) == words.LONGEST_CONTENTS


def test_an_event_is_shown_as_json_or_as_it_shows_itself() -> None:
    """A model is JSON, anything else its repr, and a repr that raises harms nobody."""

    class Odd:
        def __repr__(self) -> str:
            raise ValueError(SECRET)

    assert words.event(Order(region="eu", total=2)) == '{"region":"eu","total":2.0}'
    assert words.event({"a": 1}) == "{'a': 1}"
    assert "whose repr raised ValueError" in words.event(Odd())
    assert SECRET not in words.event(Odd())


def test_a_place_is_short() -> None:
    """A place is the end of a path and a line; where nobody knows it is nothing."""
    assert words.place(("/home/me/shop/orders.py", 12)) == "shop/orders.py:12"
    assert words.place(("", 0)) == ""
