"""The tree of exceptions, and the facts that they carry."""

from __future__ import annotations

import anyio
import pytest

import evenflow
from evenflow import Deadlock, EvenflowError, SlowSubscriber, SubjectClosed


@pytest.mark.parametrize(
    "name", ["SubjectClosed", "SlowSubscriber", "Deadlock", "Unsupported", "LogError", "DecodeError"]
)
def test_all_that_is_raised_on_purpose_has_one_base(name: str) -> None:
    """So that one `except` is enough."""
    assert issubclass(getattr(evenflow, name), EvenflowError)


def test_a_closed_subject_is_a_closed_resource() -> None:
    """Code that knows anyio knows what happened."""
    assert issubclass(SubjectClosed, anyio.ClosedResourceError)


def test_facts_are_attributes() -> None:
    """The message is for people."""
    assert SlowSubscriber("too slow", missed=3).missed == 3
    assert Deadlock("round and round", path=("a", "b")).path == ("a", "b")
