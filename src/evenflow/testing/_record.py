"""What a stream yielded, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from evenflow.streams._node import Claimable
from evenflow.testing._diagram import Diagram

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow.streams import Stream

T = TypeVar("T")

DIGITS = 9
"""Times are in seconds, rounded to nanoseconds, so that the sum of three tenths is 0.3."""


@dataclass(frozen=True)
class Recording(Generic[T]):
    """What a stream yielded, with the seconds since its start.

    Attributes:
        events: pairs of time and event, in order.
        ended: when the stream ended or failed; None if it was still going on when the recording stopped.
        error: what the stream failed with; None if it did not fail.
    """

    events: tuple[tuple[float, T], ...]
    ended: float | None = None
    error: Exception | None = None

    @property
    def values(self) -> list[T]:
        """The events without their times."""
        return [event for _, event in self.events]

    @property
    def times(self) -> list[float]:
        """The times without their events."""
        return [time for time, _ in self.events]

    def diagram(self, name: Callable[[T], str], tick: float, ticks: int | None) -> Diagram:
        """The recording as a diagram, with times in ticks and characters for events.

        Raises:
            ValueError: something happened between two ticks.
        """
        events = tuple((_ticks(time, tick, repr(event)), name(event)) for time, event in self.events)
        end = None if self.ended is None else _ticks(self.ended, tick, "the end")
        return Diagram(events, end, self.error is not None, ticks if ticks is not None and end is None else 0)


def _ticks(time: float, tick: float, what: str) -> int:
    ticks = round(time / tick)
    if abs(ticks * tick - time) > tick * 1e-6:
        raise ValueError(f"{what} came at {time:g} s, between two ticks of {tick:g} s: give a smaller tick=")
    return ticks


async def record(stream: Stream[T], /, *, until: float | None = None) -> Recording[T]:
    """Enter a stream, read it to its end, and return what it yielded and when. Its errors are recorded, not raised.

    With ``until``, read for that many seconds; what comes at exactly that time is not recorded.
    Closes the stream. In virtual time, the times are exact.

    Raises:
        TypeError: it is no stream.
        ValueError: ``until`` is not above 0.
    """
    if not isinstance(stream, Claimable):
        raise TypeError(f"expected a stream, not {stream!r}: make one of it with stream()")
    if until is not None and not isinstance(until, int | float):
        raise TypeError(f"until must be a number of seconds above 0, not {until!r}")
    if until is not None and not until > 0:
        raise ValueError(f"until must be a number of seconds above 0, not {until!r}")
    tape = _Tape[T](anyio.current_time())
    with anyio.move_on_after(until):
        await tape.run(stream)
    return tape.recording(until)


class _Tape(Generic[T]):
    """A recording that is being made."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.events: list[tuple[float, T]] = []
        self.ended: float | None = None
        self.error: Exception | None = None

    def now(self) -> float:
        return round(anyio.current_time() - self.start, DIGITS)

    async def run(self, stream: Stream[T]) -> None:
        try:
            async with stream:
                async for event in stream:
                    self.events.append((self.now(), event))
                self.ended = self.now()
        except Exception as error:  # noqa: BLE001 -- whatever a stream fails with is part of the recording
            self.error = error
            self.ended = self.now()

    def recording(self, until: float | None) -> Recording[T]:
        """What was recorded before ``until``."""

        def early(time: Any) -> bool:
            return until is None or time < until

        events = tuple(entry for entry in self.events if early(entry[0]))
        if self.ended is not None and early(self.ended):
            return Recording(events, self.ended, self.error)
        return Recording(events)
