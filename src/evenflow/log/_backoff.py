"""How long to wait before an event is tried again.

a number         the same for every attempt
a sequence       one for each attempt; the last is repeated
a function       asked with the number of the attempt that failed, 1 at first
``DEFAULT``      1 s, doubled with each attempt, at most 600 s, with jitter: 12 attempts take half an hour
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, cast

Backoff: TypeAlias = float | Sequence[float] | Callable[[int], float]
"""Seconds before an event is tried again: a number, one for each attempt, or a function of the attempt that failed."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to reach a log that fails, at most."""

FIRST: Final = 1.0
MOST: Final = 600.0
JITTER: Final = 0.1
"""The part of a wait by which it may be shorter or longer: what failed together does not return together."""


def exponential(attempt: int, /) -> float:
    """The default: 1 s, doubled, at most 600 s; each up to a tenth shorter or longer, but never longer than 600 s."""
    # Beyond 2**10 it is at most 600 s anyway; a power of a large attempt would not fit into a float.
    wait = min(MOST, FIRST * 2.0 ** min(attempt - 1, 10))
    return min(MOST, wait * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 -- spreads load, guards nothing


DEFAULT: Final[Backoff] = exponential


def checked_backoff(backoff: object, /, *, name: str = "retry_after") -> Backoff:
    """What says how long to wait; a sequence is copied.

    Raises:
        TypeError: it is no number, sequence of numbers, or function.
        ValueError: a number is negative or not finite, or the sequence is empty.
    """
    if callable(backoff):
        return cast("Callable[[int], float]", backoff)
    if isinstance(backoff, Sequence) and not isinstance(backoff, (str, bytes, bytearray)):
        waits = tuple(checked_wait(wait, f"each of {name}") for wait in cast("Sequence[object]", backoff))
        if not waits:
            raise ValueError(f"{name} must have at least one number of seconds, not {backoff!r}")
        return waits
    return checked_wait(backoff, name, "a number of seconds, a sequence of them or a function")


def delay(backoff: Backoff, attempt: int, /, *, name: str = "retry_after") -> float:
    """Seconds to wait after this attempt failed, 1 being the first.

    Raises:
        TypeError: the function returned no number.
        ValueError: the function returned a negative number, or one that is not finite.
    """
    if callable(backoff):
        return checked_wait(backoff(attempt), f"what the function of {name} returns for attempt {attempt}")
    if isinstance(backoff, Sequence):
        return backoff[min(attempt, len(backoff)) - 1]
    return float(backoff)


def checked_wait(wait: object, name: str, expected: str = "a number of seconds", /) -> float:
    """A number of seconds, 0 or more."""
    if not isinstance(wait, (int, float)) or isinstance(wait, bool):
        raise TypeError(f"{name} must be {expected}, not {wait!r}")
    if not 0 <= wait < math.inf:
        raise ValueError(f"{name} must be 0 seconds or more, and finite, not {wait}")
    return float(wait)
