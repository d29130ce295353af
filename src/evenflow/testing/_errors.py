"""Errors of a test, not of the code that it tests."""

from __future__ import annotations

from evenflow._errors import EvenflowError


class Stuck(EvenflowError, AssertionError):
    """The test waits for something that never happens, or not within its limit of virtual time."""
