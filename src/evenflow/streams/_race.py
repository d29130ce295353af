"""`race`: the first source to give an event, to end or to fail is read on; the others are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from evenflow._errors import chain_closed
from evenflow.streams._channel import Notifier
from evenflow.streams._ending import Caught
from evenflow.streams._node import NOTHING, Nothing, close_all
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from evenflow.streams._guarded import Nodes
    from evenflow.streams._node import Node, Run

T = TypeVar("T")


class Race(TaskEngine[T]):
    """See ``race``. Each source is read once in a task; then the reader reads the winner itself."""

    __slots__ = ("contenders", "decided", "error", "first", "losers_closed", "readers", "winner")

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.reader_at = self.decided = Notifier()
        self.winner: int | None = None
        self.first: T | Nothing = NOTHING
        self.error: Exception | None = None
        self.losers_closed = False
        self.readers = [node.open(run) for node in nodes]
        self.contenders = [self.tasks.start(self.contend, number) for number in range(len(nodes))]

    async def contend(self, number: int) -> None:
        """Wait for the first event of one source. The first source to come cancels the others."""
        first: T | Nothing = NOTHING
        with Caught() as caught:
            first = await anext(self.readers[number])
        if self.winner is None:
            self.winner, self.first, self.error = number, first, caught.error
            for other, contender in enumerate(self.contenders):
                if other != number:
                    contender.cancel()
            self.decided.notify()

    async def pull(self) -> T:
        """Wait for the winner, close the losers, and from then on read the winner directly."""
        while self.winner is None:
            await self.decided.wait()
        if not self.losers_closed:
            await self.tasks.stop()
            losers = (node for number, node in enumerate(self.nodes) if number != self.winner)
            await close_all(losers, final=not self.run.restarts)
            self.losers_closed = True
            self.reader_at = None
        if self.error is not None:
            raise self.error
        first, self.first = self.first, NOTHING
        if isinstance(first, Nothing):
            await self.tasks.checkpoint_now_and_then()
            return await anext(self.readers[self.winner])
        return first

    def being_read(self) -> Nodes:
        """Return the winner, once the reader reads it."""
        return (self.nodes[self.winner],) if self.losers_closed and self.winner is not None else ()

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error, if it waits for the winner."""
        if self.winner is None:
            self.winner, self.error = 0, error
            self.decided.notify()

    async def stop(self) -> None:
        """End the tasks, and wake a reader that waits for them."""
        self.fail(chain_closed())
        await super().stop()
