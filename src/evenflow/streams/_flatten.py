"""Streams of streams: `flat_map`, `switch_map` and `exhaust_map` make a stream of each event, and run it in a task.

`concat_map` runs them one after the other, and needs no task for that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio.lowlevel import checkpoint

from evenflow._deadlock import Takers
from evenflow.streams._channel import Notifier, let_others_run
from evenflow.streams._ending import Caught, calling_functions
from evenflow.streams._node import open_inside
from evenflow.streams._operator import COROUTINE
from evenflow.streams._source import node_of
from evenflow.streams._standstill import InnerStream, Motion, motion_of, wait_for_change
from evenflow.streams._tasks import OperatorTask, TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio import Event

    from evenflow.streams._channel import Channel
    from evenflow.streams._guarded import Nodes
    from evenflow.streams._node import Node, Run
    from evenflow.streams._read_by import ReadBy

T = TypeVar("T")

MOST_AT_ONCE: Final = 256
"""How many events a new stream may yield before the source is read on. Then both go on side by side."""


MOST_STREAMS: Final = 10_000
"""How many streams ``flat_map`` runs at once where no limit is given."""


def is_awaited(taken: Event | None) -> bool:
    """Whether something was put, and was not taken."""
    return taken is not None and not taken.is_set()


class Output(Generic[T]):
    """What one inner stream puts into the channel."""

    __slots__ = ("channel", "count", "dropped_by", "is_left", "must_be_taken", "read_by", "taken")

    def __init__(self, channel: Channel[T], read_by: ReadBy, dropped_by: OperatorTask | None = None) -> None:
        self.channel = channel
        self.read_by = read_by
        self.dropped_by = dropped_by
        """The task that drops what was put when it reads on."""
        self.count = 0
        self.is_left = False
        self.taken: Event | None = None
        self.must_be_taken: Event | None = None
        """What ``run_dry`` waits for."""

    async def put(self, item: T) -> None:
        """Put an event, and wait until it was taken. It is dropped if the reader has switched to another stream."""
        if self.channel.ended or self.is_left:
            # A stream that never waits must notice that it was cancelled.
            await checkpoint()
            return
        self.count += 1
        self.taken = self.channel.put_nowait(item)
        await self.taken.wait()

    def takers(self) -> Takers:
        """Return whom the task that puts waits for: whoever takes what it has put, or drops it."""
        if not is_awaited(self.taken):
            return Takers()
        tasks, private = self.read_by.takers()
        if tasks and self.dropped_by is not None:
            tasks = (*tasks, *self.dropped_by.who())
        return Takers(tasks, private)

    async def run_dry(self, task: OperatorTask) -> None:
        """Wait until everything was taken that the stream yields without waiting, up to a limit."""
        count = -1
        while self.count > count and self.count < MOST_AT_ONCE and not task.over:
            count = self.count
            await let_others_run()
            if self.taken is not None:
                self.must_be_taken = self.taken
                await self.must_be_taken.wait()


class Flattening(TaskEngine[T], ABC):
    """The base of an engine that makes streams of the events of its source, and runs each in a task."""

    __slots__ = (
        "function",
        "newest",
        "open_nodes",
        "output",
        "reading",
        "running",
        "source_over",
        "stream_over",
        "within",
    )

    def __init__(self, function: Callable[[Any], Any], run: Run, above: Node[Any]) -> None:
        super().__init__(run, above)
        self.function = function
        self.newest: OperatorTask | None = None
        self.output: Output[T] = Output(self.channel, self.read_by)
        self.open_nodes: dict[Node[Any], None] = {}
        self.running = 0
        self.source_over = False
        self.stream_over = Notifier()
        self.within = run.in_task()
        self.reading = self.tasks.start(self.read, above.open(self.within), takers=self.takers)

    async def read(self, reader: AsyncIterator[Any]) -> None:
        """Read the source to its end."""
        error = await self.tasks.read(self.nodes[0], reader, self.take_in)
        self.source_over = True
        self.end_if_over(error)

    @abstractmethod
    async def take_in(self, event: Any) -> None:
        """Take in an event of the source."""

    def new_output(self) -> Output[T]:
        """Make what a new stream puts into."""
        return Output(self.channel, self.read_by)

    async def start_stream(self, event: Any) -> None:
        """Start a stream, and let it yield what needs no waiting before the source is read on."""
        self.running += 1
        self.output = output = self.new_output()
        self.newest = self.tasks.start(self.run_stream, event, output, takers=output.takers)
        await output.run_dry(self.newest)

    def takers(self) -> Takers:
        """Return whom the task that reads waits for: the readers, until they have what a new stream yields."""
        return self.read_by.takers_if(is_awaited(self.output.must_be_taken))

    async def run_stream(self, event: Any, output: Output[T]) -> None:
        """Make a stream of an event, put what it yields, and close it at its end."""
        try:
            error = await self.make_and_read(event, output)
        finally:
            self.running -= 1
        self.stream_over.notify()
        self.end_if_over(None if output.is_left else error)

    async def make_and_read(self, event: Any, output: Output[T]) -> Exception | None:
        """Run a stream to its end; return its error, or None. One that has failed is closed with the chain."""
        node: Node[Any] | None = None
        with Caught() as caught:
            with calling_functions:
                made = self.function(event)
                if type(made) is COROUTINE:
                    made = await made
            node = node_of(made, "this chain")
            self.open_nodes[node] = None
            reader = open_inside(node, self.within)
            caught.error = await self.tasks.read(node, reader, output.put)
        if node is not None and caught.error is None:
            del self.open_nodes[node]
        return caught.error

    def end_if_over(self, error: Exception | None) -> None:
        """End with an error at once, or when the source and all streams have ended."""
        if error is not None:
            self.channel.end(error)
        elif self.source_over and not self.running:
            self.channel.end()

    def made(self) -> Nodes:
        """Return the streams that have not been closed."""
        return tuple(self.open_nodes)


class FlatMap(Flattening[T]):
    """See ``flat_map``, without a limit."""

    __slots__ = ()

    async def take_in(self, event: Any) -> None:
        """Start a stream."""
        if self.running >= MOST_STREAMS:
            raise RuntimeError(
                f"flat_map runs {self.running:,} streams at once, and has no limit: end them, "
                "or give it concurrency=n, so that the source waits until one has ended"
            )
        await self.start_stream(event)
        await self.tasks.checkpoint_now_and_then()


class LimitedFlatMap(Flattening[T]):
    """See ``flat_map``, with a limit."""

    __slots__ = ("concurrency", "is_full", "look_when_taken", "streams")

    def __init__(self, function: Callable[[Any], Any], concurrency: int, run: Run, above: Node[Any]) -> None:
        super().__init__(function, run, above)
        self.concurrency = concurrency
        self.is_full = False
        self.look_when_taken = False
        self.streams: dict[InnerStream, None] = {}

    async def pull(self) -> T:
        """Wait for the next event. If only that kept the streams from standing still, look again at them."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        event = await self.channel.take()
        if self.look_when_taken and not self.channel:
            self.look_when_taken = False
            self.stream_over.notify()
        return event

    async def take_in(self, event: Any) -> None:
        """Start a stream, then wait until there is room for another."""
        await self.start_stream(event)
        while self.running >= self.concurrency:
            self.is_full = True
            await wait_for_change(self.stream_over, self.motion, self.why_it_stands)
        self.is_full = False
        await self.tasks.checkpoint_now_and_then()

    def takers(self) -> Takers:
        """Return whom the task that reads waits for: any of the streams that run, where there may be no other."""
        if self.is_full and self.running >= self.concurrency:
            return Takers(self.tasks.all_but(self.reading), private=True)
        return super().takers()

    async def run_stream(self, event: Any, output: Output[T]) -> None:
        """Run a stream, and know of it while it runs."""
        stream = InnerStream(self.stream_over)
        stream.enter()
        self.streams[stream] = None
        try:
            await super().run_stream(event, output)
        finally:
            del self.streams[stream]

    def motion(self) -> Motion:
        """Whether anything can move before the source is read on.

        An event that the reader has not taken is a move to come, also where its stream has gone on to wait for a group:
        an operator with a task does, when it has handed on the event.
        """
        if len(self.streams) != self.running or self.running < self.concurrency:
            return Motion.MOVES
        motion = motion_of(self.streams)
        self.look_when_taken = motion is not Motion.MOVES and bool(self.channel)
        return Motion.MOVES if self.look_when_taken else motion

    def why_it_stands(self) -> str:
        """Return what the error says."""
        return (
            f"flat_map runs at most concurrency={self.concurrency} streams, and all of them wait for groups "
            "of a group_by that has a further group: leave out concurrency, or give at least the number of groups"
        )


class SwitchMap(Flattening[T]):
    """See ``switch_map``."""

    __slots__ = ()

    def new_output(self) -> Output[T]:
        """Make an output that the next event empties."""
        return Output(self.channel, self.read_by, dropped_by=self.reading)

    async def take_in(self, event: Any) -> None:
        """Close the stream before, and start another."""
        if self.running and self.newest is not None:
            # What it puts while it is stopped must not reach the reader, nor may its error.
            self.output.is_left = True
            self.channel.clear()
            await self.newest.stop()
            for node in self.made():
                await node.close(final=True)
                del self.open_nodes[node]
        await self.start_stream(event)


class ExhaustMap(Flattening[T]):
    """See ``exhaust_map``."""

    __slots__ = ()

    async def take_in(self, event: Any) -> None:
        """Start a stream, unless one runs."""
        if self.running:
            await self.tasks.checkpoint_now_and_then()
        else:
            await self.start_stream(event)
