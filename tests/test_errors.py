"""The exceptions, and what they know."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import anyio
import pytest

from evenflow import (
    Deadlock,
    DecodeError,
    EvenflowError,
    LogError,
    SlowSubscriber,
    SubjectClosed,
    Unsupported,
    _errors,
)
from evenflow._errors import Conflict, LeaseLost, OffsetExpired, Uncertain
from evenflow.log._offsets import Offset

PLACE, FLOOR = Offset("orders", "k3", 5), Offset("orders", "k3", 9)


@pytest.mark.parametrize(
    "name",
    [
        "SubjectClosed", "SlowSubscriber", "Deadlock", "Unsupported", "LogError", "DecodeError",
        "Uncertain", "Conflict", "LeaseLost", "OffsetExpired",
    ],
)  # fmt: skip
def test_all_that_is_raised_on_purpose_has_one_base(name: str) -> None:
    """One `except EvenflowError` catches them all."""
    assert issubclass(getattr(_errors, name), EvenflowError)


def test_a_closed_subject_is_a_closed_resource() -> None:
    """Code that catches the errors of anyio catches this one too."""
    assert issubclass(SubjectClosed, anyio.ClosedResourceError)


def test_facts_are_attributes() -> None:
    """Programs can read them there, and need not take the message apart."""
    assert SlowSubscriber("too slow", missed=3).missed == 3
    assert Deadlock("round and round", path=("a", "b")).path == ("a", "b")
    assert SlowSubscriber("too slow", offset=PLACE).offset == PLACE
    assert not hasattr(SlowSubscriber("in memory there is no offset"), "offset")


def test_a_failed_log_says_whether_it_has_stored() -> None:
    """False unless it is said; `Uncertain` is a `LogError` that does not know."""
    assert LogError("full").stored is False
    assert LogError("late", stored=True).stored is True
    assert Uncertain("gone").stored is None
    assert issubclass(Uncertain, LogError)


@pytest.mark.parametrize(
    "error, facts",
    [
        (Unsupported("no", missing=["schedule", "last_by"]), {"missing": ("schedule", "last_by")}),
        (LogError("no", stored=None), {"stored": None}),
        (Uncertain("no"), {"stored": None}),
        (DecodeError("no", offset=PLACE, type="T", version=2), {"offset": PLACE, "type": "T", "version": 2}),
        (DecodeError("no"), {"offset": None, "type": None, "version": None}),
        (Conflict("no", expected=1, affected=0), {"expected": 1, "affected": 0}),
        (LeaseLost("no", offset=PLACE, group="g", attempt=2), {"offset": PLACE, "group": "g", "attempt": 2}),
        (OffsetExpired(PLACE, FLOOR), {"offset": PLACE, "floor": FLOOR}),
        (SlowSubscriber("no", missed=3, offset=PLACE), {"missed": 3, "offset": PLACE}),
    ],
)
def test_the_errors_of_a_log_keep_their_facts_when_they_are_copied(error: Exception, facts: dict[str, Any]) -> None:
    """Pickled and copied, an error has the same words and the same attributes."""
    assert vars(error) == facts
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == facts


def test_an_expired_offset_names_both() -> None:
    """Where the reader stood, and up to where events may be gone."""
    assert "orders.k3.5" in str(OffsetExpired(PLACE, FLOOR))
    assert "orders.k3.9" in str(OffsetExpired(PLACE, FLOOR))
