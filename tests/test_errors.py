"""The exceptions, and what they know."""

from __future__ import annotations

import anyio
import pytest

import evenflow
from evenflow import Deadlock, EvenflowError, SlowSubscriber, SubjectClosed


@pytest.mark.parametrize(
    "name", ["SubjectClosed", "SlowSubscriber", "Deadlock", "Unsupported", "LogError", "DecodeError"]
)
def test_all_that_is_raised_on_purpose_has_one_base(name: str) -> None:
    """One `except EvenflowError` catches them all."""
    assert issubclass(getattr(evenflow, name), EvenflowError)


def test_a_closed_subject_is_a_closed_resource() -> None:
    """Code that catches the errors of anyio catches this one too."""
    assert issubclass(SubjectClosed, anyio.ClosedResourceError)


def test_facts_are_attributes() -> None:
    """Programs can read them there, and need not take the message apart."""
    assert SlowSubscriber("too slow", missed=3).missed == 3
    assert Deadlock("round and round", path=("a", "b")).path == ("a", "b")
