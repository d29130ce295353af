"""How long to wait before an event is tried again."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from evenflow.log._backoff import DEFAULT, checked_backoff, checked_wait, delay, exponential


@pytest.mark.parametrize("attempt", range(1, 13))
def test_the_default_doubles_up_to_ten_minutes(attempt: int) -> None:
    """1 s after the first attempt, doubled each time, at most 600 s; with jitter, so that no two are the same."""
    plain = min(600, 2 ** (attempt - 1))
    waits = [delay(DEFAULT, attempt) for _ in range(200)]
    assert all(0.9 * plain <= wait <= min(600, 1.1 * plain) for wait in waits)
    assert len(set(waits)) > 50


def test_twelve_attempts_take_half_an_hour() -> None:
    """A database that restarts makes no dead letters."""
    totals = [sum(exponential(attempt) for attempt in range(1, 12)) for _ in range(50)]
    assert 1_500 < statistics.mean(totals) < 2_100


def test_the_default_has_no_largest_attempt() -> None:
    """The millionth attempt waits ten minutes too."""
    assert 540 <= delay(DEFAULT, 1_000_000) <= 600


def test_a_number_is_the_same_for_each_attempt() -> None:
    """0 is allowed: at once."""
    assert [delay(checked_backoff(2), attempt) for attempt in (1, 2, 9)] == [2.0, 2.0, 2.0]
    assert delay(checked_backoff(0), 1) == 0


def test_the_last_of_a_sequence_is_repeated() -> None:
    """One for each attempt, and then the last again and again."""
    backoff = checked_backoff([1, 5, 30.5])
    assert [delay(backoff, attempt) for attempt in (1, 2, 3, 4, 100)] == [1, 5, 30.5, 30.5, 30.5]


def test_a_sequence_is_copied() -> None:
    """What the caller changes afterwards changes nothing."""
    mine = [1.0]
    backoff = checked_backoff(mine)
    mine.clear()
    assert delay(backoff, 1) == 1


def test_a_function_is_asked_with_the_attempt() -> None:
    """1 is the first."""
    backoff = checked_backoff(lambda attempt: attempt * 10)
    assert [delay(backoff, attempt) for attempt in (1, 2, 3)] == [10, 20, 30]


@pytest.mark.parametrize("wait", [-1, math.nan, math.inf, -math.inf])
def test_a_wait_is_finite_and_not_negative(wait: float) -> None:
    """In a number, in a sequence, and from a function."""
    with pytest.raises(ValueError, match="0 seconds or more, and finite"):
        checked_backoff(wait)
    with pytest.raises(ValueError, match="0 seconds or more, and finite"):
        checked_backoff([1, wait])
    with pytest.raises(ValueError, match="the function of retry_after returns for attempt 3"):
        delay(checked_backoff(lambda attempt: wait), 3)


@pytest.mark.parametrize("backoff", ["1", b"1", None, True, {1.0}])
def test_anything_else_is_a_type_error(backoff: Any) -> None:
    """A text is no sequence of numbers, and a bool no number."""
    with pytest.raises(TypeError, match="a number of seconds, a sequence of them or a function"):
        checked_backoff(backoff)


@pytest.mark.parametrize("backoff", [[None], ["1"], [[1]]])
def test_a_sequence_holds_numbers(backoff: Any) -> None:
    """What is in it can be nothing else, and the error says no other thing."""
    with pytest.raises(TypeError, match="each of retry_after must be a number of seconds, not"):
        checked_backoff(backoff)


def test_a_function_that_returns_no_number_is_a_type_error() -> None:
    """The message says for which attempt."""
    with pytest.raises(TypeError, match=r"for attempt 2 must be a number of seconds.*not None"):
        delay(lambda attempt: None, 2)  # type: ignore[arg-type, return-value]


def test_an_empty_sequence_is_refused() -> None:
    """It does not say how long to wait."""
    with pytest.raises(ValueError, match="at least one"):
        checked_backoff([])


def test_the_name_is_that_of_the_argument() -> None:
    """The same check serves `after=` and its like."""
    with pytest.raises(ValueError, match="after must be 0 seconds"):
        checked_wait(-1, "after")
    with pytest.raises(TypeError, match=r"^after must be a number of seconds, not 'x'$"):
        checked_wait("x", "after")
