"""How much of its history a subject keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evenflow import Event, fields
from evenflow.log._retain import Retain
from evenflow.testing import MemoryLog


class Tick(Event):
    symbol: str
    price: float = 0


def test_it_says_what_was_given() -> None:
    """Each limit can be given alone or with the others; what a group has still to acknowledge is kept by default."""
    whole = Retain(age=timedelta(days=30), events=10, last_by=Tick.symbol, unacked="drop")
    assert (whole.age, whole.events, whole.unacked) == (timedelta(days=30), 10, "drop")
    assert str(whole.key) == "Tick.symbol"
    assert whole.key is not None
    assert whole.key.read(Tick(symbol="x")) == "x"
    assert Retain(events=1) == Retain(events=1, unacked="keep")
    assert Retain(age=timedelta(1)).key is None


def test_it_is_equal_by_what_it_keeps() -> None:
    """Also by its field; a subject that is asked for with another one is refused as with any other option."""
    by_symbol = Retain(last_by=Tick.symbol)
    assert by_symbol == Retain(last_by=fields(Tick).symbol)
    assert hash(by_symbol) == hash(Retain(last_by=fields(Tick).symbol))
    assert by_symbol != Retain(last_by=Tick.price)
    assert by_symbol != Retain(events=1)
    assert by_symbol != "Tick.symbol"
    log = MemoryLog()
    ticks = log.subject("ticks", Tick, retain=by_symbol)
    assert log.subject("ticks", Tick, retain=Retain(last_by=Tick.symbol)) is ticks
    with pytest.raises(ValueError, match="has the subject 'ticks' already"):
        log.subject("ticks", Tick, retain=Retain(last_by=Tick.price))


def test_every_class_of_a_subject_needs_the_field_that_is_its_key() -> None:
    """Or publishing one without it would fail; a base of the class that has it may have other subclasses."""

    class Base(Event):
        """It has no symbol."""

    class Quote(Base):
        """It has one."""

        symbol: str

    class Beat(Event):
        """It has none either."""

    keep = Retain(last_by=Tick.symbol)
    for classes in ((Beat,), (Tick, Beat)):
        with pytest.raises(ValueError, match=r"last_by=Tick.symbol is no field of Beat"):
            MemoryLog().subject("ticks", *classes, retain=keep)
    MemoryLog().subject("quotes", Base, retain=Retain(last_by=Quote.symbol))


def test_a_field_can_be_read_with_fields() -> None:
    """As everywhere where a field is taken."""
    assert str(Retain(last_by=fields(Tick).symbol).key) == "Tick.symbol"


def test_it_is_frozen() -> None:
    """A subject may keep it."""
    with pytest.raises(AttributeError):
        Retain(events=1).events = 2  # type: ignore[misc]


def test_it_limits_something() -> None:
    """Without a limit it says nothing, and is refused with the way out."""
    with pytest.raises(ValueError, match=r"limits nothing.*leave retain= out"):
        Retain()
    with pytest.raises(ValueError, match="limits nothing"):
        Retain(unacked="drop")


@pytest.mark.parametrize(
    "limits, error, word",
    [
        ({"age": 30}, TypeError, r"timedelta\(days=30\)"),
        ({"age": timedelta(0)}, ValueError, "age must be more than 0"),
        ({"age": timedelta(-1)}, ValueError, "age must be more than 0"),
        ({"events": 0}, ValueError, "at least 1, not 0"),
        ({"events": 1.5}, TypeError, "whole number"),
        ({"events": True}, TypeError, "whole number"),
        ({"last_by": "symbol"}, TypeError, "last_by must be a field"),
        ({"last_by": lambda tick: tick.symbol}, TypeError, "a callable cannot be kept"),
        ({"events": 1, "unacked": "forget"}, ValueError, "'keep' or 'drop', not 'forget'"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(limits: Any, error: type[Exception], word: str) -> None:
    """With the value, and with what was expected."""
    with pytest.raises(error, match=word):
        Retain(**limits)
