"""Marbles: a stream made from a drawing, and a drawing made of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio

from evenflow.streams import stream
from evenflow.streams._moments import Turn
from evenflow.testing._diagram import Diagram, Names, draw, parse
from evenflow.testing._record import Recording, record

if TYPE_CHECKING:
    from typing import Self

    from evenflow.streams import Stream

T = TypeVar("T")


class MarbleError(Exception):
    """The error that ``#`` stands for, unless another one is given."""


@overload
def marbles(drawing: str, /, *, tick: float = 1.0, error: Exception | None = None) -> Stream[str]: ...
@overload
def marbles(drawing: str, /, *, tick: float = 1.0, error: Exception | None = None, **values: T) -> Stream[T]: ...
def marbles(drawing: str, /, *, tick: float = 1.0, error: Exception | None = None, **values: Any) -> Stream[Any]:
    """Make a stream from a drawing: ``marbles("-a--b|", a=1, b=2)`` yields each event at the time where it is drawn.

    Each character is a tick of ``tick`` seconds; the first tick is when the stream starts.
    ``-`` is nothing, ``(ab)`` are several events in one tick, ``|`` is the end, and ``#`` is the error.
    Without ``|`` and ``#``, the stream goes on for ever. Spaces line drawings up.
    Any other character is an event: the value of that name, or the character itself if no values are given at all.
    An event that is due waits until it is read, so a slow reader gets it late and loses none.
    In virtual time, of several drawings with something in one tick the one goes first that was started first.
    Each start of the stream (``repeat``, ``retry``) starts the drawing anew. Buffers nothing, needs no task.

    Raises:
        ValueError: it is not a drawing, or there are values, but not for every character.
    """
    if not isinstance(drawing, str):
        raise TypeError(f"marbles expected a drawing such as '-a-b|', not {drawing!r}")
    diagram = parse(drawing).valued(values)
    check_tick(tick)
    kind = error if isinstance(error, type) else type(error)
    if error is not None and not issubclass(kind, Exception):
        raise TypeError(f"marbles expected an exception as error, not {error!r}")
    return stream(partial(_Marbles, diagram, tick, error))


def check_tick(tick: float) -> None:
    """Refuse a tick that is no time, or not above 0."""
    if not isinstance(tick, int | float):
        raise TypeError(f"tick must be a number of seconds above 0, not {tick!r}")
    if not 0 < tick < inf:
        raise ValueError(f"tick must be a number of seconds above 0, not {tick!r}")


class _Marbles(AsyncIterator[Any]):
    """One start of a marble drawing. Cancelling a read loses nothing: only what is returned counts as given."""

    def __init__(self, diagram: Diagram, tick: float, error: Exception | None) -> None:
        self.diagram = diagram
        self.tick = tick
        self.error = error
        self.given = 0
        self.closed = False
        self.start = anyio.current_time()
        self.turn = Turn()

    async def __anext__(self) -> Any:
        if self.given < len(self.diagram.events) and not self.closed:
            tick, event = self.diagram.events[self.given]
            await self._wait_for(tick)
            self.given += 1
            return event
        await self._wait_for(self.diagram.end)
        if self.diagram.failed and not self.closed:
            raise self.error or MarbleError("#")
        raise StopAsyncIteration

    async def _wait_for(self, tick: int | None) -> None:
        if self.closed:
            await anyio.lowlevel.checkpoint()
        elif tick is None:
            await anyio.sleep_forever()
        else:
            await self.turn.sleep_until(self.start + tick * self.tick)

    def receive_nowait(self) -> Any:
        """Return an event that is due."""
        if self.given < len(self.diagram.events) and not self.closed:
            tick, event = self.diagram.events[self.given]
            if self.start + tick * self.tick <= anyio.current_time():
                self.given += 1
                return event
        raise anyio.WouldBlock

    async def aclose(self) -> None:
        """End the stream."""
        self.closed = True


class Drawing(str):
    """A drawing of what a stream did: a ``str`` that also knows what its letters stand for.

    Attributes:
        legend: the letters that values without a name got, with those values.
        error: what ``#`` stands for.
    """

    __slots__ = ("error", "legend")

    def __new__(cls, text: str, legend: tuple[tuple[str, Any], ...] = (), error: Exception | None = None) -> Self:
        """Make a drawing from its text."""
        drawing = super().__new__(cls, text)
        drawing.legend = legend
        drawing.error = error
        return drawing

    legend: tuple[tuple[str, Any], ...]
    error: Exception | None


async def drawn(stream: Stream[Any], /, *, tick: float = 1.0, ticks: int | None = None, **values: Any) -> Drawing:
    """Run a stream to its end, and draw what it did.

    ::

        assert await drawn(stream) == "--a--(bc)|"

    The language is that of ``marbles``: a character for each ``tick`` seconds. ``ticks`` limits how many are drawn.
    A value is drawn as its name (``x=("a", "b")``), or as it prints, if that is one character which is not a name.
    Any other value gets a capital letter. ``legend`` says which, and so does pytest if a comparison fails.
    Closes the stream.

    Raises:
        ValueError: something happened between two ticks.
    """
    check_tick(tick)
    if ticks is not None and not isinstance(ticks, int):
        raise TypeError(f"ticks must be a number of ticks, at least 1, not {ticks!r}")
    if ticks is not None and ticks < 1:
        raise ValueError(f"ticks must be at least 1, not {ticks!r}")
    recording: Recording[Any] = await record(stream, until=None if ticks is None else ticks * tick)
    return drawing_of(recording, Names(values), tick, ticks)


def drawing_of(recording: Recording[Any], names: Names, tick: float, ticks: int | None) -> Drawing:
    """Draw a recording."""
    text = draw(recording.diagram(names, tick, ticks))
    return Drawing(text, tuple(names.lent), recording.error)
