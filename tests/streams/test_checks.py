"""Arguments that an operator refuses where the chain is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import interval, stream


@pytest.mark.parametrize("count", [-1, 1.5, True, "2", None])
@pytest.mark.parametrize("name", ["take", "skip", "take_last", "batches", "repeat", "retry"])
def test_a_count_that_is_none_is_refused(name: str, count: Any) -> None:
    """A count must be an integer, and large enough."""
    if count is None and name in {"batches", "repeat"}:
        return  # there it has a meaning
    with pytest.raises((TypeError, ValueError), match=name):
        getattr(stream([1]), name)(count)


@pytest.mark.parametrize("seconds", [-1, "1", None, True, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["debounce", "throttle", "sample", "delay", "timeout"])
def test_a_duration_that_is_none_is_refused(name: str, seconds: Any) -> None:
    """A duration must be a number, not negative, and finite."""
    with pytest.raises((TypeError, ValueError), match=f"{name} expected"):
        getattr(stream([1]), name)(seconds)


@pytest.mark.parametrize("make", [lambda: stream([1]).sample(0), lambda: stream([1]).throttle(0), lambda: interval(0)])
def test_no_time_at_all_is_refused_where_it_makes_no_sense(make: Callable[[], object]) -> None:
    """``sample``, ``throttle`` and ``interval`` need more than 0 seconds."""
    with pytest.raises(ValueError, match="more than 0"):
        make()
