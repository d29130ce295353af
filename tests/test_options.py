"""The options of a subscription: what they may be, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow import Event
from evenflow._options import (
    checked_buffer,
    checked_key,
    checked_name,
    checked_overflow,
    checked_reader,
    checked_seconds,
    whole,
)
from evenflow._routing import Interest


class Tick(Event):
    """A price."""

    symbol: str


class Other(Event):
    """No price."""


class Later:
    """Cannot be a key either, because calling it is async."""

    async def __call__(self, _: Any) -> str:
        return ""


async def later(_: Any) -> str:
    """Cannot be a key, because it is async."""
    return ""


@pytest.mark.parametrize(
    "check,value,error,says",
    [
        (checked_name, "a\nb", ValueError, "one line of text"),
        (checked_name, "a\x1b[31m", ValueError, "one line of text"),
        (checked_buffer, 0, ValueError, "at least 1, not 0"),
        (checked_buffer, True, TypeError, "not True"),
        (checked_buffer, "64", TypeError, "'64'"),
        (checked_buffer, 1.0, TypeError, "whole number"),
        (lambda value: checked_overflow(value, conflated=False), "blok", ValueError, "'drop_oldest'"),
        (lambda value: checked_seconds(value, "stall_after"), 0, ValueError, "math.inf"),
        (lambda value: checked_seconds(value, "stall_after"), float("nan"), ValueError, "more than 0"),
        (lambda value: checked_seconds(value, "stall_after"), "5", TypeError, "seconds"),
        (checked_name, 7, TypeError, "str"),
        (lambda value: checked_key(value, "conflate"), "symbol", TypeError, "Tick.symbol"),
        (lambda value: checked_key(value, "conflate"), later, TypeError, "async"),
        (lambda value: checked_key(value, "conflate"), Later(), TypeError, "async"),
        (lambda value: checked_key(value, "conflate", (Tick, Other)), Tick.symbol, ValueError, "no field of Other"),
        (lambda value: whole(value, "replay", 0), -1, ValueError, "replay must be at least 0"),
    ],
)
def test_nonsense_is_refused_with_the_value_and_the_way_out(check: Any, value: object, error: type, says: str) -> None:
    """The error says what was given, and what is expected instead."""
    with pytest.raises(error) as caught:
        check(value)
    assert says in str(caught.value)


def test_conflating_drops_the_oldest_by_default_and_everything_else_blocks() -> None:
    """A policy that is named is taken."""
    assert checked_overflow(None, conflated=True) == "drop_oldest"
    assert checked_overflow(None, conflated=False) == "block"
    assert checked_overflow("disconnect", conflated=True) == "disconnect"


def test_a_key_is_a_field_or_a_callable() -> None:
    """Both read the key of an event."""
    tick = Tick(symbol="abc")
    for key in (Tick.symbol, lambda event: event.symbol):
        read = checked_key(key, "conflate")
        assert read is not None
        assert read(tick) == "abc"
    assert checked_key(None, "conflate") is None


def test_a_field_that_other_classes_have_too_is_a_key_of_theirs() -> None:
    """The field is read by its name, of every event that has it."""

    class Quote(Event):
        symbol: str

    class Plain:
        pass

    for classes in [(Tick, Quote), (Event,), (Tick, Plain), ()]:
        assert checked_key(Tick.symbol, "conflate", classes) is not None


@pytest.mark.parametrize("asks", [True, False])
def test_a_reader_has_the_functions_that_must_be_asked_and_a_buffer_as_it_was_given(asks: bool) -> None:
    """A condition that the index answers is no function of its own."""
    functions, options = checked_reader(
        Interest((Tick,), None, asks=asks), (Event,), bool, buffer=3, conflate=Tick.symbol, name="ticks"
    )
    assert functions.where is (bool if asks else None)
    assert functions.key is not None
    assert options == {"capacity": 3, "overflow": "drop_oldest", "name": "ticks"}


def test_a_key_must_be_a_field_of_what_a_reader_wants() -> None:
    """Or, where it names nothing, of what its subject carries."""
    checked_reader(Interest((Tick,), None, asks=False), (Tick, Other), conflate=Tick.symbol)
    with pytest.raises(ValueError, match="no field of Other"):
        checked_reader(Interest((), None, asks=False), (Tick, Other), conflate=Tick.symbol)
