"""Guarded: the node for every operator that waits in more than one place.

The node stays. Each start makes an engine, which holds the state of that start and reads the sources; so no state of an
earlier start can be left over. The node lets in one reader at a time, and remembers how the engine ended.

    Guarded     the engine runs in the reader's task
    Nesting     the same, and it opens streams that are made while it runs
    Tasked      the engine runs tasks of its own, so the chain must be entered
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from anyio import BusyResourceError

from evenflow.streams._ending import conclude
from evenflow.streams._node import Node, close_all, name_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from evenflow.streams._node import Run

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Nodes = tuple[Node[Any], ...]


class Engine(Protocol[T_co]):
    """An operator at work, from one start to its end."""

    def pull(self) -> Coroutine[Any, Any, T_co]:
        """Wait for the next event; raise ``StopAsyncIteration`` at the end. Cancelling loses nothing."""
        ...

    async def stop(self) -> None:
        """End its tasks, and wake a reader that waits for them."""
        ...

    def made(self) -> Nodes:
        """Return the nodes that were made while it ran and are open. They are closed for good."""
        ...

    def being_read(self) -> Nodes:
        """Return the nodes that the reader's own task may be reading."""
        ...


class Guarded(Node[T_co]):
    """A node whose engine is made by ``start(run, *nodes)`` at each start."""

    __slots__ = ("busy", "engine", "outcome", "pull", "start")

    pull: Callable[[], Coroutine[Any, Any, T_co]]

    def __init__(self, start: Callable[..., Engine[T_co]], *nodes: Node[Any]) -> None:
        super().__init__(*nodes)
        self.start = start
        self.engine: Engine[T_co] | None = None
        self.busy = False
        self.outcome: Exception | None = None

    @property
    def name(self) -> str:
        """The operator's name, not that of this class."""
        return name_of(self.start)

    def open(self, run: Run, /) -> AsyncIterator[T_co]:
        """Start a new engine."""
        self.engine = None
        self.outcome = None
        self.engine = self.start(run, *self.nodes)
        self.pull = self.engine.pull
        return self

    def end_with(self, error: Exception | None, /) -> None:
        """Make every read from now on raise ``error``, or the end."""
        self.outcome = error or StopAsyncIteration()

    def being_read(self) -> Nodes:
        """Return the nodes that the reader's own task may be reading."""
        return () if self.engine is None else self.engine.being_read()

    async def close(self, *, final: bool) -> None:
        """Stop the engine, then close what it read.

        If that is cancelled while tasks still end, the sources are left to the next call: a task may be reading them.
        """
        if self.engine is not None:
            await self.engine.stop()
        try:
            if self.engine is not None:
                await close_all(self.engine.made(), final=True)
        finally:
            await close_all(self.nodes, final=final)

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self

    async def __anext__(self) -> T_co:
        if self.busy:
            raise BusyResourceError("receiving from")
        self.busy = True
        try:
            if self.outcome is not None:
                raise self.outcome
            return await self.pull()
        except BaseException as error:
            await conclude(self, error)
            raise
        finally:
            self.busy = False


class Nesting(Guarded[T_co]):
    """A guarded node that opens streams which are made while it runs."""

    __slots__ = ()
    opens_unknown = True


class Tasked(Guarded[T_co]):
    """A guarded node whose engine runs tasks."""

    __slots__ = ()
    runs_tasks = True


class OneSource(ABC, Generic[T, T_co]):
    """The base of an engine that reads one source in the reader's task."""

    __slots__ = ("above", "source")

    def __init__(self, run: Run, above: Node[T]) -> None:
        self.above = above
        self.source = above.open(run)

    @abstractmethod
    async def pull(self) -> T_co:
        """Wait for the next event."""

    async def stop(self) -> None:
        """Do nothing: it has no tasks."""

    def made(self) -> Nodes:
        """Return nothing: it makes no nodes."""
        return ()

    def being_read(self) -> Nodes:
        """Return the source."""
        return (self.above,)
