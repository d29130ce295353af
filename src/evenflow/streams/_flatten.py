"""Streams of streams: each event becomes a stream, and these become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from anyio import ClosedResourceError

from evenflow.streams._crew import Bell, Channel, Crew, Job, Tasked, let_others_run
from evenflow.streams._limit import at_least
from evenflow.streams._link import COROUTINE, SKIP
from evenflow.streams._node import ENDED, Node, Operators, begin
from evenflow.streams._sequel import Sequel
from evenflow.streams._source import Source, node_of
from evenflow.streams._transform import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable

    from anyio import Event

    from evenflow.streams._node import Run
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
K = TypeVar("K")


A_HANDFUL: Final = 256
"""So many events a new stream may give at once; after that it goes on side by side with the source."""


class Flatten(Operators[T_co]):
    """The operators that make a stream of each event; ``function`` gives anything that ``stream()`` takes."""

    __slots__ = ()

    @overload
    def flat_map(
        self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /, concurrency: int = 16
    ) -> Stream[U]: ...
    @overload
    def flat_map(self, function: Callable[[T_co], Streamable[U]], /, concurrency: int = 16) -> Stream[U]: ...
    def flat_map(self, function: Callable[[T_co], Any], /, concurrency: int = 16) -> Stream[Any]:
        """Give the events of all the streams that ``function``, sync or async, makes of the events, as they come.

        At most ``concurrency`` of them run at once, counted from the call of the function; then the source waits
        (Rx has no such bound). What a stream gives without waiting, up to 256 events, it gives before the source is
        read on. The end comes after the last of them, an error at once.

        Holds one event for each of these streams, needs a task for each, and one that reads the source.
        Cancelling loses nothing.
        """
        limit = at_least(1, concurrency, "flat_map", "streams at once")
        checked = check(function, "flat_map")
        return self._then(FlatMap(self._claim("flat_map"), checked, limit))

    @overload
    def concat_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def concat_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def concat_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Give the events of the stream that ``function``, sync or async, makes of the first event, then the next's.

        The source is not asked for another event before that stream has ended; so its end, or its error, is met then,
        where Rx would give an error at once.

        Holds back nothing, needs no task of its own.
        Cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check(function, "concat_map")
        return self._then(ConcatMap(self._claim("concat_map"), checked))

    @overload
    def switch_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def switch_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def switch_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Give the events of the stream that ``function``, sync or async, makes of the newest event.

        The next event closes that stream, or cancels the function, and lets go of what it gave and nobody has read
        yet. What a stream gives without waiting, up to 256 events, it gives before it can be replaced. The end comes
        when the source and the newest stream have ended, an error at once.

        Holds one event; the source is read as it comes. Needs two tasks. Cancelling loses nothing.
        """
        checked = check(function, "switch_map")
        return self._then(SwitchMap(self._claim("switch_map"), checked))

    @overload
    def exhaust_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def exhaust_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def exhaust_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Give the events of the stream that ``function``, sync or async, makes of an event; leave out those meanwhile.

        An event is looked at only when the stream before has ended. The end comes when the source and that stream
        have ended, an error at once.

        Holds one event; the source is read as it comes. Needs two tasks. Cancelling loses nothing but what is left
        out.
        """
        checked = check(function, "exhaust_map")
        return self._then(ExhaustMap(self._claim("exhaust_map"), checked))

    @overload
    def group_by(
        self, key: Callable[[T_co], Coroutine[Any, Any, K]], max_groups: int = 10_000
    ) -> Stream[tuple[K, Stream[T_co]]]: ...
    @overload
    def group_by(self, key: Callable[[T_co], K], max_groups: int = 10_000) -> Stream[tuple[K, Stream[T_co]]]: ...
    def group_by(self, key: Callable[[T_co], Any], max_groups: int = 10_000) -> Stream[tuple[Any, Stream[T_co]]]:
        """Give, for each key that is new, a pair of it and the stream of the events that have it.

        Each group is a stream of its own, to be read in a task of its own, for instance by ``flat_map`` with
        ``concurrency`` for all of them: a group that is kept and not read holds up all the others. One that was closed
        or let go of is not waited for; its events are left out. All groups end with the source, or with its error.
        More keys than ``max_groups`` are an error.

        Holds one event, needs a task, which reads the source. Cancelling loses nothing.
        """
        limit = at_least(1, max_groups, "group_by", "groups")
        checked = check(key, "group_by")
        return self._then(GroupBy(self._claim("group_by"), checked, limit, self._then))


class Hand(Generic[T]):
    """What one stream gives to the channel."""

    __slots__ = ("channel", "count", "taken")

    def __init__(self, channel: Channel[T]) -> None:
        self.channel = channel
        self.count = 0
        self.taken: Event | None = None

    async def put(self, item: T) -> None:
        """Give an event, and wait until it was taken."""
        if not self.channel.ended:
            self.count += 1
            self.taken = self.channel.put_nowait(item)
            await self.taken.wait()

    async def emptied(self, job: Job) -> None:
        """Wait until what the stream had to give without waiting was taken; for 256 events at most."""
        count = -1
        while self.count > count and self.count < A_HANDFUL and not job.over:
            count = self.count
            await let_others_run()
            if self.taken is not None:
                await self.taken.wait()


class Inners(Tasked[T_co]):
    """A node that makes streams while it runs."""

    __slots__ = ("bell", "function", "made", "source_over")

    def __init__(self, above: Node[Any], function: Callable[[Any], Any]) -> None:
        super().__init__(above)
        self.function = function
        self.made: dict[Node[Any], None] = {}

    def begin(self, crew: Crew, run: Run) -> None:
        """Read the source in a task."""
        self.bell = Bell()
        self.made = {}
        self.source_over = False
        self.fresh()
        crew.start(self.follow, self.nodes[0].open(run))

    def fresh(self) -> None:
        """Make the state of a fresh start."""

    async def follow(self, reader: AsyncIterator[Any]) -> None:
        """Read the source to its end."""
        error = await self.read(self.nodes[0], reader, self.give)
        self.source_over = True
        self.conclude(error)

    async def give(self, event: Any) -> None:
        """Take an event of the source in."""
        raise NotImplementedError

    async def play(self, event: Any, hand: Hand[T_co]) -> None:
        """Make a stream of an event, and give what that gives; shut it when it has ended."""
        node: Node[Any] | None = None
        error: Exception | None = None
        try:
            made = self.function(event)
            if type(made) is COROUTINE:
                made = await made
            node = node_of(made, "this chain")
            self.made[node] = None
            reader = begin(node, self.run)
        except Exception as failure:  # noqa: BLE001 -- it is handed to the reader, as it is
            error = failure
        else:
            error = await self.read(node, reader, hand.put)
        if node is not None and error is None:
            del self.made[node]
        self.played(error)

    def played(self, error: Exception | None) -> None:
        """A stream has ended; the rest may go on."""
        raise NotImplementedError

    def idle(self) -> bool:
        """Whether no stream runs."""
        raise NotImplementedError

    def conclude(self, error: Exception | None) -> None:
        """End with an error, or when everything has ended."""
        if error is not None:
            self.channel.end(error)
        elif self.source_over and self.idle():
            self.channel.end()

    def inner(self) -> tuple[Node[Any], ...]:
        """Return what was made, and has not ended."""
        made, self.made = tuple(self.made), {}
        return made


class FlatMap(Inners[T]):
    """See ``flat_map``."""

    __slots__ = ("concurrency", "running")

    def __init__(self, above: Node[Any], function: Callable[[Any], Any], concurrency: int) -> None:
        super().__init__(above, function)
        self.concurrency = concurrency

    def fresh(self) -> None:
        """Nothing runs."""
        self.running = 0

    async def give(self, event: Any) -> None:
        """Start a stream, then wait until there is room for another."""
        if self.crew is not None:
            self.running += 1
            hand = Hand(self.channel)
            await hand.emptied(self.crew.start(self.play, event, hand))
        while self.running >= self.concurrency:
            await self.bell.wait()
        await self.breathe()

    def played(self, error: Exception | None) -> None:
        """Make room."""
        self.running -= 1
        self.bell.ring()
        self.conclude(error)

    def idle(self) -> bool:
        """Whether no stream runs."""
        return not self.running


class AtATime(Inners[T]):
    """A node that plays one stream, and goes on reading the source meanwhile."""

    __slots__ = ("job",)

    def fresh(self) -> None:
        """Nothing runs."""
        self.job: Job | None = None

    async def put_on(self, event: Any) -> None:
        """Start a stream, and let it give what needs no time before the source is read on."""
        if self.crew is not None:
            hand = Hand(self.channel)
            self.job = self.crew.start(self.play, event, hand)
            await hand.emptied(self.job)

    def played(self, error: Exception | None) -> None:
        """Nothing runs."""
        self.job = None
        self.conclude(error)

    def idle(self) -> bool:
        """Whether no stream runs."""
        return self.job is None


class SwitchMap(AtATime[T]):
    """See ``switch_map``."""

    __slots__ = ()

    async def give(self, event: Any) -> None:
        """Leave the stream before, and start another."""
        if self.job is not None:
            self.job.cancel()
            self.channel.clear()  # before the reader is woken for what came at this very moment
            await self.job.stop()
            self.channel.clear()
            for node in self.inner():
                await node.shut(final=True)
        await self.put_on(event)


class ExhaustMap(AtATime[T]):
    """See ``exhaust_map``."""

    __slots__ = ()

    async def give(self, event: Any) -> None:
        """Start a stream, unless there is one."""
        if self.job is None:
            await self.put_on(event)
        else:
            await self.breathe()


class ConcatMap(Sequel[T]):
    """See ``concat_map``."""

    __slots__ = ("function", "held", "source")
    unknown = True

    def __init__(self, above: Node[Any], function: Callable[[Any], Any]) -> None:
        super().__init__(above)
        self.function = function
        self.source: AsyncIterator[Any] = ENDED

    def fresh(self, run: Run) -> None:
        """Open the source."""
        self.held: Any = SKIP
        self.source = self.nodes[0].open(run)

    async def following(self) -> Node[T]:
        """Make a stream of the next event; the event is kept until it is made."""
        if self.held is SKIP:
            self.held = await anext(self.source)
        made = self.function(self.held)
        if type(made) is COROUTINE:
            made = await made
        node = node_of(made, "concat_map")
        self.held = SKIP
        return node


class GroupBy(Tasked[tuple[Any, T]]):
    """See ``group_by``; holds of a group only what its events go through, so that a group can be let go of."""

    __slots__ = ("groups", "key", "limit", "then")

    def __init__(self, above: Node[Any], key: Callable[[Any], Any], limit: int, then: Callable[[Node[Any]], T]) -> None:
        super().__init__(above)
        self.key = key
        self.limit = limit
        self.then = then

    def begin(self, crew: Crew, run: Run) -> None:
        """Read the source in a task."""
        self.groups: dict[Hashable, Channel[Any]] = {}
        crew.start(self.follow, self.nodes[0].open(run))

    async def follow(self, reader: AsyncIterator[Any]) -> None:
        """Read the source to its end, which is that of all groups."""
        self.finish(await self.read(self.nodes[0], reader, self.give))

    async def give(self, event: Any) -> None:
        """Give the event to its group, and the group to the reader first, if it is new."""
        key = self.key(event)
        if type(key) is COROUTINE:
            key = await key
        channel = self.groups.get(key)
        if channel is None:
            if len(self.groups) >= self.limit:
                raise RuntimeError(
                    f"group_by has met more than max_groups={self.limit} keys, the last was {key!r}: "
                    "allow more, or group by a key that has fewer values"
                )
            channel = self.groups[key] = Channel()
            await self.channel.put((key, self.then(Group(channel))))
        await channel.put(event)

    def finish(self, error: Exception | None) -> None:
        """End the groups, and the stream of them."""
        for channel in self.groups.values():
            channel.end(error)
        self.channel.end(error)

    async def shut(self, *, final: bool) -> None:
        """End the task, the groups and what reads them."""
        if self.crew is not None:
            self.finish(ClosedResourceError())
        await super().shut(final=final)


class Group(Source[T]):
    """One group, as the source of whatever is made of it; let go of, it ends."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel[T]) -> None:
        super().__init__()
        self.channel = channel

    def __del__(self) -> None:
        self.leave()

    def open(self, run: Run) -> AsyncIterator[T]:  # noqa: ARG002 -- a source needs no task
        """Go on reading it."""
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self.channel.take()

    def leave(self) -> None:
        """Take nothing any more."""
        self.channel.end(ClosedResourceError())
        self.channel.clear()

    async def shut(self, *, final: bool) -> None:
        """Take nothing any more."""
        if final:
            self.leave()
