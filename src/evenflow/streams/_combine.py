"""Several sources at once: all are started together, and each is read in a task, one event ahead of the reader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import Event

from evenflow._errors import chain_closed
from evenflow.streams._channel import Notifier
from evenflow.streams._node import NOTHING
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow._deadlock import Takers
    from evenflow.streams._node import Node, Run

T = TypeVar("T")


def missing(values: list[Any]) -> bool:
    """Whether one of the values has not come yet. They are compared by identity: an event may have any ``__eq__``."""
    return any(value is NOTHING for value in values)


class Together(TaskEngine[T], ABC):
    """The base of an engine that opens all its sources at once, and reads each in a task."""

    __slots__ = ("done",)

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.done = [False] * len(nodes)
        within = run.in_task()
        readers = [node.open(within) for node in nodes]
        for number, reader in enumerate(readers):
            self.tasks.start(self.read, number, reader, takers=partial(self.takers, number))

    async def read(self, number: int, reader: AsyncIterator[Any]) -> None:
        """Read one source to its end."""
        error = await self.tasks.read(self.nodes[number], reader, partial(self.take_in, number))
        self.done[number] = True
        if error is not None:
            self.after_error(error)
        else:
            self.after_end(number)

    @abstractmethod
    async def take_in(self, number: int, event: Any, /) -> None:
        """Take in an event of one source."""

    def takers(self, number: int) -> Takers:
        """Return whom the task of one source waits for: the readers, until what it has put was taken."""
        return self.read_by.takers_if(self.channel.has_one_of(number))

    def after_end(self, _number: int, /) -> None:
        """One source has ended: end with the last."""
        if all(self.done):
            self.channel.end()

    def fail(self, error: Exception) -> None:
        """End the stream as if a source had failed."""
        self.after_error(error)

    def after_error(self, error: Exception) -> None:
        """One source has failed: end now."""
        self.channel.end(error)


class Merge(Together[T]):
    """See ``merge``."""

    __slots__ = ()

    async def take_in(self, number: int, event: T, /) -> None:
        """Hand it to the reader."""
        await self.channel.put(event, number)


class CombineLatest(Together[tuple[Any, ...]]):
    """See ``combine_latest``."""

    __slots__ = ("newest",)

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.newest: list[Any] = [NOTHING] * len(nodes)

    async def take_in(self, number: int, event: Any, /) -> None:
        """Put a tuple if every source has given an event; end if that cannot happen any more."""
        self.newest[number] = event
        if not missing(self.newest):
            await self.channel.put(tuple(self.newest), number)
            return
        if all(done for other, done in enumerate(self.done) if other != number):
            self.channel.end()
        await self.tasks.checkpoint_now_and_then()


class ZipLatest(Together[tuple[Any, ...]]):
    """See ``zip_latest``."""

    __slots__ = ("newest",)

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.newest: list[Any] = [NOTHING] * len(nodes)

    async def take_in(self, number: int, event: Any, /) -> None:
        """Put a tuple if every source has given a new event; end if that was the last tuple."""
        self.newest[number] = event
        if missing(self.newest):
            await self.tasks.checkpoint_now_and_then()
            return
        together = tuple(self.newest)
        self.newest = [NOTHING] * len(self.nodes)
        if any(self.done):
            self.channel.put_nowait(together)
            self.channel.end()
        else:
            await self.channel.put(together, number)

    def after_end(self, number: int, /) -> None:
        """End if nothing new of this source is left: no tuple can follow."""
        if self.newest[number] is NOTHING:
            self.channel.end()


class Zip(Together[tuple[Any, ...]]):
    """See ``zip``. Each task waits until its event has gone into a tuple; the reader makes the tuples."""

    __slots__ = ("changed", "error", "heads", "taken")

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.reader_at = self.changed = Notifier()
        self.heads: list[Any] = [NOTHING] * len(nodes)
        self.taken = Event()
        self.error: Exception | None = None

    async def take_in(self, number: int, event: Any, /) -> None:
        """Hold an event until all sources have one."""
        self.heads[number] = event
        self.changed.notify()
        await self.taken.wait()

    def takers(self, number: int) -> Takers:
        """Return whom the task of one source waits for: the readers, until its event has gone into a tuple."""
        return self.read_by.takers_if(self.heads[number] is not NOTHING)

    def after_end(self, _number: int, /) -> None:
        """Let the reader look: it may have waited for this source."""
        self.changed.notify()

    def after_error(self, error: Exception) -> None:
        """Let the reader have the error, after a tuple that is complete."""
        self.error = self.error or error
        self.changed.notify()

    async def pull(self) -> tuple[Any, ...]:
        """Wait until every source has an event."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        while missing(self.heads):
            if self.error is not None:
                raise self.error
            if any(done and head is NOTHING for done, head in zip(self.done, self.heads, strict=True)):
                raise StopAsyncIteration
            await self.changed.wait()
        together = tuple(self.heads)
        self.heads = [NOTHING] * len(self.nodes)
        self.taken.set()
        self.taken = Event()
        return together

    async def stop(self) -> None:
        """End the tasks, and wake a reader that waits for them."""
        self.after_error(chain_closed())
        await super().stop()
