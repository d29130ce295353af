"""Several sources: all are started together, each is read in a task, one event ahead of the reader.

`concat` reads one after the other, and needs no task for that.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from anyio import ClosedResourceError, Event

from evenflow.streams._crew import Bell, Crew, Job, Tasked, let_others_run
from evenflow.streams._limit import Watching
from evenflow.streams._node import Operators, shut_all
from evenflow.streams._sequel import Sequel
from evenflow.streams._source import node_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow.streams._node import Node, Run
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

NONE: Final = object()
"""No event has come yet."""


class Combine(Operators[T_co]):
    """The operators on several sources; the others are anything that ``stream()`` takes."""

    __slots__ = ()

    def merge(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Give the events of all sources as they come; the end after the last of them, an error at once.

        Holds one event for each source, needs a task for each. Cancelling loses nothing.
        """
        return self._then(Merge(*self._all("merge", others)))

    def concat(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Give the events of this source, then those of the next, which is started when this one has ended.

        Holds back nothing, needs no task of its own. Cancelling loses nothing.
        """
        return self._then(Concat(*self._all("concat", others)))

    @overload
    def zip(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def zip(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def zip(self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def zip(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def zip(self, *others: Streamable[Any]) -> Stream[Any]:
        """Give the first events of all sources as a tuple, then the second ones, until one source has no more.

        Where Rx queues what a faster source has ahead, here that source waits; an error comes at once.

        Holds one event for each source, needs a task for each. Cancelling loses nothing.
        """
        return self._then(Zip(*self._all("zip", others)))

    @overload
    def zip_latest(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def zip_latest(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def zip_latest(self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def zip_latest(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def zip_latest(self, *others: Streamable[Any]) -> Stream[Any]:
        """Give a tuple of the newest of each source, as soon as each has given one since the last tuple.

        What a faster source gives meanwhile replaces what it gave before. The end comes when a source has ended
        that has given nothing new; an error at once.

        Holds two events for each source, needs a task for each. Cancelling loses nothing but what is replaced.
        """
        return self._then(ZipLatest(*self._all("zip_latest", others)))

    @overload
    def combine_latest(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def combine_latest(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def combine_latest(
        self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /
    ) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def combine_latest(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def combine_latest(self, *others: Streamable[Any]) -> Stream[Any]:
        """Give, for each event of any source, a tuple of the newest of all, once each has given one.

        The end comes after the last source, an error at once.

        Holds two events for each source, needs a task for each. Cancelling loses nothing but, before the first
        tuple, what is replaced.
        """
        return self._then(CombineLatest(*self._all("combine_latest", others)))

    @overload
    def with_latest_from(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def with_latest_from(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def with_latest_from(
        self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /
    ) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def with_latest_from(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def with_latest_from(self, *others: Streamable[Any]) -> Stream[Any]:
        """Give, for each event of this source, a tuple of it and the newest of each other.

        Events that come before every other has given one are left out. The others are read as they come, as fast as
        they can; their ends change nothing, an error of theirs comes at once.

        Holds one event for each other, needs a task for each of them. Cancelling loses nothing but what is replaced
        or left out.
        """
        return self._then(WithLatestFrom(*self._all("with_latest_from", others)))

    def race(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Give the events of the source that is first to give one, to end or to fail, and close the others.

        Holds one event for each source, and later none; needs a task for each, until the first has given.
        Cancelling loses nothing but what the others have given.
        """
        return self._then(Race(*self._all("race", others)))

    def _all(self, operator: str, others: tuple[Any, ...]) -> tuple[Node[Any], ...]:
        """Take over this stream and the others."""
        nodes = [node_of(other, operator) for other in others]  # what cannot be one is refused before anything is taken
        return (self._claim(operator), *nodes)


def missing(values: list[Any]) -> bool:
    """Whether one of them has not come."""
    return any(value is NONE for value in values)  # by identity: an event may compare as it likes


class Together(Tasked[T_co]):
    """A node that opens all its sources at once, and reads each in a task."""

    __slots__ = ("done",)

    def begin(self, crew: Crew, run: Run) -> None:
        """Open all of them, then read them."""
        self.done = [False] * len(self.nodes)
        self.fresh()
        readers = [node.open(run) for node in self.nodes]
        for number, reader in enumerate(readers):
            crew.start(self.follow, number, reader)

    def fresh(self) -> None:
        """Make the state of a fresh start."""

    async def follow(self, number: int, reader: AsyncIterator[Any]) -> None:
        """Read one source to its end."""
        error = await self.read(self.nodes[number], reader, partial(self.give, number))
        self.done[number] = True
        if error is not None:
            self.fail(error)
        else:
            self.finished(number)

    async def give(self, number: int, event: Any) -> None:
        """Take an event of one source in."""
        raise NotImplementedError

    def finished(self, number: int) -> None:
        """One source has ended; the rest may go on."""
        del number
        if all(self.done):
            self.channel.end()

    def fail(self, error: Exception) -> None:
        """One source has failed: that is the end of all."""
        self.channel.end(error)


class Merge(Together[T]):
    """See ``merge``."""

    __slots__ = ()

    async def give(self, number: int, event: Any) -> None:  # noqa: ARG002 -- whoever gave it
        """Give it on."""
        await self.channel.put(event)


class CombineLatest(Together[tuple[Any, ...]]):
    """See ``combine_latest``."""

    __slots__ = ("newest",)

    def fresh(self) -> None:
        """Nothing has come."""
        self.newest: list[Any] = [NONE] * len(self.nodes)

    async def give(self, number: int, event: Any) -> None:
        """Give a tuple, if all have given; end, if that cannot be any more."""
        self.newest[number] = event
        if not missing(self.newest):
            await self.channel.put(tuple(self.newest))
            return
        if all(done for other, done in enumerate(self.done) if other != number):
            self.channel.end()
        await self.breathe()


class ZipLatest(Together[tuple[Any, ...]]):
    """See ``zip_latest``."""

    __slots__ = ("newest",)

    def fresh(self) -> None:
        """Nothing has come."""
        self.newest: list[Any] = [NONE] * len(self.nodes)

    async def give(self, number: int, event: Any) -> None:
        """Give a tuple, if all have given something new; end, if that was the last."""
        self.newest[number] = event
        if missing(self.newest):
            await self.breathe()
            return
        together = tuple(self.newest)
        self.fresh()
        if any(self.done):
            self.channel.put_nowait(together)
            self.channel.end()
        else:
            await self.channel.put(together)

    def finished(self, number: int) -> None:
        """Without something new from it no tuple can follow."""
        if self.newest[number] is NONE:
            self.channel.end()


class Zip(Together[tuple[Any, ...]]):
    """See ``zip``: each task waits until its event has gone into a tuple."""

    __slots__ = ("bell", "failed", "heads", "taken")

    def fresh(self) -> None:
        """Nothing has come."""
        self.bell = Bell()
        self.heads: list[Any] = [NONE] * len(self.nodes)
        self.taken: list[Event] = []
        self.failed: Exception | None = None

    async def give(self, number: int, event: Any) -> None:
        """Hold an event, until the others have one as well."""
        self.heads[number] = event
        self.bell.ring()
        taken = Event()
        self.taken.append(taken)
        await taken.wait()

    def finished(self, number: int) -> None:  # noqa: ARG002 -- the reader looks at all
        """The reader may have waited for it."""
        self.bell.ring()

    def fail(self, error: Exception) -> None:
        """The reader gets it after the tuple that is complete."""
        self.failed = self.failed or error
        self.bell.ring()

    async def pull(self) -> tuple[Any, ...]:
        """Wait until all have one."""
        while missing(self.heads):
            if self.failed is not None:
                raise self.failed
            if any(done and head is NONE for done, head in zip(self.done, self.heads, strict=True)):
                raise StopAsyncIteration
            await self.bell.wait()
        together = tuple(self.heads)
        self.heads = [NONE] * len(self.nodes)
        for taken in self.taken:
            taken.set()
        self.taken = []
        return together

    async def shut(self, *, final: bool) -> None:
        """End the tasks, and wake a reader that waits for them."""
        if self.crew is not None:
            self.fail(ClosedResourceError())
        await super().shut(final=final)


class WithLatestFrom(Watching[Any]):
    """See ``with_latest_from``."""

    __slots__ = ("early", "newest")

    def begin(self, crew: Crew, run: Run) -> None:
        """Nothing has come."""
        self.newest: list[Any] = [NONE] * (len(self.nodes) - 1)
        self.early = True
        super().begin(crew, run)

    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any]) -> None:
        """Keep the newest of one of the others."""

        async def keep(event: Any) -> None:
            self.newest[number] = event
            await self.breathe()

        error = await self.read(node, reader, keep)
        if error is not None:
            self.interrupt(error)

    async def pull(self) -> tuple[Any, ...]:
        """Read the source; the others, as in Rx, are read first."""
        if self.early:
            await let_others_run()
            self.early = False
        while True:
            event = await self.ask()
            if not missing(self.newest):
                return (event, *self.newest)


