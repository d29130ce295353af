"""Chain: a tree of nodes while it is read. It is started by the first read or by entering, and closed as a whole.

Entering makes a crew if any node may need a task. It may be nested: a sink inside the ``async with`` enters the chain
again and closes it, and the crew ends with the outermost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from evenflow._crew import Crew
from evenflow._errors import chain_closed
from evenflow._fork import forget_in_child
from evenflow._loop import running_loop
from evenflow.streams._ending import Caught, Ended
from evenflow.streams._node import NOT_ENTERED, Node, Run
from evenflow.streams._operator import PassOn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")


class Chain(Generic[T]):
    """The nodes up to ``node``, as one thing to read, to enter and to close."""

    __slots__ = ("__weakref__", "_crew", "_entered", "_reader", "_run", "closed", "node")

    def __init__(self, node: Node[T]) -> None:
        self.node = node
        self.closed = False
        self._reader: AsyncIterator[T] | None = None
        self._run = Run(None)
        self._crew: Crew | None = None
        self._entered = 0

    def reader(self) -> AsyncIterator[T]:
        """Return what is read. The first call starts the chain.

        Raises:
            anyio.ClosedResourceError: the chain was closed.
            RuntimeError: it needs a task, and was not entered.
        """
        if self._reader is None:
            self._reader = self._start()
        if self.closed:
            raise chain_closed()
        return self._reader

    def _start(self) -> AsyncIterator[T]:
        if self._crew is None and self.node.needs_task():
            raise RuntimeError(NOT_ENTERED)
        # A source does not know how a chain ends, so an operator stands behind it.
        last = self.node if self.node.nodes else PassOn(self.node)
        last.is_last = True
        self._run.crew = self._crew
        return last.open(self._run)

    def keep_private(self) -> None:
        """From now on nobody reads it but a sink, in tasks that are evenflow's own meanwhile."""
        self._run.private = True

    def hand_over(self) -> Node[T]:
        """Return the node for an operator that takes over the chain, which goes on where it was read to."""
        return self.node if self._reader is None else StartedNode(self.node, self._reader)

    async def close(self) -> None:
        """Close the chain with all its sources, and wait until its tasks have ended."""
        self.closed = True
        if self._reader is None:
            self._reader = Ended()
        await self.node.close(final=True)

    async def enter(self) -> None:
        """Make the crew, if one may be needed, and start a chain that runs tasks or subscribes."""
        if self.closed:
            raise chain_closed()
        self._entered += 1
        if self._crew is None and self.node.may_need_task():
            crew = Crew(f"the chain that ends in {self.node.name}", running_loop())
            await crew.open()
            self._crew = crew
            forget_in_child(self)
            try:
                if self.node.starts_when_entered():
                    self.reader()
                    await self.node.begin()
            except BaseException as error:
                await self.exit(error)
                raise

    def _forked(self) -> None:
        """Its tasks run in the parent process, and not here."""
        if self._crew is not None:
            self.closed = True
            self._crew = None

    async def exit(self, error: BaseException | None) -> None:
        """Close the chain and leave no task behind. ``error``, which the body raised, is not wrapped in a group."""
        crew = self._crew if self._entered == 1 else None
        if crew is not None:
            crew.check_end()
            self._crew = None
        self._entered -= 1
        was_closed = False
        try:
            with Caught() as caught:
                await self.close()
            was_closed = True
        finally:
            if crew is not None:
                await self._end(crew, was_closed=was_closed)
        if error is not None and caught.error is not None:
            error.add_note(f"and closing its sources raised {caught.error!r}")
        if error is None and caught.error is not None:
            raise caught.error

    async def _end(self, crew: Crew, *, was_closed: bool) -> None:
        """Wait for the end of all tasks."""
        try:
            await crew.close()
        finally:
            if not was_closed:
                # It was cancelled, and has left open what the tasks were reading. The cancellation goes out.
                with Caught():
                    await self.close()


class StartedNode(Node[T]):
    """The last node of a chain that was read for a while before an operator took it over."""

    __slots__ = ("node", "reader")

    def __init__(self, node: Node[T], reader: AsyncIterator[T]) -> None:
        super().__init__(node)
        self.node = node
        self.reader: AsyncIterator[T] | None = reader

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """Go on where it was read to. A later start begins anew."""
        self.node.is_last = False
        reader, self.reader = self.reader, None
        return self.node.open(run) if reader is None else reader

    async def begin(self) -> None:
        """It has begun long ago."""

    def next_nowait(self) -> T:
        """Ask the node."""
        return self.node.next_nowait()

    def read_was_cancelled(self) -> None:
        """Tell the node."""
        self.node.read_was_cancelled()

    def check_end(self) -> None:
        """Ask the node."""
        self.node.check_end()
