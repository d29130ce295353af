"""One stream after another: what `concat`, `concat_map`, `catch`, `retry` and `repeat` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio.lowlevel import checkpoint

from evenflow.streams._ending import Caught, Ended, calling_functions
from evenflow.streams._node import NOTHING, Node, open_inside
from evenflow.streams._operator import COROUTINE, EVENTS_A_TURN
from evenflow.streams._source import node_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._guarded import Nodes
    from evenflow.streams._node import Run

T = TypeVar("T")


class Sequential(Generic[T]):
    """The base of an engine that reads one node at a time, and asks ``following`` for the next one.

    It closes what has ended, then finds the next node, then reads that. Each of these is noted in an attribute before
    it waits, so after a cancel at any await the next read goes on from there.
    """

    __slots__ = ("leaving", "node", "nodes", "reader", "run")

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        self.run = run
        self.nodes = nodes
        self.node: Node[T] | None = None
        self.reader: AsyncIterator[T] | None = None
        self.leaving: Node[T] | None = None

    async def following(self) -> Node[T]:
        """Return the node to read next; raise ``StopAsyncIteration`` if there is none."""
        raise NotImplementedError

    def after_end(self) -> None:
        """Note that the node has ended; raise ``StopAsyncIteration`` if nothing follows."""

    def after_error(self, error: Exception) -> None:
        """Note that the node has failed; raise if nothing follows."""
        raise error

    def closes_for_good(self) -> bool:
        """Whether a node that has ended will not be opened again."""
        return not self.run.restarts

    async def pull(self) -> T:
        """Read on, from one node to the next."""
        ended = 0
        while True:
            if self.leaving is not None:
                await self.leaving.close(final=self.closes_for_good())
                self.leaving = None
                ended += 1
                if ended == EVENTS_A_TURN:
                    ended = 0
                    await checkpoint()
            if self.reader is None:
                self.node = await self.following()
                self.reader = self.opened(self.node)
            try:
                return await anext(self.reader)
            except Exception as error:  # noqa: BLE001 -- raised by `leave`, unless something follows
                self.leave(error)

    def opened(self, node: Node[T]) -> AsyncIterator[T]:
        """Open a node. An error of that is raised by the first read."""
        with Caught() as caught:
            return open_inside(node, self.run)
        return Ended(caught.error)

    def leave(self, error: Exception) -> None:
        """Leave the node that has ended or failed, if something follows; raise otherwise."""
        if isinstance(error, StopAsyncIteration):
            if self.node is not None:
                self.node.check_end()
            self.after_end()
        else:
            self.after_error(error)
        self.reader, self.leaving = None, self.node

    async def stop(self) -> None:
        """Do nothing: it has no tasks."""

    def made(self) -> Nodes:
        """Return the node that is read, if it was not there from the start."""
        return () if self.node is None or self.node in self.nodes else (self.node,)

    def being_read(self) -> Nodes:
        """Return the node that is read; between two nodes, a source may be read for the next."""
        return self.nodes if self.node is None or self.reader is None else (self.node,)


class Concat(Sequential[T]):
    """See ``concat``."""

    __slots__ = ("number",)

    def __init__(self, run: Run, *nodes: Node[Any]) -> None:
        super().__init__(run, *nodes)
        self.number = -1

    async def following(self) -> Node[T]:
        """Return the next source."""
        self.number += 1
        if self.number >= len(self.nodes):
            raise StopAsyncIteration
        return self.nodes[self.number]


class ConcatMap(Sequential[T]):
    """See ``concat_map``."""

    __slots__ = ("function", "held", "source")

    def __init__(self, function: Callable[[Any], Any], run: Run, above: Node[Any]) -> None:
        super().__init__(run, above)
        self.function = function
        self.held: Any = NOTHING
        self.source = above.open(run)

    async def following(self) -> Node[T]:
        """Make a node of the next event. The event is kept until that is done."""
        if self.held is NOTHING:
            self.held = await anext(self.source)
        with calling_functions:
            made = self.function(self.held)
            if type(made) is COROUTINE:
                made = await made
        node = node_of(made, "concat_map")
        self.held = NOTHING
        return node

    def closes_for_good(self) -> bool:
        """Each node was made for one event."""
        return True
