"""Node: one source or one operator of a chain.

A ``Stream`` is what a user holds. Behind it stands a tree of nodes: one for each operator, with sources as the leaves.

Rule 1: ``open`` starts a node with fresh state and returns what is read. After ``close`` it may be called again.
Rule 2: what is read is an object with an ``__anext__``, not a generator: a cancelled read does not end it.
Rule 3: an event that was taken from a source and not yielded is kept in an attribute, never in a local variable across
an await.
Rule 4: a node knows the nodes that it reads, and not its reader. Dropping the last reference to a chain frees its
sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from anyio import WouldBlock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from evenflow._crew import Crew

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

NOT_ENTERED: Final = (
    "this chain needs a task of its own, and was not entered: "
    "read it inside `async with chain:`, or end it with a sink such as `to_list()`, which enters it"
)


class Nothing:
    """No event: none has come, or a rule yields none."""

    __slots__ = ()


NOTHING: Final = Nothing()


class Run:
    """One start of a chain: the crew that its tasks run in, and whether a part of it may be started again.

    ``private`` says that only a task of an operator, or a sink that handles each event, reads what is opened in it.
    """

    __slots__ = ("_outer", "crew", "private", "restarts")

    def __init__(self, crew: Crew | None, *, restarts: bool = False) -> None:
        self.crew = crew
        self.restarts = restarts
        self.private = False
        self._outer: Run | None = None

    @property
    def is_private(self) -> bool:
        """Whether it is known who reads."""
        return self.private or (self._outer is not None and self._outer.is_private)

    def again_and_again(self) -> Run:
        """Return the run for a part that is started again, by the same reader."""
        run = Run(self.crew, restarts=True)
        run._outer = self
        return run

    def in_task(self) -> Run:
        """Return the run for a part that a task of an operator reads."""
        run = Run(self.crew, restarts=self.restarts)
        run.private = True
        return run


class Node(Generic[T_co]):
    """One source or one operator.

    ``nodes`` are the nodes that it reads. ``is_last`` says that it is the end of its chain: then it closes the whole
    chain when it ends.
    """

    __slots__ = ("is_last", "nodes")

    runs_tasks: ClassVar[bool] = False
    """Whether it runs tasks of its own, so that the chain must be entered."""
    opens_unknown: ClassVar[bool] = False
    """Whether it opens nodes that are made while it runs, and that may run tasks."""

    subscribes: ClassVar[bool] = False
    """Whether entering the chain starts it, so that no event is missed before the first read."""

    def __init__(self, *nodes: Node[Any]) -> None:
        self.nodes = nodes
        self.is_last = False

    @property
    def name(self) -> str:
        """The name for people who debug a chain."""
        return type(self).__name__.lower()

    def needs_task(self) -> bool:
        """Whether this node or one that it reads runs tasks, so that the chain must be entered."""
        return self.runs_tasks or any(node.needs_task() for node in self.nodes)

    def may_need_task(self) -> bool:
        """Whether the chain gets a task group when it is entered."""
        return self.runs_tasks or self.opens_unknown or any(node.may_need_task() for node in self.nodes)

    def starts_when_entered(self) -> bool:
        """Whether the chain is started when it is entered, and not by the first read."""
        return self.runs_tasks or self.subscribes or any(node.starts_when_entered() for node in self.nodes)

    def open(self, run: Run, /) -> AsyncIterator[T_co]:
        """Start with fresh state, and return what is read."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Wait until what was opened has begun, so that what happens from now on is not missed."""
        for node in self.nodes:
            await node.begin()

    def next_nowait(self) -> T_co:
        """Return the next event if that needs no waiting.

        Raises:
            anyio.WouldBlock: it needs waiting, or this node cannot know.
            StopAsyncIteration: the node has ended. Nothing is closed: that is left to a read that can wait.
        """
        raise WouldBlock

    async def close(self, *, final: bool) -> None:
        """Stop; with ``final``, close also what cannot be opened again. A second call does nothing."""
        await close_all(self.nodes, final=final)

    def read_was_cancelled(self) -> None:
        """Note that a read of this node was cancelled while it waited."""

    def check_end(self) -> None:
        """Accept that this node has ended.

        Raises:
            RuntimeError: it has not: a cancelled read has killed the generator behind it.
        """


class Claimable(Generic[T_co]):
    """Something that an operator can take over: a ``Stream``.

    It is apart from ``Stream`` so that nodes can be made of streams by files that do not know the operators.
    """

    __slots__ = ()

    def _claim(self, owner: str, /) -> Node[T_co]:
        """Make ``owner`` the only reader, and return the node that it reads.

        Raises:
            RuntimeError: it has an owner.
        """
        raise NotImplementedError

    def _read_by_sink(self) -> None:
        """Note that a sink reads this to its end, and then closes it: nobody else is going to read it."""


def open_inside(node: Node[T], run: Run) -> AsyncIterator[T]:
    """Open a node that was made while its chain runs.

    Raises:
        RuntimeError: it needs a task, and the chain was not entered.
    """
    if run.crew is None and node.needs_task():
        raise RuntimeError(NOT_ENTERED)
    return node.open(run)


async def close_all(nodes: Iterable[Node[Any]], *, final: bool) -> None:
    """Close every node, whatever the closing of another raises; then raise the first error."""
    failure: BaseException | None = None
    for node in nodes:
        try:
            await node.close(final=final)
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- raised below, when all are closed
            failure = failure or error
    if failure is not None:
        raise failure


def name_of(make: Any) -> str:
    """Return the name of the class that ``make`` is, or is an alias or a partial of."""
    made = getattr(make, "func", make)
    return str(getattr(made, "__origin__", made).__name__).lower()
