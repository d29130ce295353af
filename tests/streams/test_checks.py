"""Arguments that an operator refuses where the chain is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evenflow.streams import interval, stream, timer


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


DURATIONS: dict[str, Callable[[float], object]] = {
    "debounce": lambda seconds: stream([1]).debounce(seconds),
    "throttle": lambda seconds: stream([1]).throttle(seconds),
    "throttle, trailing": lambda seconds: stream([1]).throttle(seconds, trailing=True),
    "sample": lambda seconds: stream([1]).sample(seconds),
    "delay": lambda seconds: stream([1]).delay(seconds),
    "timeout": lambda seconds: stream([1]).timeout(seconds),
    "batches": lambda seconds: stream([1]).batches(within=seconds),
    "batches, aligned": lambda seconds: stream([1]).batches(within=seconds, aligned=True),
    "retry": lambda seconds: stream([1]).retry(2, wait=seconds),
    "interval": interval,
    "timer": timer,
}
"""Everything that takes a duration."""

NEED_TIME = {"throttle", "throttle, trailing", "sample", "batches, aligned", "interval"}
"""What would do the same for ever in no time."""


@pytest.mark.parametrize("name", DURATIONS)
def test_a_negative_duration_is_refused_where_it_is_written(name: str) -> None:
    """No operator and no source takes a time that is over for now, as Rx does: mostly it is a mistake."""
    with pytest.raises(ValueError, match=rf"{name.partition(',')[0]} expected .* seconds, not -1"):
        DURATIONS[name](-1)


@pytest.mark.parametrize("name", DURATIONS)
def test_no_time_at_all_is_refused_where_it_makes_no_sense(name: str) -> None:
    """``sample``, ``throttle``, ``interval`` and windows need more than 0 seconds; for all others 0 is at once."""
    if name not in NEED_TIME:
        DURATIONS[name](0)
        return
    with pytest.raises(ValueError, match=rf"{name.partition(',')[0]} expected more than 0 seconds, not 0"):
        DURATIONS[name](0)


def test_a_refused_duration_leaves_the_source_free() -> None:
    """Another operator can be put on it."""
    source = stream([1])
    with pytest.raises(ValueError, match="sample"):
        source.sample(0)
    source.sample(1)
