"""A subject beside a simple model of it: every step is done to both, and they must agree.

All subscriptions see one order (guarantee 2), so one more subscription, the witness, sees every event in it. Before
anything is done to the model, the events that the witness has received are applied to it. A publish happens in one
instant with no await after it (guarantee 1), and so does a receive: what a publish returns is checked against the model
in that instant, and so is what a reader receives.

The model of one subscription is a list of events and gaps. The subscription must return the first of them next.

After `settle` (all tasks have run until they wait) nobody may wait without a reason:
    a reader            only while the model's list is empty and the subscription has not ended
    the oldest publish  only while a full "block" subscription wants its event
    another publish     also while the free slots are reserved for those before it
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal

import anyio
import anyio.lowlevel

from evenflow import Event, Gap, SlowSubscriber, Subject, SubjectClosed, Subscription

KEYS = "abc"


class Ping(Event):
    """An event with a key."""

    n: int
    key: str


class LoudPing(Ping):
    """A subclass."""


class Pong(Event):
    """An unrelated event with a key."""

    n: int
    key: str


KINDS: tuple[type[Any], ...] = (Ping, LoudPing, Pong)
WANTS: tuple[tuple[tuple[type[Any], ...], Any, Callable[[Any], bool]], ...] = (
    ((), None, lambda event: True),
    ((Ping,), None, lambda event: isinstance(event, Ping)),
    ((LoudPing, Pong), None, lambda event: isinstance(event, (LoudPing, Pong))),
    ((), Ping.key == "a", lambda event: isinstance(event, Ping) and event.key == "a"),
    ((Pong,), lambda event: event.n % 2 == 0, lambda event: isinstance(event, Pong) and event.n % 2 == 0),
    ((), (Ping.n > 10) | (Pong.key == "b"), lambda e: e.n > 10 if isinstance(e, Ping) else e.key == "b"),
)
"""What a subscription asks for, and the same as a function."""

FREE = 1_000
"""More room than any test needs."""

Overflow = Literal["block", "drop_oldest", "drop_newest", "disconnect"]


class Hole:
    """A gap in the model."""

    def __init__(self, count: int) -> None:
        self.count = count


class ModelSubscription:
    """What one subscription must do, in a few lines for each policy."""

    def __init__(self, wants: int, buffer: int, overflow: Overflow, *, conflate: bool, gaps: bool) -> None:
        self.wants = WANTS[wants][2]
        self.buffer = buffer
        self.overflow = overflow
        self.conflate = conflate
        self.gaps = gaps
        self.replay: list[Any] = []
        self.items: list[Any] = []
        self.wanted = self.delivered = self.replaced = self.dropped = self.discarded = 0
        self.active = True
        self.end: type[BaseException] | None = None

    @property
    def waiting(self) -> int:
        """How many events were not delivered."""
        return len(self.replay) + self.buffered

    @property
    def buffered(self) -> int:
        """How many events are in the buffer."""
        return sum(not isinstance(item, Hole) for item in self.items)

    def room(self, event: Any) -> int:
        """How many slots are free for this event; an event with a buffered key needs none."""
        if self.overflow != "block" or (self.conflate and self._same_key(event) is not None):
            return FREE
        return self.buffer - self.buffered

    def commit(self, event: Any) -> None:
        """Apply an event that was published."""
        self.wanted += 1
        place = self._same_key(event) if self.conflate else None
        if place is not None:
            self.items[place] = event
            self.replaced += 1
        elif self.buffered < self.buffer:
            self.items.append(event)
        elif self.overflow == "drop_oldest":
            oldest = next(at for at, item in enumerate(self.items) if not isinstance(item, Hole))
            self._lose(oldest)
            self.items.append(event)
        else:
            assert self.overflow != "block", "placed beyond the bound"
            self._lose(None)
            if self.overflow == "disconnect":
                self.active = False
                self.end = SlowSubscriber

    def _same_key(self, event: Any) -> int | None:
        for at, item in enumerate(self.items):
            if not isinstance(item, Hole) and item.key == event.key:
                return at
        return None

    def _lose(self, at: int | None) -> None:
        """Drop the event at this index, or the new one (None), and leave a hole there."""
        self.dropped += 1
        if at is None:
            self.items.append(Hole(1))
            at = len(self.items) - 1
        else:
            self.items[at] = Hole(1)
        if not self.gaps:
            del self.items[at]
            return
        merged: list[Any] = []
        for item in self.items:
            if isinstance(item, Hole) and merged and isinstance(merged[-1], Hole):
                merged[-1] = Hole(merged[-1].count + item.count)
            else:
                merged.append(item)
        self.items = merged

    def take(self, got: Any) -> None:
        """Check that a reader received what is next, and remove it."""
        lane = self.replay or self.items
        assert lane, f"{got!r} came from nowhere"
        expected = lane.pop(0)
        if isinstance(expected, Hole):
            assert isinstance(got, Gap), f"{got!r} where a gap of {expected.count} belongs"
            assert got.count == expected.count
        else:
            assert got is expected, f"{got!r}, not {expected!r}"
            self.delivered += 1

    def close(self) -> None:
        """Apply that the subscription was closed: what is left is discarded."""
        if self.active or self.end is not anyio.ClosedResourceError:
            self.discarded += self.waiting
            self.replay.clear()
            self.items.clear()
            self.active = False
            self.end = anyio.ClosedResourceError

    def ended(self) -> bool:
        """Whether nothing more can be received."""
        return self.end is not None and not self.replay and not self.items


class Pair:
    """A subscription, its model, and the readers that wait on it."""

    def __init__(self, real: Subscription[Any], model: ModelSubscription) -> None:
        self.real = real
        self.model = model
        self.readers: list[Task] = []
        self.iterator: Any = aiter(real)
        self.batches: Any = aiter(real.batches())
        self.full_since = 0
        """The number of the first `settle` after which it was full, if it has been full since."""

    def agree(self) -> None:
        """Assert that the ledgers are the same, and that the sum and the bound hold."""
        real, model = self.real.statistics(), self.model
        ledger = (model.wanted, model.delivered, model.replaced, model.dropped, model.discarded, model.waiting)
        assert ledger == (real.wanted, real.delivered, real.replaced, real.dropped, real.discarded, real.waiting)
        assert real.wanted == real.delivered + real.replaced + real.dropped + real.discarded + real.waiting
        assert real.waiting - len(model.replay) <= real.capacity


class Task:
    """A reader or a publish that has not ended and can be cancelled."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.started = False
        self.ended = False
        self.cancelled = False
        self.seen: tuple[Any, int] = (None, 0)
        """The event that it waited with when all tasks had run, and the number of that `settle`."""
        self.full: list[Pair] = []
        """The full subscriptions that it was seen to wait for."""
        self.reserved: list[Pair] = []
        """Those of them that were full before it started, if it waited longest: a freed slot is reserved for it."""
        self.started_after = 0

    @property
    def waits(self) -> bool:
        """Whether it has started and not ended."""
        return self.started and not self.ended


