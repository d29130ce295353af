"""Sources: timelines of values, errors and ends, the same for us and for reactivex.

A tick is 1,000 seconds. Events come a little after a tick, each by a different number of seconds, so that two things
never happen at the same time by accident: then it would not be defined which comes first. Where ties are wanted,
everything comes on the tick itself.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup
from hypothesis import strategies as st
from reactivex import Observable, abc, from_iterable, interval, timer
from reactivex.disposable import Disposable
from reactivex.notification import OnCompleted, OnError, OnNext
from reactivex.scheduler import ImmediateScheduler
from reactivex.testing import Recorded, TestScheduler
from reactivex.testing.coldobservable import ColdObservable
from reactivex.testing.hotobservable import HotObservable

from evenflow.streams._moments import Turn
from evenflow.testing import marbles

TICK = 1_000
MOST_SOURCES = 12
MOST_EVENTS = 8
HORIZON = 60 * TICK + 0.5
"""When a run is left, whether it has ended or not."""

_chance = random.Random(4)
LATE = [[_chance.randrange(1, 400) for _ in range(MOST_EVENTS + 2)] for _ in range(MOST_SOURCES)]
"""How many seconds an event of a source comes after its tick."""


LETTERS = "abcdefg"
"""What the values 0 to 6 are drawn as."""


class Boom(Exception):
    """The error of a program."""


def kind_of(error: BaseException) -> str:
    """Return the kind of end that an error is, in the same words for both sides."""
    match error:
        case Boom():
            return f"boom: {error}"
        case TimeoutError():
            return "timeout"
        case anyio.EndOfStream():
            return "empty"
        case Exception(args=("Timeout",)):
            return "timeout"
    if type(error).__name__ == "SequenceContainsNoElementsError":
        return "empty"
    return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Source:
    """A timeline: its times are counted from the start of the run (hot), or from each start of the source (cold)."""

    number: int
    hot: bool
    events: tuple[tuple[int, int], ...]
    end: int | None
    error: str | None = None

    def __repr__(self) -> str:
        drawn = " ".join(f"{time}:{value}" for time, value in self.events)
        end = "" if self.end is None else f" {self.end}:{'#' if self.error else '|'}"
        return f"{'hot' if self.hot else 'cold'}{self.number}[{drawn}{end}]"

    def notes(self) -> list[Recorded[Any]]:
        """Return the timeline as reactivex takes it."""
        notes: list[Recorded[Any]] = [Recorded(time, OnNext(value)) for time, value in self.events]
        if self.end is not None:
            notes.append(Recorded(self.end, OnError(Boom(self.error)) if self.error else OnCompleted()))
        return notes

    def drawing(self) -> str:
        """Return the timeline as ``marbles`` takes it: a character for each tick, and letters for the values."""
        columns = [""] * (max((time for time, _ in self.notes_of_end()), default=0) // TICK + 1)
        for time, mark in self.notes_of_end():
            columns[time // TICK] += mark
        return "".join(f"({column})" if len(column) > 1 else column or "-" for column in columns)

    def notes_of_end(self) -> list[tuple[int, str]]:
        """Return the events and the end, each as its time and its character."""
        events = [(time, LETTERS[value]) for time, value in self.events]
        return events if self.end is None else [*events, (self.end, "#" if self.error else "|")]


@dataclass(frozen=True)
class Now:
    """A source that has all its values ready at each start."""

    values: tuple[int, ...]

    def __repr__(self) -> str:
        return f"now{list(self.values)}"


@dataclass(frozen=True)
class Ticks:
    """A clock: ``interval``, or ``timer`` if it ticks only once."""

    seconds: int
    endless: bool

    def __repr__(self) -> str:
        return f"{'interval' if self.endless else 'timer'}({self.seconds})"


@st.composite
def sources(draw: st.DrawFn, number: int, *, calm: bool = False, hot: bool | None = None, ties: bool = False) -> Source:
    """Draw a timeline of a few events. A ``calm`` one has no error; with ``ties`` there is one thing on each tick."""
    is_hot = draw(st.booleans()) if hot is None else hot
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 2, 3, 5, 0]), max_size=MOST_EVENTS))
    late = [0] * (MOST_EVENTS + 2) if ties else LATE[number]
    events: list[tuple[int, int]] = []
    tick, time = 0, 0
    for index, gap in enumerate(gaps):
        if gap or ties or not events:
            tick += max(gap, 1)
            time = tick * TICK + late[index]
        events.append((time, draw(st.integers(0, 6))))
    kind = draw(st.sampled_from(["end", "end", "end", "never"] if calm else ["end", "end", "error", "never"]))
    if kind == "never":
        return Source(number, is_hot, tuple(events), None)
    gap = draw(st.sampled_from([1, 0, 2, 4]))
    at = time if events and not gap and not ties else (tick + max(gap, 1)) * TICK + late[-1]
    return Source(number, is_hot, tuple(events), at, f"source {number}" if kind == "error" else None)


@st.composite
def drawings(draw: st.DrawFn, number: int, *, hot: bool, calm: bool = False) -> Source:
    """Draw a timeline on the ticks of the clock, with several events in some ticks, and an error unless it is ``calm``."""
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 2, 3, 0]), max_size=MOST_EVENTS))
    tick = 1
    events: list[tuple[int, int]] = []
    for gap in gaps:
        tick += gap
        events.append((tick * TICK, draw(st.integers(0, 6))))
    kind = draw(st.sampled_from(["end", "end", "end" if calm else "error", "never"]))
    if kind == "never":
        return Source(number, hot, tuple(events), None)
    end = (tick + draw(st.integers(0, 2))) * TICK
    return Source(number, hot, tuple(events), end, f"source {number}" if kind == "error" else None)


@dataclass
class Start:
    """A source was started at this time. A ``brief`` start was left at the same time."""

    number: int
    at: int
    brief: bool = False


# -- ours


class World:
    """Runs our timelines. Hot ones are pushed at their times, source by source.

    With ``turns`` what one source pushes has its whole effect before the next pushes; cold ones are ``marbles`` then.
    """

    def __init__(self, hot: list[Source], *, turns: bool = False) -> None:
        self.turns = turns
        self.hot = sorted(hot, key=lambda source: source.number)
        self.listening: dict[int, list[Hearer]] = {source.number: [] for source in hot}
        self.running: dict[AsyncIterator[int], Start] = {}
        self.starts: list[Start] = []

    async def run(self, group: TaskGroup) -> None:
        """Push every event at its time."""
        if self.turns:
            for source in self.hot:
                group.start_soon(self.run_one, source, Turn())
            return
        times = {time for source in self.hot for time, _ in source.events}
        times |= {source.end for source in self.hot if source.end is not None}
        for now in sorted(times):
            await anyio.sleep_until(now)
            for source in self.hot:
                self.happen(source, now)

    async def run_one(self, source: Source, turn: Turn) -> None:
        """Push every event of one source when it is its turn."""
        for now in sorted({time for time, _ in source.notes_of_end()}):
            await turn.sleep_until(now)
            self.happen(source, now)

    def happen(self, source: Source, now: int) -> None:
        """Push what one source has at this time."""
        for hearer in tuple(self.listening[source.number]):
            hearer.left.extend(value for time, value in source.events if time == now)
            if source.end == now:
                hearer.end = Boom(source.error) if source.error else StopAsyncIteration()
            hearer.news.set()

    def start(self, source: Source) -> AsyncIterator[int]:
        """Start reading a source."""
        cold = Marbles if self.turns else Player
        reader = Hearer(self, source) if source.hot else cold(self, source)
        self.running[reader] = start = Start(source.number, round(anyio.current_time()))
        self.starts.append(start)
        return reader

    def stop(self, reader: AsyncIterator[int]) -> None:
        """Note that a source is not read any more."""
        start = self.running.pop(reader, None)
        if start is not None:
            start.brief = start.at == round(anyio.current_time())


class Given:
    """A source as our streams get it; it can be iterated again."""

    def __init__(self, world: World, source: Source) -> None:
        self.world = world
        self.source = source

    def __aiter__(self) -> AsyncIterator[int]:
        return self.world.start(self.source)


class Hearer(AsyncIterator[int]):
    """Reads a hot source, and buffers what was not asked for yet, as a subscription does."""

    def __init__(self, world: World, source: Source) -> None:
        self.world = world
        self.number = source.number
        self.left: deque[int] = deque()
        self.end: Exception | None = None
        self.news = anyio.Event()
        world.listening[source.number].append(self)

    async def __anext__(self) -> int:
        while not self.left:
            if self.end is not None:
                raise self.end
            self.news = anyio.Event()
            await self.news.wait()
        return self.left.popleft()

    async def aclose(self) -> None:
        self.world.stop(self)
        if self in self.world.listening[self.number]:
            self.world.listening[self.number].remove(self)


class Player(AsyncIterator[int]):
    """Plays a cold source from its start."""

    def __init__(self, world: World, source: Source) -> None:
        self.world = world
        self.began = round(anyio.current_time())
        self.left = deque(source.events)
        self.source = source

    async def __anext__(self) -> int:
        source = self.source
        if not self.left and source.end is None:
            await anyio.sleep_forever()
        due = self.began + (self.left[0][0] if self.left else source.end or 0)
        if due > anyio.current_time():
            await anyio.sleep_until(due)
        if self.left:
            return self.left.popleft()[1]
        raise Boom(source.error) if source.error else StopAsyncIteration

    async def aclose(self) -> None:
        self.world.stop(self)


class Marbles(AsyncIterator[int]):
    """Reads a cold source, which is made by ``marbles``."""

    def __init__(self, world: World, source: Source) -> None:
        self.world = world
        error = Boom(source.error) if source.error else None
        values = {letter: value for value, letter in enumerate(LETTERS)}
        self.stream = marbles(source.drawing(), tick=TICK, error=error, **values)
        self.reader = aiter(self.stream)

    async def __anext__(self) -> int:
        return await anext(self.reader)

    async def aclose(self) -> None:
        self.world.stop(self)
        await self.stream.aclose()


# -- theirs


class Clock(TestScheduler):
    """The scheduler of reactivex, which also notes ties.

    In a tie two unrelated things happen at the same time, and the order of scheduling decides which comes first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.origin: object = None
        self.due: dict[float, list[Item]] = {}
        self.ties: set[float] = set()

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        """Schedule the action, and watch for ties."""
        at = self.to_seconds(duetime)
        if at <= self.clock:
            return super().schedule_absolute(duetime, action, state)
        item = Item(self.origin or object())
        self.due.setdefault(at, []).append(item)

        def act(scheduler: abc.SchedulerBase, state: Any = None) -> Any:
            item.over = True
            if any(not other.over and other.origin is not item.origin for other in self.due[at]):
                self.ties.add(at)
            return action(scheduler, state)

        scheduled = super().schedule_absolute(duetime, act, state)

        def dispose() -> None:
            item.over = True
            scheduled.dispose()

        return Disposable(dispose)


