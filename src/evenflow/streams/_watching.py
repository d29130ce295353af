"""One source and others that are watched: `take_until`, `skip_until`, `with_latest_from`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import CancelScope

from evenflow.streams._channel import let_others_run
from evenflow.streams._combine import missing
from evenflow.streams._ending import Caught
from evenflow.streams._node import NOTHING
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow.streams._guarded import Nodes
    from evenflow.streams._node import Node, Run

T = TypeVar("T")
U = TypeVar("U")


class Watching(TaskEngine[U], ABC, Generic[T, U]):
    """The base of an engine that reads its first source in the reader's task, and watches the others in tasks."""

    __slots__ = ("interruption", "scope", "source")

    def __init__(self, run: Run, above: Node[T], *others: Node[Any]) -> None:
        super().__init__(run, above, *others)
        # The reader waits for the source.
        self.reader_at = None
        self.interruption: Exception | None = None
        self.scope: CancelScope | None = None
        self.source = above.open(run)
        readers = [other.open(run.in_task()) for other in others]
        for number, reader in enumerate(readers):
            self.tasks.start(self.watch, number, others[number], reader)

    @abstractmethod
    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any], /) -> None:
        """Read one of the others."""

    def being_read(self) -> Nodes:
        """Return the first source."""
        return self.nodes[:1]

    async def read(self) -> T:
        """Read the first source, unless that is interrupted. One that never waits must let the others run."""
        await self.tasks.checkpoint_now_and_then()
        if self.interruption is None:
            with CancelScope() as self.scope:
                return await anext(self.source)
        raise self.interruption or StopAsyncIteration

    def interrupt(self, error: Exception) -> None:
        """End the stream now, even while it is read. Only the first call counts."""
        if self.interruption is None:
            self.interruption = error
            if self.scope is not None:
                self.scope.cancel()

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error, even while it reads the source."""
        self.interrupt(error)

    async def dismiss(self, node: Node[Any]) -> None:
        """Close one of the others, which is not needed any more. What that raises ends the stream."""
        failure = await self.tasks.retire(node)
        if failure is not None:
            self.interrupt(failure)

    async def gives_an_event(self, node: Node[Any], reader: AsyncIterator[Any]) -> bool:
        """Wait for one event of one of the others. Its end changes nothing, and its error ends the stream."""
        with Caught() as caught:
            await anext(reader)
        if isinstance(caught.error, StopAsyncIteration):
            await self.dismiss(node)
        elif caught.error is not None:
            self.interrupt(caught.error)
        return caught.error is None


class TakeUntil(Watching[T, T]):
    """See ``take_until``."""

    __slots__ = ()

    async def watch(self, _number: int, node: Node[Any], reader: AsyncIterator[Any], /) -> None:
        """End the stream with the other's first event."""
        if await self.gives_an_event(node, reader):
            self.interrupt(StopAsyncIteration())

    async def pull(self) -> T:
        """Read the source."""
        return await self.read()


class SkipUntil(Watching[T, T]):
    """See ``skip_until``."""

    __slots__ = ("skipping",)

    def __init__(self, run: Run, above: Node[T], *others: Node[Any]) -> None:
        super().__init__(run, above, *others)
        self.skipping = True

    async def watch(self, _number: int, node: Node[Any], reader: AsyncIterator[Any], /) -> None:
        """Stop skipping with the other's first event."""
        if await self.gives_an_event(node, reader):
            self.skipping = False
            await self.dismiss(node)

    async def pull(self) -> T:
        """Read the source, and skip what comes too early."""
        while True:
            event = await self.read()
            if not self.skipping:
                return event


class WithLatestFrom(Watching[Any, tuple[Any, ...]]):
    """See ``with_latest_from``."""

    __slots__ = ("newest", "others_ran")

    def __init__(self, run: Run, above: Node[Any], *others: Node[Any]) -> None:
        super().__init__(run, above, *others)
        self.newest: list[Any] = [NOTHING] * len(others)
        self.others_ran = False

    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any], /) -> None:
        """Keep the newest event of one of the others."""

        async def keep(event: Any) -> None:
            self.newest[number] = event
            await self.tasks.checkpoint_now_and_then()

        error = await self.tasks.read(node, reader, keep)
        if error is not None:
            self.interrupt(error)

    async def pull(self) -> tuple[Any, ...]:
        """Read the source; as in Rx, what the others give without waiting comes first."""
        if not self.others_ran:
            await let_others_run()
            self.others_ran = True
        while True:
            event = await self.read()
            if not missing(self.newest):
                return (event, *self.newest)