class Publish(Task):
    """A publish that has not ended."""

    def __init__(self, event: Any) -> None:
        super().__init__()
        self.event = event
        self.some: list[Any] = []

    def look(self, reached: dict[int, int]) -> None:
        """Find which event of a list is waiting: the first that was not published."""
        if self.some:
            self.event = next((event for event in self.some if event.n not in reached), self.some[-1])


Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class World:
    """The subject, the model, and the tasks. `spawn` starts a task."""

    def __init__(self, replay: int, spawn: Spawn) -> None:
        self.subject: Subject[Any] = Subject(Ping, Pong, replay=replay)
        self.replay = replay
        self.spawn = spawn
        self.pairs: list[Pair] = []
        self.publishes: list[Publish] = []
        self.history: list[Any] = []
        self.closed = False
        self.failures: list[BaseException] = []
        self.counter = 0
        self.settled = 0
        self.reached: dict[int, int] = {}
        """How many subscriptions wanted each event, by its number."""
        self.witness: Subscription[Any] = self.subject.subscribe(buffer=10_000, overflow="drop_newest")

    # -- the instant of a publish, as the model sees it

    def wanting(self, event: Any) -> list[Pair]:
        """The subscriptions that want the event now."""
        return [pair for pair in self.pairs if pair.model.active and pair.model.wants(event)]

    def sync(self) -> None:
        """Apply to the model what was published since the last time, in order."""
        while True:
            try:
                event = self.witness.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
                return
            wanting = self.wanting(event)
            self.reached[event.n] = len(wanting)
            for pair in wanting:
                assert pair.model.room(event) > 0, "placed in a full buffer"
                pair.model.commit(event)
            if self.replay:
                self.history = [*self.history, event][-self.replay :]

    def published(self, events: list[Any], count: int) -> None:
        """Check what a publish returned: its last event happened in this instant."""
        self.sync()
        expected = sum(self.reached[event.n] + 1 for event in events)  # The witness is one more.
        assert count == expected, f"{count} wanted {events!r}, not {expected}"

    def event(self, kind: int, key: int) -> Any:
        """Make a new event."""
        self.counter += 1
        return KINDS[kind](n=self.counter, key=KEYS[key])

    def in_turn(self, task: Publish) -> None:
        """Assert that no publish that waited for the same subscriptions has waited longer and still waits."""
        self.sync()
        needed = self.needed(task)
        if task.seen[0] is not task.event or not needed:
            return  # It did not wait: a publish that finds a slot that is not reserved may overtake.
        if any(pair.model.conflate for pair in needed):
            return  # Which publishes need a slot changes all the time if events are conflated.
        for other in self.publishes:
            other.look(self.reached)
            event, since = other.seen
            if not all(pair.model.active for pair in (*task.full, *other.full)):
                continue  # They waited for a subscription that was closed since.
            if other.waits and not other.cancelled and event is other.event and since < task.seen[1]:
                assert self.needed(other) != needed, f"{task.event!r} overtook {other.event!r}"

    def needed(self, task: Publish) -> set[Pair]:
        """The subscriptions in which it needs a slot."""
        return {pair for pair in self.wanting(task.event) if pair.model.room(task.event) < FREE}

    # -- steps

    async def subscribe(self, wants: int, buffer: int, overflow: Overflow, conflate: bool, gaps: bool) -> None:
        """Make a subscription."""
        if len(self.pairs) >= 8:
            return
        self.sync()
        types, where, _ = WANTS[wants]
        key: Any = (lambda event: event.key) if conflate else None
        real: Any = self.subject.subscribe(
            *types, where=where, buffer=buffer, overflow=overflow, conflate=key, gaps=gaps
        )
        model = ModelSubscription(wants, buffer, overflow, conflate=conflate, gaps=gaps)
        model.replay = [event for event in self.history if model.wants(event)]
        model.wanted = len(model.replay)
        if self.closed:
            model.active = False
            model.end = anyio.EndOfStream
        self.pairs.append(Pair(real, model))

    async def publish(self, kind: int, key: int) -> None:
        """Start a publish in its own task."""
        task = Publish(self.event(kind, key))
        self.publishes.append(task)

        async def run() -> None:
            task.started = True
            task.started_after = self.settled
            with task.scope:
                try:
                    count = await self.subject.publish(task.event)
                except SubjectClosed:
                    assert self.closed
                else:
                    self.in_turn(task)
                    self.published([task.event], count)
            task.ended = True

        self.guarded(run)

    async def publish_many(self, kind: int, key: int, count: int, way: int) -> None:
        """Start a publish of several events in one call, given as a list or drawn one by one."""
        events = [self.event((kind + n * way) % len(KINDS), (key + n) % len(KEYS)) for n in range(count)]
        task = Publish(events[0])

        def drawn() -> Any:
            for event in events:
                task.event = event
                yield event

        async def run() -> None:
            task.started = True
            with task.scope:
                try:
                    reached = await self.subject.publish_many(drawn() if way else events)
                except SubjectClosed:
                    assert self.closed
                else:
                    self.published(events, reached)
            task.ended = True
            self.sync()
            placed = [event.n in self.reached for event in events]
            assert placed == sorted(placed, reverse=True), "one was left out"

        if not way:
            task.some = events

        self.publishes.append(task)
        self.guarded(run)

    async def publish_nowait(self, kind: int, key: int) -> None:
        """Publish at once or not at all, and assert that no waiting publish was overtaken."""
        self.sync()
        event = self.event(kind, key)
        wanting = self.wanting(event)
        waiting = [task for task in self.publishes if task.waits]
        for task in waiting:
            task.look(self.reached)
        try:
            count = self.subject.publish_nowait(event)
        except SubjectClosed:
            assert self.closed
        except anyio.WouldBlock:
            reasons = [
                pair
                for pair in wanting
                if pair.model.room(event) <= sum(pair in self.wanting(task.event) for task in waiting)
            ]
            assert reasons, "WouldBlock, though everybody has room"
        else:
            longest = next((task for task in waiting if not task.cancelled), None)
            for pair in longest.reserved if longest is not None else ():
                if pair in wanting and pair.model.room(longest.event) < FREE:
                    assert pair.model.room(event) > 1, "overtook the publish that has waited longest"
            self.published([event], count)

    async def receive(self, which: int, way: int) -> None:
        """Start a reader that receives one item, or one batch, and ends."""
        pair = self.pick(which)
        if pair is None or len(pair.readers) >= 4:
            return
        task = Task()
        pair.readers.append(task)

        async def run() -> None:
            task.started = True
            with task.scope:
                try:
                    if way == 0:
                        got = await pair.real.receive()
                        self.sync()
                        pair.model.take(got)
                    elif way == 1:
                        got = await anext(pair.iterator)
                        self.sync()
                        pair.model.take(got)
                    else:
                        batch = await anext(pair.batches)
                        self.sync()
                        assert batch
                        assert sum(not isinstance(item, Gap) for item in batch) <= pair.model.buffer
                        for item in batch:
                            pair.model.take(item)
                except (anyio.EndOfStream, StopAsyncIteration):
                    self.sync()
                    assert pair.model.ended()
                    assert pair.model.end is anyio.EndOfStream
                except (anyio.ClosedResourceError, SlowSubscriber) as error:
                    self.sync()
                    assert pair.model.ended(), f"{error!r}, though {pair.model.items} is left"
                    assert isinstance(error, pair.model.end or ())
            task.ended = True
            pair.readers.remove(task)

        self.guarded(run)

    async def receive_nowait(self, which: int) -> None:
        """Receive what is there, or assert that there is nothing."""
        pair = self.pick(which)
        if pair is None:
            return
        self.sync()
        try:
            got = pair.real.receive_nowait()
        except anyio.WouldBlock:
            left = len(pair.model.replay) + len(pair.model.items)
            assert left <= len(pair.readers), "WouldBlock, though there is something for nobody else"
        except (anyio.EndOfStream, anyio.ClosedResourceError, SlowSubscriber) as error:
            assert pair.model.ended()
            assert isinstance(error, pair.model.end or ())
        else:
            pair.model.take(got)

    async def cancel_publish(self, which: int) -> None:
        """Cancel one publish, wherever it is."""
        waiting = [task for task in self.publishes if not task.ended]
        if waiting:
            task = waiting[which % len(waiting)]
            task.cancelled = True
            task.scope.cancel()

    async def cancel_reader(self, which: int) -> None:
        """Cancel one reader, wherever it is."""
        readers = [task for pair in self.pairs for task in pair.readers]
        if readers:
            readers[which % len(readers)].scope.cancel()

    async def close_subscription(self, which: int) -> None:
        """Close a subscription."""
        pair = self.pick(which)
        if pair is not None:
            self.sync()
            await pair.real.aclose()
            pair.model.close()
            pair.agree()
            if not pair.readers:
                self.pairs.remove(pair)

    async def close(self) -> None:
        """Close the subject."""
        self.sync()
        self.subject.close()
        self.closed = True
        for pair in self.pairs:
            if pair.model.active:
                pair.model.active = False
                pair.model.end = anyio.EndOfStream

    async def turn(self, times: int) -> None:
        """Let the loop turn a few times."""
        for _ in range(times):
            await anyio.lowlevel.checkpoint()

    async def settle(self) -> None:
        """Let all tasks run until they wait, and assert that nobody waits without a reason."""
        await anyio.wait_all_tasks_blocked()
        self.check()
        waiting = [task for task in self.publishes if task.waits]
        assert not (waiting and self.closed), "a publish waits at a closed subject"
        self.settled = now = self.settled + 1
        for pair in self.pairs:
            full = pair.model.buffered >= pair.model.buffer
            pair.full_since = (pair.full_since or now) if full else 0
        for task in waiting:
            task.look(self.reached)
        for place, task in enumerate(waiting):
            if task.seen[0] is not task.event:
                task.seen = (task.event, now)
            full = [pair for pair in self.wanting(task.event) if pair.model.room(task.event) <= 0]
            kept = [pair for pair in self.wanting(task.event) if self.reserved_for_others(pair, task, waiting)]
            assert full or kept, f"{task.event!r} waits, though everybody who wants it has room"
            task.full += [pair for pair in full if pair not in task.full]
            if place == 0:
                task.reserved += [
                    pair for pair in full if pair not in task.reserved and 0 < pair.full_since <= task.started_after
                ]
        blocked = [task for task in waiting if any(p.model.room(task.event) <= 0 for p in self.wanting(task.event))]
        assert blocked or not waiting, "all that wait keep slots from each other"
        for pair in self.pairs:
            if pair.readers:
                assert not (pair.model.replay or pair.model.items), "a reader waits, though there is something"
                assert pair.model.end is None, "a reader waits, though it has ended"

    async def finish(self) -> None:
        """Close, read everything, and assert that every event is accounted for."""
        await self.settle()
        await self.close()
        await self.settle()
        assert not [task for task in self.publishes if not task.ended]
        for pair in list(self.pairs):
            while not pair.model.ended():
                with anyio.fail_after(10):
                    pair.model.take(await pair.real.receive())
            await pair.real.aclose()
            pair.model.close()
            pair.agree()
        await self.witness.aclose()
        assert self.subject.statistics().subscriptions == ()
        assert self.subject.statistics().waiting_publishers == 0

    # -- helpers

    def reserved_for_others(self, pair: Pair, task: Publish, waiting: list[Publish]) -> bool:
        """Whether the free slots of a subscription may all be reserved for other publishes that wait."""
        others = sum(other is not task and pair in self.wanting(other.event) for other in waiting)
        return pair.model.room(task.event) <= others

    def pick(self, which: int) -> Pair | None:
        """One of the subscriptions."""
        return self.pairs[which % len(self.pairs)] if self.pairs else None

    def guarded(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a task whose errors are failures of this world."""

        async def guard() -> None:
            try:
                await run()
            except Exception as error:
                self.failures.append(error)

        self.spawn(guard)

    def check(self) -> None:
        """Raise what a task raised, and compare all ledgers."""
        self.check_failures()
        self.sync()
        for pair in self.pairs:
            pair.agree()
        self.publishes = [task for task in self.publishes if not task.ended]

    def check_failures(self) -> None:
        """Raise what a task raised."""
        if self.failures:
            raise self.failures[0]

    def close_all(self) -> None:
        """Close what is left after a failure, so that no other failure follows it."""
        for subscription in [self.witness, *(pair.real for pair in self.pairs)]:
            try:
                subscription.aclose().send(None)
            except StopIteration:
                pass
        self.pairs.clear()
