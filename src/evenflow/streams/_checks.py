"""Arguments that an operator refuses where the chain is written: a function, a count, a duration."""

from __future__ import annotations

from inspect import iscoroutinefunction
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


def check_function(function: object, operator: str) -> Callable[..., Any]:
    """Return ``function``, sync or async, if it can be called.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(function):
        raise TypeError(f"{operator} expected a function, sync or async, not {function!r}")
    return function


def check_count(least: int, count: object, operator: str, things: str = "events") -> int:
    """Return ``count``, if it is a number of ``things`` and at least ``least``.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is too small.
    """
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"{operator} expected a number of {things}, not {count!r}")
    if count < least:
        raise ValueError(f"{operator} expected at least {least} {things}, not {count}")
    return count


def check_seconds(seconds: object, operator: str, *, zero: bool = True) -> float:
    """Return ``seconds``, if it is a finite duration; ``zero`` says whether it may be 0.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative, not finite, or 0 where that makes no sense.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{operator} expected a number of seconds, not {seconds!r}")
    if not isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
        raise ValueError(f"{operator} expected {'0 or more' if zero else 'more than 0'} seconds, not {seconds}")
    return seconds


def check_wait(wait: object, operator: str) -> float | Callable[[int], float]:
    """Return ``wait``, if it is a duration, or a sync function that returns one for the number of an attempt.

    Raises:
        TypeError: it is neither.
        ValueError: it is negative or not finite.
    """
    if not callable(wait):
        return check_seconds(wait, operator)
    if iscoroutinefunction(wait):
        raise TypeError(f"{operator} expected a number of seconds or a sync function that returns one, not {wait!r}")
    return cast("Callable[[int], float]", wait)


def check_kinds(kinds: object, operator: str) -> type[Exception] | tuple[type[Exception], ...]:
    """Return ``kinds``, if it is a class of errors or a tuple of such classes.

    Raises:
        TypeError: it is neither.
        ValueError: the tuple is empty.
    """
    several = cast("tuple[object, ...]", kinds if isinstance(kinds, tuple) else (kinds,))
    if not several:
        raise ValueError(f"{operator} expected at least one class of errors")
    for kind in several:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise TypeError(f"{operator} expected a class of errors or a tuple of them, not {kind!r}")
    return cast("type[Exception] | tuple[type[Exception], ...]", kinds)
