"""What a chain of operators is made of while it runs.

A ``Stream`` is what a user holds; behind it stands a tree of nodes, one an operator, sources at its leaves.
A node is an object with an ``__anext__``, not a generator, so that a cancel ends nothing.

Rule 1: ``open`` starts a node, with fresh state; it may be called again after ``shut``.
Rule 2: what ends a node (the end, an error) passes through ``over``; the last node of the chain then shuts all of it.
Rule 3: what was taken from a source and not given on lies in the node, never in a local variable across an await.
Rule 4: a node knows those above it, never who reads it: letting go of a chain lets go of its sources.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from anyio import BusyResourceError, WouldBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.abc import TaskGroup

    from evenflow.streams._stream import Stream

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class Run:
    """One start of a chain: where its tasks run, and whether parts of it may be started again."""

    __slots__ = ("group", "restarts")

    def __init__(self, group: TaskGroup | None, *, restarts: bool = False) -> None:
        self.group = group
        self.restarts = restarts


class Node(Generic[T_co]):
    """One operator, or one source, at work.

    ``nodes`` are those it reads; ``last`` says that it is the end of its chain.
    """

    __slots__ = ("last", "nodes")
    tasks: ClassVar[bool] = False
    """Whether it runs a task of its own, so that the chain must be entered."""
    unknown: ClassVar[bool] = False
    """Whether it starts streams that are made while it runs, and may need a task."""

    def __init__(self, *nodes: Node[Any]) -> None:
        self.nodes = nodes
        self.last = False

    def needs_task(self) -> bool:
        """Whether this node or one above it runs a task, so that the chain must be entered."""
        return self.tasks or any(node.needs_task() for node in self.nodes)

    def may_need_task(self) -> bool:
        """Whether there must be a task group, should the chain be entered."""
        return self.tasks or self.unknown or any(node.may_need_task() for node in self.nodes)

    def open(self, run: Run) -> AsyncIterator[T_co]:
        """Start with fresh state, and return what is to be read."""
        raise NotImplementedError

    def nowait(self) -> T_co:
        """Give an event only if that takes no waiting.

        Raises:
            anyio.WouldBlock: it would, or this node cannot tell.
            StopAsyncIteration: it has ended; a read that waits closes it.
        """
        raise WouldBlock

    async def shut(self, *, final: bool) -> None:
        """Stop; ``final`` closes what could not be started again, too. Does nothing the second time."""
        await shut_all(self.nodes, final=final)

    def reading(self) -> tuple[Node[Any], ...]:
        """Return the nodes that may be read just now."""
        return self.nodes

    def interrupted(self) -> None:
        """Note that a read of this node was cancelled half-way."""

    def check_end(self) -> None:
        """Note that this node gave its end.

        Raises:
            RuntimeError: it was no end: a cancelled read had killed the generator behind it.
        """

    async def over(self, error: BaseException) -> Exception | None:
        """Take note of what came out of a read instead of an event; return the error to raise in its place."""
        if not isinstance(error, Exception):
            for node in self.reading():
                node.interrupted()
            return None
        if isinstance(error, StopAsyncIteration):
            try:
                for node in self.reading():
                    node.check_end()
            except RuntimeError as killed:
                error = killed
        self.rest(error)  # should the closing be cancelled, the next read finds it again
        if self.last:
            try:
                await self.shut(final=True)
            except Exception as closing:
                self.rest(None)
                if isinstance(error, StopAsyncIteration):
                    raise
                error.add_note(f"and closing its sources raised {closing!r}")
        self.rest(None)
        return error

    def rest(self, error: Exception | None) -> None:
        """From now on a read raises ``error``, or, if that is None, the end."""
        raise NotImplementedError


class Ended(AsyncIterator[Any]):
    """What is left to read of a stream that is over: its error, or nothing."""

    __slots__ = ("error",)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def __anext__(self) -> Any:
        raise self.error or StopAsyncIteration


ENDED = Ended()


class Guarded(Node[T_co]):
    """A node whose state spans awaits: it defines ``pull`` and has one reader at a time."""

    __slots__ = ("busy", "outcome")

    def __init__(self, *nodes: Node[Any]) -> None:
        super().__init__(*nodes)
        self.busy = False
        self.outcome: Exception | None = None

    def open(self, run: Run) -> AsyncIterator[T_co]:
        """Start with fresh state."""
        self.outcome = None
        self.start(run)
        return self

    def start(self, run: Run) -> None:
        """Make the state of a fresh start, and open the sources."""
        raise NotImplementedError

    async def pull(self) -> T_co:
        """Wait for the next event; raise ``StopAsyncIteration`` at the end."""
        raise NotImplementedError

    def rest(self, error: Exception | None) -> None:
        """From now on a read raises ``error``, or the end."""
        self.outcome = error or StopAsyncIteration()

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
            other = await self.over(error)
            if other is None or other is error:
                raise
            raise other from None  # noqa: ASYNC104 -- only an Exception has another in its place
        finally:
            self.busy = False


class Operators(Generic[T_co]):
    """What each family of operators stands on: taking over a source, and handing out the longer chain."""

    __slots__ = ()

    def _claim(self, owner: str, /) -> Node[T_co]:
        """Make ``owner`` the only reader of this stream.

        Raises:
            RuntimeError: it has an owner already.
        """
        raise NotImplementedError

    def _then(self, node: Node[U], /) -> Stream[U]:
        """Return the chain that ends with ``node``."""
        raise NotImplementedError


def begin(node: Node[U], run: Run) -> AsyncIterator[U]:
    """Open a node that is only now known, inside a chain that runs already.

    Raises:
        RuntimeError: it needs a task, and the chain was not entered.
    """
    if run.group is None and node.needs_task():
        raise RuntimeError(NOT_ENTERED)
    return node.open(run)


NOT_ENTERED = (
    "this chain needs a task of its own, and was not entered: "
    "read it inside `async with chain:`, or end it with a sink such as `to_list()`, which enters it"
)


async def shut_all(nodes: Iterable[Node[Any]], *, final: bool) -> None:
    """Shut every one of the nodes, whatever the others raise; then raise the first of that."""
    failure: BaseException | None = None
    for node in nodes:
        try:
            await node.shut(final=final)
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- raised again below, when all are shut
            failure = failure or error
    if failure is not None:
        raise failure
