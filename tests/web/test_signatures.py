"""The options that type checkers know are those that the functions take."""

from __future__ import annotations

from inspect import signature

from evenflow.web import sse
from evenflow.web._signatures import EventOptions, ValueOptions


def test_the_options_for_checkers_are_those_of_the_function() -> None:
    """One that is added to either is added to both."""
    taken = {name for name in signature(sse).parameters if name not in ("request", "source", "wants")}
    assert set(EventOptions.__annotations__) == taken
    assert set(ValueOptions.__annotations__) <= taken
