"""Sinks: what comes of all events of a stream.

A sink enters the chain, reads it, and closes it however that ends. Cancelling a sink closes the chain too, and drops
the event that it has in hand. While a sink waits for the next event it does not keep the last one alive: an event may
be a group that must be freed.

Its source may never wait, so a sink reads in turns, and lets the loop turn after each. A loop over ``repeat`` costs
nothing; counting the events would cost a tenth.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from itertools import repeat
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from anyio import EndOfStream, Lock, create_task_group, current_effective_deadline, get_cancelled_exc_class
from anyio.lowlevel import checkpoint

from evenflow._loop import running_loop
from evenflow.streams._checks import check_count, check_function
from evenflow.streams._ending import Caught, calling_functions
from evenflow.streams._node import Claimable
from evenflow.streams._operator import COROUTINE, EVENTS_A_TURN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from anyio.abc import ObjectReceiveStream, TaskGroup

    from evenflow._loop import RunningLoop

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Publishes(Protocol[T_contra]):
    """Something with a ``publish``: a subject."""

    def publish(self, event: T_contra, /) -> Awaitable[object]:
        """Publish an event."""
        ...


async def for_each(stream: ObjectReceiveStream[T], handler: Callable[[T], object], concurrency: int) -> None:
    """Call the handler with each event."""
    check_function(handler, "for_each")
    check_count(1, concurrency, "for_each", "handlers at once")
    if isinstance(stream, Claimable):
        stream._read_by_sink()
    if concurrency > 1:
        await Workers(handler, concurrency).work(stream)
        return
    async with stream as events:
        pull = aiter(events).__anext__
        with own_task(), calling_functions:
            while True:
                for _ in repeat(None, EVENTS_A_TURN):
                    try:
                        event = await pull()
                    except StopAsyncIteration:
                        return
                    answer: Any = handler(event)
                    if type(answer) is COROUTINE:
                        await answer
                    del event, answer
                await checkpoint()


@contextmanager
def own_task() -> Generator[None]:
    """Meanwhile this task reads for a sink, and for nobody else."""
    loop = running_loop()
    task = loop.current_task()
    was_own = task in loop.own
    loop.own.setdefault(task, None)
    try:
        yield
    finally:
        if not was_own:
            loop.own.pop(task, None)


async def to_list(stream: ObjectReceiveStream[T]) -> list[T]:
    """Return all events."""
    found: list[T] = []
    async with stream as events:
        pull = aiter(events).__anext__
        while True:
            for _ in repeat(None, EVENTS_A_TURN):
                try:
                    found.append(await pull())
                except StopAsyncIteration:
                    return found
            await checkpoint()


async def ask_about_each(
    stream: ObjectReceiveStream[T], ask: Callable[[T], Any], is_enough: Callable[[Any], bool]
) -> bool:
    """Ask a function, sync or async, about each event, until an answer is enough; return whether one was."""
    async with stream as events:
        pull = aiter(events).__anext__
        with calling_functions:
            while True:
                for _ in repeat(None, EVENTS_A_TURN):
                    try:
                        event = await pull()
                    except StopAsyncIteration:
                        return False
                    answer = ask(event)
                    if type(answer) is COROUTINE:
                        answer = await answer
                    if is_enough(answer):
                        return True
                    del event, answer
                await checkpoint()


async def reduce(stream: ObjectReceiveStream[T], function: Callable[[Any, T], Any], initial: Any) -> Any:
    """Return what the function makes of all events."""
    check_function(function, "reduce")
    so_far = initial

    def keep(answer: Any) -> bool:
        nonlocal so_far
        so_far = answer
        return False

    await ask_about_each(stream, lambda event: function(so_far, event), keep)
    return so_far


async def count(stream: ObjectReceiveStream[object]) -> int:
    """Return how many events there are."""
    number = 0
    async with stream as events:
        pull = aiter(events).__anext__
        while True:
            for _ in repeat(None, EVENTS_A_TURN):
                try:
                    await pull()
                except StopAsyncIteration:
                    return number
                number += 1
            await checkpoint()


async def is_met(stream: ObjectReceiveStream[T], predicate: object, operator: str, *, wanted: bool) -> bool:
    """Return whether the predicate answers as ``wanted`` about any event; read no further than that one."""
    return await ask_about_each(stream, check_function(predicate, operator), lambda answer: bool(answer) is wanted)


async def first(stream: ObjectReceiveStream[T]) -> T:
    """Return the first event."""
    async with stream as events:
        async for event in events:
            return event
    raise EndOfStream("first() found no event: the stream has ended without one")


async def last(stream: ObjectReceiveStream[T]) -> T:
    """Return the last event."""
    found: deque[T] = deque(maxlen=1)
    async with stream as events:
        pull = aiter(events).__anext__
        with suppress(StopAsyncIteration):
            while True:
                for _ in repeat(None, EVENTS_A_TURN):
                    found.append(await pull())
                await checkpoint()
    if not found:
        raise EndOfStream("last() found no event: the stream has ended without one")
    return found[0]


async def publish_to(stream: ObjectReceiveStream[T], publisher: Publishes[T]) -> int:
    """Publish each event, and return how many there were."""
    if not callable(getattr(publisher, "publish", None)):
        raise TypeError(f"publish_to expected a subject, or something else with a publish method, not {publisher!r}")
    number = 0
    async with stream as events:
        pull = aiter(events).__anext__
        with calling_functions:
            while True:
                for _ in repeat(None, EVENTS_A_TURN):
                    try:
                        event = await pull()
                    except StopAsyncIteration:
                        return number
                    await publisher.publish(event)
                    del event
                    number += 1
                await checkpoint()


class Workers:
    """Handlers that run side by side: each takes an event when it is free, and one of them reads at a time.

    A task group raises no cancellation that only one of its tasks has met, for instance because it waited for a future
    that somebody gave up. So ``failure`` keeps it, and ``unfinished`` counts the workers that have not returned.
    """

    __slots__ = ("concurrency", "failure", "handler", "reading", "started", "tasks", "unfinished")

    def __init__(self, handler: Callable[[Any], object], concurrency: int) -> None:
        self.handler = handler
        self.concurrency = concurrency
        self.started = 0
        self.unfinished = 0
        self.reading = Lock()
        self.failure: BaseException | None = None
        self.tasks: list[object] = []
        """Those of the workers that have read."""

    async def work(self, stream: ObjectReceiveStream[Any]) -> None:
        """Read the stream to its end, and raise the first error or cancellation, in no group."""
        async with stream as events:
            reader = aiter(events)
            async with create_task_group() as group:
                self.start(group, reader)
            if self.failure is not None:
                raise self.failure
            if self.unfinished:
                # On asyncio, a worker was cancelled before its first step.
                raise get_cancelled_exc_class()("a handler of for_each was cancelled by somebody else")

    def start(self, group: TaskGroup, reader: AsyncIterator[Any]) -> None:
        """Start another worker, if there may be one."""
        if self.started < self.concurrency:
            self.started += 1
            self.unfinished += 1
            group.start_soon(self.run, group, reader)

    def note_read(self, loop: RunningLoop) -> None:
        """A worker has read. Once all have, it is known who reads; until then one that has not may still make room."""
        if len(self.tasks) < self.concurrency and (task := loop.current_task()) not in self.tasks:
            self.tasks.append(task)
            if len(self.tasks) == self.concurrency:
                loop.own.update(dict.fromkeys(self.tasks))

    async def run(self, group: TaskGroup, reader: AsyncIterator[Any]) -> None:
        """Handle events to the end, and keep the error or the cancellation that comes before that."""
        try:
            await self.handle_all(group, reader)
        except get_cancelled_exc_class() as error:
            # What cancels the whole group, the group raises itself.
            if current_effective_deadline() > -inf:
                self.fail(error, group)
            raise
        except BaseException as error:  # noqa: BLE001 -- raised by `work`, in no group
            self.fail(error, group)
        self.unfinished -= 1

    def fail(self, error: BaseException, group: TaskGroup) -> None:
        """Keep the error, and cancel the other handlers."""
        self.failure = self.failure or error
        group.cancel_scope.cancel()

    async def handle_all(self, group: TaskGroup, reader: AsyncIterator[Any]) -> None:
        """Handle one event after another. The next worker is started with the first event of this one."""
        while True:
            event: Any = None
            with Caught() as reading:
                async with self.reading:
                    event = await anext(reader)
            if reading.error is not None:
                # The other handlers finish what came before the end or the error.
                if not isinstance(reading.error, StopAsyncIteration):
                    self.failure = self.failure or reading.error
                return
            self.start(group, reader)
            self.note_read(running_loop())
            with calling_functions:
                answer: Any = self.handler(event)
                if type(answer) is COROUTINE:
                    await answer
                del event, answer