class Item:
    """A scheduled action."""

    def __init__(self, origin: object) -> None:
        self.origin = origin
        self.over = False


class Cold(ColdObservable[Any]):
    """A cold source. Each start of it counts as a source of its own when ties are noted."""

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any] | None = None, scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        clock = self.scheduler
        assert isinstance(clock, Clock)
        clock.origin = object()
        try:
            return super()._subscribe_core(observer, scheduler)
        finally:
            clock.origin = None


class Stage:
    """Runs the timelines of reactivex."""

    def __init__(self, hot: list[Source]) -> None:
        self.clock = Clock()
        self.made: list[tuple[int, HotObservable[Any] | ColdObservable[Any]]] = []
        self.hot: dict[int, HotObservable[Any]] = {}
        for source in sorted(hot, key=lambda source: source.number):
            self.clock.origin = source
            self.hot[source.number] = HotObservable(self.clock, source.notes())
            self.made.append((source.number, self.hot[source.number]))
        self.clock.origin = None

    def observable(self, source: Source | Now | Ticks) -> Observable[Any]:
        """Return a source as reactivex gets it."""
        if isinstance(source, Now):
            return from_iterable(source.values, scheduler=ImmediateScheduler.singleton())
        if isinstance(source, Ticks):
            return (interval if source.endless else timer)(source.seconds, scheduler=self.clock)
        if source.hot:
            return self.hot[source.number]
        cold = Cold(self.clock, source.notes())
        self.made.append((source.number, cold))
        return cold

    @property
    def starts(self) -> list[Start]:
        """Which source was subscribed to when."""
        return [
            Start(number, round(start.subscribe), start.unsubscribe == start.subscribe)
            for number, made in self.made
            for start in made.subscriptions
        ]

    def late_starts(self) -> set[float]:
        """When somebody subscribed to a hot source at the same time as it had an event."""
        return {
            start.subscribe
            for hot in self.hot.values()
            for start in hot.subscriptions
            if any(note.time == start.subscribe for note in hot.messages)
        }

    def crowds(self) -> Counter[float]:
        """When a hot source had several readers, which get its events one after the other, and how many events it had then."""
        return Counter(
            note.time
            for hot in self.hot.values()
            for note in hot.messages
            if sum(start.subscribe < note.time <= start.unsubscribe for start in hot.subscriptions) > 1
        )

    def ties(self) -> set[float]:
        """When there was a choice of what comes first.

        One source with several events for several readers is such a choice too: reader by reader, or event by event.
        """
        several = {time for time, things in self.crowds().items() if things > 1}
        return self.clock.ties | self.late_starts() | several
