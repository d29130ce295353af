"""The error of a test that hangs."""

from __future__ import annotations

import pytest

from evenflow import EvenflowError
from evenflow.testing import Stuck


def test_a_test_that_is_stuck_has_failed() -> None:
    """It is an AssertionError, so test runners report a failure, and it is an error of evenflow."""
    with pytest.raises(AssertionError, match="every task waits"):
        raise Stuck("every task waits")
    with pytest.raises(EvenflowError):
        raise Stuck("every task waits")
