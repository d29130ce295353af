"""What a handler says of itself: which events it takes, and where it was written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from evenflow import Event
from evenflow._handlers import check_handler, refuse_other_annotation, wants_of_handler, written_at


class Order(Event):
    """An event."""


class BigOrder(Order):
    """A kind of order."""


class Note(Event):
    """No order."""


def takes_order(order: Order) -> None:
    """Its annotation is a text, as everywhere in this file."""


async def takes_order_async(order: Order) -> None:
    """Async handlers say the same."""


def takes_either(event: Order | Note) -> None:
    """A union."""


def takes_anything(event) -> None:  # type: ignore[no-untyped-def]
    """It says nothing."""


def takes_more(order: Order, times: int = 1, *rest: Note) -> None:
    """It can be called with one event."""


def takes_two(first: Order, second: Order) -> None:
    """It cannot be called with one event."""


def takes_none() -> None:
    """Nor can this."""


def generates(order: Order) -> Any:
    """It does nothing when it is called."""
    yield order


async def generates_async(order: Order) -> Any:
    """Nor does this."""
    yield order


def misspelt(order: Ordr) -> None:  # type: ignore[name-defined]  # noqa: F821 -- that is what is tested
    """Its annotation cannot be read."""


class Handler:
    """An object that can be called."""

    def __call__(self, order: Order) -> None:
        """Handle."""

    def method(self, order: Order) -> None:
        """Handle."""


def wrapped(function: Callable[..., None]) -> Callable[..., None]:
    """A decorator that keeps the signature."""

    @functools.wraps(function)
    def inner(*args: Any) -> None:
        function(*args)

    return inner


def second_bound(times: int, order: Order) -> None:
    """Its event is the second argument."""


WANTS: dict[str, tuple[Any, object]] = {
    "a function": (takes_order, Order),
    "an async function": (takes_order_async, Order),
    "a union": (takes_either, Order | Note),
    "no annotation": (takes_anything, None),
    "a lambda": (lambda event: None, None),
    "more arguments that may be left out": (takes_more, Order),
    "an object": (Handler(), Order),
    "a method": (Handler().method, Order),
    "a partial": (functools.partial(takes_order), Order),
    "a partial of a later argument": (functools.partial(second_bound, 3), Order),
    "a decorated function": (wrapped(takes_order), Order),
    "a builtin": (print, None),
    "a method of a builtin": ([].append, None),
}


@pytest.mark.parametrize("name", WANTS)
def test_what_a_handler_takes_is_read_off_its_first_parameter(name: str) -> None:
    """However it is written; None where nothing is said."""
    handler, wants = WANTS[name]
    assert wants_of_handler(handler) == wants


REFUSED: dict[str, tuple[Any, str]] = {
    "no function": (3, "an observer is a function that takes an event, not 3"),
    "two events": (takes_two, "cannot be called with one event"),
    "no event": (takes_none, "cannot be called with one event"),
    "a generator": (generates, "an observer has no yield"),
    "an async generator": (generates_async, "an observer has no yield"),
    "a misspelt annotation": (misspelt, "name what it wants instead"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_handle_one_event_is_refused_with_the_way_out(name: str) -> None:
    """When it is made an observer, not at its first event."""
    handler, says = REFUSED[name]
    with pytest.raises(TypeError) as caught:
        wants_of_handler(handler)
    assert says in str(caught.value)


def handler_of(annotation: object) -> Any:
    """A handler whose parameter has this annotation."""

    def handler(event: Any) -> None:
        """Handle it."""

    handler.__annotations__["event"] = annotation
    return handler


@pytest.mark.parametrize(
    "wants, annotated",
    [
        ((Order,), Order),
        ((BigOrder,), Order),
        ((Order, Note), Order | Note),
        ((Order,), Any),
        ((Order,), "text"),
        ((Order,), "OnlyTheTypeCheckerKnows"),
    ],
)
def test_a_handler_is_given_what_its_annotation_takes(wants: tuple[Any, ...], annotated: object) -> None:
    """Subclasses, parts of a union, and whatever an annotation may take that is no class, or cannot be read."""
    refuse_other_annotation(handler_of(annotated), wants)


def test_a_handler_is_not_given_what_its_annotation_does_not_take() -> None:
    """The error names the handler, what it takes, and what it would be given."""
    with pytest.raises(TypeError, match="takes_order takes Order, and Note is none"):
        refuse_other_annotation(takes_order, (Order, Note))


def test_only_the_annotation_of_the_first_parameter_is_read() -> None:
    """The others may name what only a type checker knows."""

    def handler(order: Order, to: OnlyTheTypeCheckerKnows = ()) -> OnlyTheTypeCheckerKnows: ...  # type: ignore[name-defined]  # noqa: F821

    assert wants_of_handler(handler) is Order


def test_a_class_is_no_handler() -> None:
    """Whoever gives one has forgotten the function."""
    with pytest.raises(TypeError, match="Order is a class, and an observer is a function"):
        check_handler(Order)


@pytest.mark.parametrize("handler", [takes_order, functools.partial(takes_order), wrapped(takes_order)])
def test_where_a_handler_was_written_is_where_its_own_code_is(handler: Any) -> None:
    """A partial and a decorator are looked through."""
    assert written_at(handler) == (__file__, takes_order.__code__.co_firstlineno)


def test_an_object_was_written_where_its_call_is() -> None:
    """Its class has the code."""
    assert written_at(Handler()) == (__file__, Handler.__call__.__code__.co_firstlineno)


def test_a_builtin_does_not_say_where_it_was_written() -> None:
    """There is neither file nor line."""
    assert written_at([].append) == ("", 0)
