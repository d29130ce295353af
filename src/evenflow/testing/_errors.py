"""What goes wrong in a test, rather than in the code it tests."""

from __future__ import annotations

from evenflow._errors import EvenflowError


class Stuck(EvenflowError, AssertionError):
    """The test waits for something that will never happen, or not within its limit of virtual time."""