class Race(Tasked[T]):
    """See ``race``."""

    __slots__ = ("bell", "first", "jobs", "over_with", "readers", "settled", "winner")

    def begin(self, crew: Crew, run: Run) -> None:
        """Open all of them together, then wait for the first of each."""
        self.bell = Bell()
        self.first: Any = NONE
        self.over_with: Exception | None = None
        self.winner: int | None = None
        self.settled = False
        self.readers: list[AsyncIterator[T]] = [node.open(run) for node in self.nodes]
        self.jobs: list[Job] = [crew.start(self.contend, number) for number in range(len(self.nodes))]

    async def contend(self, number: int) -> None:
        """Wait for the first event of one source; whoever comes first cancels the others."""
        first: Any = NONE
        error: Exception | None = None
        try:
            first = await anext(self.readers[number])
        except Exception as failure:  # noqa: BLE001 -- it is handed to the reader, as it is
            error = failure
        if self.winner is None:
            self.winner, self.first, self.over_with = number, first, error
            for other, job in enumerate(self.jobs):
                if other != number:
                    job.cancel()
            self.bell.ring()

    async def pull(self) -> T:
        """Wait for the winner, close the others, and from then on read it directly."""
        while self.winner is None:
            await self.bell.wait()
        if not self.settled and self.crew is not None:
            await self.crew.stop()
            await shut_all(
                (node for number, node in enumerate(self.nodes) if number != self.winner),
                final=not self.run.restarts,
            )
            self.settled = True
        if self.over_with is not None:
            raise self.over_with
        if self.first is not NONE:
            first, self.first = self.first, NONE
            return first  # type: ignore[no-any-return]
        return await anext(self.readers[self.winner])

    async def shut(self, *, final: bool) -> None:
        """End the tasks, and wake a reader that waits for them."""
        if self.crew is not None and self.winner is None:
            self.winner, self.over_with = 0, ClosedResourceError()
            self.bell.ring()
        await super().shut(final=final)


class Concat(Sequel[T]):
    """See ``concat``."""

    __slots__ = ("number",)

    def fresh(self, run: Run) -> None:  # noqa: ARG002 -- each is opened when its turn comes
        """Begin with the first."""
        self.number = -1

    async def following(self) -> Node[T]:
        """Return the next."""
        self.number += 1
        if self.number >= len(self.nodes):
            raise StopAsyncIteration
        return self.nodes[self.number]

    def final(self) -> bool:
        """A source that may be started again is not closed for good."""
        return not self.run.restarts
