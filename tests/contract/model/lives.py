"""A subject with observers beside a simple model of it: started, stopped and cut off in whatever task.

Each handler waits until it is told to go on, so that after `settle` the model knows which events are in hand:

    an idle task takes the first event of the buffer, and with `ordered_by` puts it behind one of its key
    a task that has handled an event goes on with what lies behind that
    what is cut off, with what lies behind it, and what is left when the last task ends, is `unhandled`
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import current_token

from evenflow import Observer, Subject, SubjectClosed

from ..kit import Tick, settle

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

BIG = 64
"""More room than any test needs."""


class Hand:
    """An event that a handler has in hand."""

    def __init__(self, tick: Tick) -> None:
        self.tick = tick
        self.go_on = anyio.Event()
        self.fails = False
        self.task = task_on_asyncio()


def task_on_asyncio() -> asyncio.Task[Any] | None:
    """The task that runs; None on trio, where no task can be cancelled by itself."""
    return asyncio.current_task() if "asyncio" in current_token().backend_class.__module__ else None


class Watcher:
    """An observer, and its model."""

    def __init__(self, subject: Subject[Tick], number: int, concurrency: int, buffer: int, *, ordered: bool) -> None:
        self.name = f"watcher {number}"
        self.concurrency, self.ordered = concurrency, ordered
        self.buffer = BIG if ordered else buffer
        self.detached = False
        self.hands: dict[int, Hand] = {}
        """What handlers have in hand, by the number of the event."""
        self.active = False
        self.begun = False
        self.clear()
        self.real: Observer = subject.observe(
            self.handle,
            Tick,
            name=self.name,
            buffer=self.buffer,
            overflow="drop_oldest",
            concurrency=concurrency,
            ordered_by=Tick.symbol if ordered else None,
        )

    def clear(self) -> None:
        """Nothing has happened in this life."""
        self.tasks = self.handled = self.failed = 0
        self.queue: list[Tick] = []
        self.taken: list[Tick] = []
        """All that was taken from the buffer, in order."""
        self.running: dict[int, Tick] = {}
        self.lines: dict[str, list[Tick]] = {}
        """What lies behind the event of its key that is handled."""
        self.cut: list[Tick] = []
        self.unhandled: tuple[Tick, ...] = ()

    async def handle(self, tick: Tick) -> None:
        """Wait until it is told to go on."""
        hand = self.hands[tick.price] = Hand(tick)
        try:
            await hand.go_on.wait()
        finally:
            del self.hands[tick.price]
        if hand.fails:
            raise ValueError(tick)

    # -- the model

    def start(self) -> None:
        """The subject was entered."""
        if not self.detached:
            self.clear()
            self.tasks = self.concurrency
            self.active = self.begun = True

    def publish(self, tick: Tick) -> None:
        """An event was published that it wants."""
        self.queue = [*self.queue, tick][-self.buffer :]

    def advance(self, *, closed: bool) -> None:
        """Let its tasks take what they can, and end if there is nothing more."""
        while self.queue and len(self.running) < self.tasks:
            tick = self.queue.pop(0)
            self.taken.append(tick)
            if self.ordered and any(other.symbol == tick.symbol for other in self.running.values()):
                self.lines.setdefault(tick.symbol, []).append(tick)
            else:
                self.running[tick.price] = tick
        if self.detached:
            self.tasks = len(self.running)
        if self.active and (not self.tasks or (closed and not self.running)):
            self.end()

    def go_on(self, tick: Tick, *, fails: bool) -> None:
        """A handler ends."""
        self.handled += 1
        self.failed += fails
        del self.running[tick.price]
        if self.ordered and (line := self.lines.get(tick.symbol)):
            following = line.pop(0)
            self.running[following.price] = following

    def cut_one(self, tick: Tick) -> None:
        """The task that handles this event is cancelled."""
        self.tasks -= 1
        self.cut += [self.running.pop(tick.price), *(self.lines.pop(tick.symbol, []) if self.ordered else [])]

    def detach(self) -> None:
        """What waits is discarded; what is handled goes on."""
        self.detached = True
        self.queue.clear()
        self.lines.clear()

    def end(self) -> None:
        """Its last task has ended, or all were cancelled."""
        left = [*self.cut, *self.running.values(), *(tick for line in self.lines.values() for tick in line)]
        if not self.detached:
            self.unhandled = (*(tick for tick in self.taken if tick in left), *self.queue)
        self.active, self.tasks = False, 0
        self.queue, self.running, self.lines = [], {}, {}

    def agree(self) -> None:
        """Assert that the observer says the same."""
        real = self.real.statistics()
        assert set(self.hands) == set(self.running)
        assert self.real.unhandled == self.unhandled
        assert real.cancelled == len(self.unhandled)
        assert (real.handled, real.failed, real.handling) == (self.handled, self.failed, len(self.running))
        assert real.running is (self.tasks > 0)
        assert self.real.ended is (not self.tasks and (self.detached or self.begun))
        if real.subscription is not None:
            s = real.subscription
            assert s.wanted == s.delivered + s.replaced + s.dropped + s.discarded + s.waiting
            assert s.waiting == len(self.queue)


class Stopping:
    """Somebody who stops the subject."""

    def __init__(self, stop: Callable[[], Awaitable[object]]) -> None:
        self.stop = stop
        self.scope = anyio.CancelScope()
        self.task: asyncio.Task[Any] | None = None
        self.cancelled = self.ended = False

    async def __call__(self) -> None:
        self.task = task_on_asyncio()
        try:
            with self.scope:
                await self.stop()
        finally:
            self.ended = True

    def cancel(self, *, by_task: bool) -> None:
        """Cancel it, by anyio or by `task.cancel()`."""
        self.cancelled = True
        if by_task and self.task is not None:
            self.task.cancel()
        else:
            self.scope.cancel()


class Lives:
    """The subject, its observers, and whoever stops it. On trio one task starts and stops it."""

    def __init__(self, tasks: TaskGroup, *, only_one_task: bool) -> None:
        self.subject: Subject[Tick] = Subject(Tick)
        self.tasks = tasks
        self.only_one_task = only_one_task
        self.watchers: list[Watcher] = []
        self.entered = False
        self.closed = False
        self.cuts = False
        """Whether whoever stops it has been cut off."""
        self.stops: list[Stopping] = []
        self.published = 0
        self.is_stopping = False
        self.ask_to_stop = anyio.Event()
        self.how: BaseException | None = None

    async def start(self) -> None:
        """Start it in a task of its own, which on trio goes on to stop it."""
        if self.entered:
            return
        if not self.only_one_task:
            self.tasks.start_soon(self.subject.start)
        else:
            self.ask_to_stop = asked = anyio.Event()

            async def live() -> None:
                await self.subject.start()
                await asked.wait()
                await self._stop()

            self.stops.append(Stopping(live))
            self.tasks.start_soon(self.stops[0])
        self.entered, self.closed, self.cuts = True, False, False
        for watcher in self.watchers:
            watcher.start()

    async def _stop(self) -> None:
        error = self.how
        if error is None:
            await self.subject.aclose()
        else:
            await self.subject.__aexit__(type(error), error, None)

    async def stop(self, *, by_error: bool) -> None:
        """Stop it in another task; the second one waits for the first."""
        if not self.entered:
            return
        if not self.is_stopping:
            self.how = ValueError("no") if by_error else None
            self.cuts = by_error
        if self.only_one_task:
            self.ask_to_stop.set()
        else:
            self.stops.append(Stopping(self._stop))
            self.tasks.start_soon(self.stops[-1])
        self.closed = self.is_stopping = True

    async def cancel_stop(self, which: int, *, by_task: bool) -> None:
        """Cancel whoever stops it: the first one cuts the observers off, another one gives up alone."""
        if not self.is_stopping:
            return
        stop = self.stops[which % len(self.stops)]
        stop.cancel(by_task=by_task)
        if stop is self.stops[0]:
            self.cuts = True

    async def add(self, concurrency: int, buffer: int, *, ordered: bool) -> None:
        """Add an observer, which starts if the subject lives."""
        watcher = Watcher(self.subject, len(self.watchers), concurrency, buffer, ordered=ordered)
        self.watchers.append(watcher)
        if self.entered and not self.closed:
            watcher.start()

    async def publish(self, symbol: str) -> None:
        """Publish an event; those that run want it."""
        self.published += 1
        tick = Tick(symbol=symbol, price=self.published)
        wanting = [watcher for watcher in self.watchers if watcher.active and not watcher.detached]
        try:
            assert self.subject.publish_nowait(tick) == len(wanting)
        except SubjectClosed:
            assert self.subject.is_closed
            return
        for watcher in wanting:
            watcher.publish(tick)

    def _pick(self, which: int) -> tuple[Watcher, Hand] | None:
        hands = [(watcher, hand) for watcher in self.watchers for hand in watcher.hands.values()]
        return hands[which % len(hands)] if hands else None

    async def go_on(self, which: int, *, fails: bool) -> None:
        """Let one handler end."""
        if (picked := self._pick(which)) is not None:
            watcher, hand = picked
            hand.fails = fails
            hand.go_on.set()
            watcher.go_on(hand.tick, fails=fails)

    async def cancel_task(self, which: int) -> None:
        """Cancel the task of one handler, as a host may that cancels all tasks: it ends alone."""
        if (picked := self._pick(which)) is not None and picked[1].task is not None:
            watcher, hand = picked
            picked[1].task.cancel()
            watcher.cut_one(hand.tick)

    async def detach(self, which: int) -> None:
        """Detach an observer."""
        if self.watchers:
            watcher = self.watchers[which % len(self.watchers)]
            watcher.real.detach()
            watcher.detach()

    async def close(self) -> None:
        """Close it, without leaving it."""
        if self.entered:
            self.subject.close()
            self.closed = True

    async def check(self) -> None:
        """Let all tasks run until they wait, and compare."""
        await settle()
        for watcher in self.watchers:
            if self.cuts and watcher.active:
                watcher.end()
            watcher.advance(closed=self.closed)
            watcher.agree()
        if self.is_stopping:
            over = not any(watcher.active for watcher in self.watchers)
            for stop in self.stops:
                assert stop.ended is (over or stop.cancelled), "each stop ends with the last observer"
            if over:
                self.entered = self.is_stopping = False
                self.stops.clear()
        assert self.subject.statistics().closed is self.closed

    async def finish(self) -> None:
        """Stop it, and let everything come to its end."""
        await self.check()
        if self.entered and not self.is_stopping:
            await self.stop(by_error=False)
            await self.check()
        while self._pick(0) is not None:
            await self.go_on(0, fails=False)
            await self.check()
        assert not self.entered
