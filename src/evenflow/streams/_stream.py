"""Stream: what can be read one event after the other, with every operator on it; `stream`, `interval` and `timer`.

Each operator says here what it does, and makes its node; the other files of this package do the work, and none of them
knows this one. An operator checks its arguments first, then claims its source: a wrong argument leaves that free.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from anyio import EndOfStream, WouldBlock
from anyio.abc import ObjectReceiveStream

from evenflow._errors import refuses_copying
from evenflow.streams import _lazy as lazy
from evenflow.streams._chain import Chain
from evenflow.streams._checks import check_count, check_function, check_kinds, check_seconds, check_wait
from evenflow.streams._deciding import FunctionOperator, RuleOperator
from evenflow.streams._guarded import Guarded, Nesting, Tasked
from evenflow.streams._node import Claimable, Node
from evenflow.streams._source import IteratorSource, Streamable, node_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable
    from types import TracebackType
    from typing import Self

    from typing_extensions import TypeIs

__all__ = ["Stream", "interval", "stream", "timer"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
K = TypeVar("K")


class Stream(Claimable[T_co], ObjectReceiveStream[T_co]):
    """Events, read one by one at the reader's pace, and the operators, each of which returns another stream.

    The end of a chain is entered with ``async with``, which closes the whole chain::

        async with orders.subscribe(OrderPlaced).map(price).debounce(0.2) as prices:
            async for price in prices: ...

    A chain in which no operator needs a task may also be read without that.
    A stream has one reader: an operator owns its source, and anyone else who reads it gets a ``RuntimeError``.
    Reading, and cancelling a read, loses nothing: the event is returned, or the next read returns it.

    To make a stream of something else, give it to ``stream()``.
    To make a kind of stream, define ``_pull`` and ``aclose``, and, where that is possible, ``_pull_nowait``.
    """

    _owner: str | None = None

    # ------------------------------------------------------------------ reading

    async def _pull(self) -> T_co:
        """Wait for the next event, for whoever owns this stream. Cancelling loses nothing.

        Raises:
            anyio.EndOfStream: there are no more.
        """
        raise NotImplementedError

    def _pull_nowait(self) -> T_co:
        """Return an event that is there.

        Raises:
            anyio.WouldBlock: there is none, or this cannot be known without waiting.
        """
        raise WouldBlock

    def _reader(self) -> AsyncIterator[T_co]:
        """Return what the owner of this stream reads: ``_pull`` as an async iterator."""
        return _Pulls(self._pull)

    async def receive(self) -> T_co:
        """Wait for the next event.

        Cancelling loses nothing: the event is returned, or the next call returns it.

        Raises:
            anyio.EndOfStream: there are no more.
            anyio.ClosedResourceError: the stream was closed here.
            RuntimeError: an operator owns this stream, or it needs a task and was not entered.
        """
        self._check_owner()
        return await self._pull()

    async def __anext__(self) -> T_co:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        self._check_owner()
        return self

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("for several readers use share()")

    def _check_owner(self) -> None:
        """Refuse a second reader."""
        if self._owner is not None:
            raise RuntimeError(
                f"this stream is the source of {self._owner}, its only reader: "
                "read the chain behind that, or give the stream to share(), which many can subscribe to"
            )

    def _claim(self, owner: str, /) -> Node[T_co]:
        """Make ``owner`` the only reader, and return the node that it reads."""
        self._check_owner()
        self._owner = owner
        return IteratorSource(self, self._reader, self._pull_nowait)

    def _claim_with(self, owner: str, others: tuple[Streamable[Any], ...]) -> tuple[Node[Any], ...]:
        """Make ``owner`` the only reader of this stream and of the others. If one is no stream, none is claimed."""
        nodes = [node_of(other, owner) for other in others]
        return (self._claim(owner), *nodes)

    def _then(self, node: Node[U], /) -> Stream[U]:
        """Return the chain that ends with ``node``."""
        return _ChainStream(node)

    # ------------------------------------------------------------------ one event at a time

    @overload
    def map(self, function: Callable[[T_co], Coroutine[Any, Any, U]], /, concurrency: int = 1) -> Stream[U]: ...
    @overload
    def map(self, function: Callable[[T_co], U], /, concurrency: int = 1) -> Stream[U]: ...
    def map(self, function: Callable[[T_co], Any], /, concurrency: int = 1) -> Stream[Any]:
        """Yield what ``function``, sync or async, returns for each event.

        Holds nothing, needs no task.
        If it is cancelled while an async function runs, it keeps the event, and the next read calls the function again.

        With a ``concurrency`` of more than 1, async functions of that many events run at once, ahead of the reader. The
        results come in the order of the events, whichever is ready first; an error comes after the results of the
        events before it. Then the functions of those after it are cancelled, and these events are dropped.
        Then it holds at most ``concurrency`` events, each until the reader has its result; at that number the source
        waits. It needs a task that reads the source, and one for each function that runs. A cancelled read loses
        nothing: the functions run on. If somebody else cancels one, it is called again, once.
        """
        checked, limit = check_function(function, "map"), check_count(1, concurrency, "map", "functions at once")
        if limit > 1:
            return self._then(
                Tasked(partial(lazy.concurrent_map.ConcurrentMap[T_co, Any], checked, limit), self._claim("map"))
            )
        return self._then(lazy.transform.Map[T_co, Any](checked, self._claim("map")))

    @overload
    def filter(self, predicate: Callable[[T_co], TypeIs[U]], /) -> Stream[U]: ...
    @overload
    def filter(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]: ...
    def filter(self, predicate: Callable[[T_co], Any] | int, /) -> Stream[Any]:
        """Yield the events for which ``predicate``, sync or async, is true. A ``Condition`` is a predicate too.

        Right after ``subscribe`` use ``where`` instead: an event that nobody wants is then not delivered at all.

        Holds nothing, needs no task.
        If it is cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        checked = check_function(predicate, "filter")
        return self._then(lazy.transform.Filter(checked, self._claim("filter")))

    def of_type(self, cls: type[U]) -> Stream[U]:
        """Yield the events that are instances of ``cls``.

        Right after ``subscribe`` use ``subscribe(cls)`` instead.

        Holds nothing, needs no task. Cancelling loses nothing.
        """
        if not isinstance(cls, type):
            raise TypeError(f"of_type expected a class, not {cls!r}")
        return self._then(RuleOperator(partial(lazy.transform.OfType[U], cls), self._claim("of_type")))

    @overload
    def scan(self, function: Callable[[A, T_co], Coroutine[Any, Any, A]], initial: A, /) -> Stream[A]: ...
    @overload
    def scan(self, function: Callable[[A, T_co], A], initial: A, /) -> Stream[A]: ...
    def scan(self, function: Callable[[Any, T_co], Any], initial: Any, /) -> Stream[Any]:
        """Yield, for each event, what ``function(so_far, event)`` returns; ``initial`` itself is not yielded.

        Holds nothing but what the function returned last, needs no task.
        If it is cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check_function(function, "scan")
        return self._then(
            FunctionOperator(partial(lazy.transform.Scan[T_co, Any], checked, initial), self._claim("scan"))
        )

    def enumerate(self) -> Stream[tuple[int, T_co]]:
        """Yield each event with its number, counted from 0, as a tuple.

        Holds nothing, needs no task. Cancelling loses nothing.
        """
        return self._then(RuleOperator(lazy.transform.Enumerate[T_co], self._claim("enumerate")))

    def pairwise(self) -> Stream[tuple[T_co, T_co]]:
        """Yield each event but the first with the one before it, as a tuple.

        Holds one event, the one before, and needs no task. Cancelling loses nothing.
        """
        return self._then(RuleOperator(lazy.transform.Pairwise[T_co], self._claim("pairwise")))

    def tap(self, function: Callable[[T_co], object], /) -> Stream[T_co]:
        """Call ``function``, sync or async, with each event, then yield the event.

        Holds nothing, needs no task.
        If it is cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check_function(function, "tap")
        return self._then(FunctionOperator(partial(lazy.transform.Tap[T_co], checked), self._claim("tap")))

    def start_with(self, *values: U) -> Stream[T_co | U]:
        """Yield the values first, then the events.

        Holds the values, needs no task. Cancelling loses nothing.
        """
        return self._then(lazy.transform.StartWith(values, self._claim("start_with")))

    def distinct(self, key: Callable[[T_co], Hashable] | None = None) -> Stream[T_co]:
        """Yield the events whose key no earlier event had; without ``key``, the event is its own key.

        It remembers every key that it has seen, so use it where keys are few, or after a ``take``.

        Holds no event, needs no task. Cancelling loses nothing.
        """
        checked = None if key is None else check_function(key, "distinct")
        return self._then(FunctionOperator(partial(lazy.transform.Distinct[T_co], checked), self._claim("distinct")))

    def distinct_until_changed(self, key: Callable[[T_co], object] | None = None) -> Stream[T_co]:
        """Yield the events whose key differs from that of the event before; without ``key``, the event is its own key.

        Holds nothing but one key, needs no task. Cancelling loses nothing.
        """
        checked = None if key is None else check_function(key, "distinct_until_changed")
        make = partial(lazy.transform.DistinctUntilChanged[T_co], checked)
        return self._then(FunctionOperator(make, self._claim("distinct_until_changed")))

    def default_if_empty(self, value: U) -> Stream[T_co | U]:
        """Yield the events, or ``value`` if the source ends without one.

        Holds nothing, needs no task. Cancelling loses nothing.
        """
        return self._then(lazy.transform.DefaultIfEmpty(value, self._claim("default_if_empty")))

    # ------------------------------------------------------------------ how many

    def take(self, n: int) -> Stream[T_co]:
        """Yield the first ``n`` events, then end, without asking the source for another.

        Holds nothing, needs no task. Cancelling loses nothing.
        """
        count = check_count(0, n, "take")
        return self._then(lazy.limit.Take(count, self._claim("take")))

    def take_last(self, n: int) -> Stream[T_co]:
        """Yield the last ``n`` events when the source has ended. If it fails, there is only the error.

        Holds ``n`` events, needs no task. Cancelling loses nothing.
        """
        count = check_count(0, n, "take_last")
        return self._then(Guarded(partial(lazy.limit.TakeLast[T_co], count), self._claim("take_last")))

    def take_while(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]:
        """Yield the events before the first for which ``predicate``, sync or async, is false, then end.

        Holds nothing, needs no task.
        If it is cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        checked = check_function(predicate, "take_while")
        return self._then(FunctionOperator(partial(lazy.limit.TakeWhile[T_co], checked), self._claim("take_while")))

    def take_until(self, other: Streamable[object]) -> Stream[T_co]:
        """Yield the events until ``other`` yields its first, then end; what the source still has is not asked for.

        The end of ``other`` changes nothing, and its error ends the stream.

        Holds nothing, needs a task, which reads one event of ``other``. Cancelling loses nothing.
        """
        return self._then(Tasked(lazy.watching.TakeUntil[T_co], *self._claim_with("take_until", (other,))))

    def skip(self, n: int) -> Stream[T_co]:
        """Yield all events but the first ``n``.

        Holds nothing, needs no task. Cancelling loses nothing but what is skipped.
        """
        count = check_count(0, n, "skip")
        return self._then(RuleOperator(partial(lazy.limit.SkipFirst[T_co], count), self._claim("skip")))

    def skip_while(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]:
        """Yield the events from the first for which ``predicate``, sync or async, is false; it is not asked again.

        Holds nothing, needs no task.
        If it is cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        checked = check_function(predicate, "skip_while")
        return self._then(FunctionOperator(partial(lazy.limit.SkipWhile[T_co], checked), self._claim("skip_while")))

    def skip_until(self, other: Streamable[object]) -> Stream[T_co]:
        """Yield the events that are read after ``other`` yielded its first. The error of ``other`` ends the stream.

        While it skips, it reads the source as fast as the reader asks. The end of the source is the end, even if
        ``other`` has yielded nothing (in RxPY there is no end then).

        Holds nothing, needs a task, which reads one event of ``other``. Cancelling loses nothing but what is skipped.
        """
        return self._then(Tasked(lazy.watching.SkipUntil[T_co], *self._claim_with("skip_until", (other,))))

    # ------------------------------------------------------------------ in time; durations are seconds

    def debounce(self, seconds: float) -> Stream[T_co]:
        """Yield the last event of a burst, once ``seconds`` have passed without another.

        If the source ends, what is left is yielded at once; if it fails, what is left is dropped.
        A burst is read as it comes, and all of it but the last event is dropped. An event that was due before the
        reader came waits for it, and until then the source is not read.

        Holds two events, needs a task, which reads the source. Cancelling loses nothing.
        """
        checked = check_seconds(seconds, "debounce")
        return self._then(Tasked(partial(lazy.paced.Debounce[T_co], checked), self._claim("debounce")))

    def throttle(self, seconds: float, *, trailing: bool = False) -> Stream[T_co]:
        """Yield an event, then none for ``seconds``, which must be more than 0, then the next one that comes.

        With ``trailing``, the last event that comes during these ``seconds`` is yielded at their end, and none follows
        for another ``seconds``; so the newest is never left out. The end of the source comes after an event that waits,
        which keeps its time; an error comes at once, and drops it. An event of the very moment at which the ``seconds``
        end takes the place of one that waits.

        Times are those at which an event is read from the source.

        Holds nothing, needs no task. With ``trailing`` it holds two events and needs a task, which reads the source; an
        event that is due waits for the reader, and until then the source is not read.
        Cancelling loses nothing but what is left out.
        """
        checked = check_seconds(seconds, "throttle", zero=False)
        if trailing:
            return self._then(Tasked(partial(lazy.paced.ThrottleWithLast[T_co], checked), self._claim("throttle")))
        return self._then(RuleOperator(partial(lazy.timing.Throttle[T_co], checked), self._claim("throttle")))

    def sample(self, seconds: float) -> Stream[T_co]:
        """Yield, every ``seconds``, the newest event, if one has come since the last time. They must be more than 0.

        As in Rx, the end waits for the next of these times, after what is left. An error comes at once, and drops what
        is left. An event that was due before the reader came waits for it, and until then the source is not read.

        Holds two events, needs a task, which reads the source. Cancelling loses nothing.
        """
        checked = check_seconds(seconds, "sample", zero=False)
        return self._then(Tasked(partial(lazy.paced.Sample[T_co], checked), self._claim("sample")))

    def delay(self, seconds: float) -> Stream[T_co]:
        """Yield each event, and the end, ``seconds`` after it came. An error comes at once, and drops the rest.

        Holds up to 1,024 events; when it holds that many the source waits. Needs a task, which reads the source.
        Cancelling loses nothing.
        """
        checked = check_seconds(seconds, "delay")
        return self._then(Tasked(partial(lazy.timing.Delay[T_co], checked), self._claim("delay")))

    def timeout(self, seconds: float) -> Stream[T_co]:
        """Yield the events; raise ``TimeoutError`` if none comes within ``seconds``.

        The time runs while the reader waits for an event, so a slow reader is not held against the source.

        Holds nothing, needs no task. Cancelling loses nothing.
        """
        checked = check_seconds(seconds, "timeout")
        return self._then(Guarded(partial(lazy.timing.Timeout[T_co], checked), self._claim("timeout")))

    def batches(
        self, size: int | None = None, within: float | None = None, *, aligned: bool = False
    ) -> Stream[tuple[T_co, ...]]:
        """Yield the events as tuples, none of them empty.

        A batch is closed when it has ``size`` events, or ``within`` seconds after its first came, or by the end or an
        error, which follows it. Without either, a batch is everything that is waiting: at least one event, at most
        1,024.
        With ``within`` alone, only time closes a batch: it is never split, and more than 65,536 events in one are an
        error, which comes after these.
        With ``aligned``, time closes a batch when the clock shows a multiple of ``within`` (with ``within=60``, at each
        full minute): a window. The clock is that on the wall, in UTC; in virtual time, that of the loop. An event of
        this very moment is in the window that ends.

        Holds ``size`` events, or 65,536 if only ``within`` is given. ``within`` needs a task, which reads the source,
        and holds one more while a batch that is due waits for the reader; until then the source is not read. Cancelling
        loses nothing: what was collected is in the next batch.
        """
        most = None if size is None else check_count(1, size, "batches")
        if within is not None:
            checked = check_seconds(within, "batches", zero=not aligned)
            closing = partial(lazy.windows.Windows if aligned else lazy.windows.AfterFirst, checked)
            return self._then(Tasked(partial(lazy.paced.TimedBatches[T_co], most, closing), self._claim("batches")))
        if aligned:
            raise ValueError("batches(aligned=True) needs within=, the length of a window in seconds")
        if most is not None:
            return self._then(Guarded(partial(lazy.batches.SizedBatches[T_co], most), self._claim("batches")))
        return self._then(lazy.batches.WaitingBatches(lazy.batches.LARGEST_BATCH, self._claim("batches")))

    # ------------------------------------------------------------------ several sources

    def merge(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Yield the events of all sources as they come. The end comes after the last of them, an error at once.

        Holds one event for each source, needs a task for each. Cancelling loses nothing.
        """
        return self._then(Tasked(lazy.combine.Merge[Any], *self._claim_with("merge", others)))

    def concat(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Yield the events of this source, then those of the next, which is started when this one has ended.

        Holds nothing, needs no task of its own. Cancelling loses nothing.
        """
        return self._then(Guarded(lazy.sequential.Concat[Any], *self._claim_with("concat", others)))

    @overload
    def zip(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def zip(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def zip(self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def zip(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def zip(self, *others: Streamable[Any]) -> Stream[Any]:
        """Yield the first events of all sources as a tuple, then the second ones, until one source has no more.

        Rx queues what a faster source has ahead; here that source waits. An error comes at once.

        Holds one event for each source, needs a task for each. Cancelling loses nothing.
        """
        return self._then(Tasked(lazy.combine.Zip, *self._claim_with("zip", others)))

    @overload
    def zip_latest(self, a: Streamable[A], /) -> Stream[tuple[T_co, A]]: ...
    @overload
    def zip_latest(self, a: Streamable[A], b: Streamable[B], /) -> Stream[tuple[T_co, A, B]]: ...
    @overload
    def zip_latest(self, a: Streamable[A], b: Streamable[B], c: Streamable[C], /) -> Stream[tuple[T_co, A, B, C]]: ...
    @overload
    def zip_latest(self, *others: Streamable[Any]) -> Stream[tuple[Any, ...]]: ...
    def zip_latest(self, *others: Streamable[Any]) -> Stream[Any]:
        """Yield a tuple of the newest event of each source, as soon as each has yielded one since the last tuple.

        A newer event of a faster source replaces an older one. The end comes when a source has ended of which no new
        event is left, an error at once.

        Holds two events for each source, needs a task for each. Cancelling loses nothing but what is replaced.
        """
        return self._then(Tasked(lazy.combine.ZipLatest, *self._claim_with("zip_latest", others)))

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
        """Yield, for each event of any source, a tuple of the newest of all, once each has yielded one.

        The end comes after the last source, an error at once. Where the others have ended, and one of them without any
        event, the next event is the end: no tuple can follow.

        Holds two events for each source, needs a task for each. Cancelling loses nothing but, before the first tuple,
        what is replaced.
        """
        return self._then(Tasked(lazy.combine.CombineLatest, *self._claim_with("combine_latest", others)))

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
        """Yield, for each event of this source, a tuple of it and the newest of each other source.

        Events that come before every other has yielded one are left out. The others are read as fast as they can
        yield. Their ends change nothing; an error of theirs comes at once.

        Holds one event for each other, needs a task for each of them. Cancelling loses nothing but what is replaced or
        left out.
        """
        return self._then(Tasked(lazy.watching.WithLatestFrom, *self._claim_with("with_latest_from", others)))

    def race(self, *others: Streamable[U]) -> Stream[T_co | U]:
        """Yield the events of the source that is first to yield one, to end or to fail, and close the others.

        Holds one event for each source, and later none; needs a task for each, until the first has yielded.
        Cancelling loses nothing but what the others have yielded.
        """
        return self._then(Tasked(lazy.race.Race[Any], *self._claim_with("race", others)))

    # ------------------------------------------------------------------ streams of streams

    @overload
    def flat_map(
        self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /, concurrency: int | None = None
    ) -> Stream[U]: ...
    @overload
    def flat_map(self, function: Callable[[T_co], Streamable[U]], /, concurrency: int | None = None) -> Stream[U]: ...
    def flat_map(self, function: Callable[[T_co], Any], /, concurrency: int | None = None) -> Stream[Any]:
        """Yield the events of all the streams that ``function``, sync or async, makes of the events, as they come.

        ``function`` returns anything that ``stream()`` takes. At most ``concurrency`` streams run at once, counted from
        the call of the function; then the source waits. Without it as many run as come, and more than 10,000 are an
        error. What a stream yields without waiting, up to 256 events, comes before the source is read on. The end comes
        after the last of them, an error at once.

        The streams of ``group_by`` end with its source, so a limit must not be less than the number of its groups:
        if all the streams that run wait for groups, and a further group waits for room, that is an error. It comes
        after 5 seconds where a stream could still be ended by a clock or by another source.

        Holds one event for each of these streams, needs a task for each, and one that reads the source.
        Cancelling loses nothing.
        """
        limit = None if concurrency is None else check_count(1, concurrency, "flat_map", "streams at once")
        checked = check_function(function, "flat_map")
        make = (
            partial(lazy.flatten.FlatMap[Any], checked)
            if limit is None
            else partial(lazy.flatten.LimitedFlatMap[Any], checked, limit)
        )
        return self._then(Tasked(make, self._claim("flat_map")))

    @overload
    def concat_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def concat_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def concat_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Yield the events of the stream that ``function``, sync or async, makes of the first event, then of the next.

        The source is not asked for another event before that stream has ended. So its end, or its error, comes after
        that, where in Rx an error comes at once. Groups of ``group_by`` end with its source, so where there is more
        than one, that is an error: use ``flat_map``.

        Holds nothing, needs no task of its own.
        If it is cancelled while an async function runs, it keeps the event, and the next read calls the function again.
        """
        checked = check_function(function, "concat_map")
        return self._then(Nesting(partial(lazy.sequential.ConcatMap[Any], checked), self._claim("concat_map")))

    @overload
    def switch_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def switch_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def switch_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Yield the events of the stream that ``function``, sync or async, makes of the newest event.

        The next event closes that stream, or cancels the function, and drops what it yielded and nobody has read yet.
        What a stream yields without waiting, up to 256 events, comes before it can be replaced. The end comes when the
        source and the newest stream have ended, an error at once.

        Holds one event; the source is read as it comes. Needs two tasks. Cancelling loses nothing.
        """
        checked = check_function(function, "switch_map")
        return self._then(Tasked(partial(lazy.flatten.SwitchMap[Any], checked), self._claim("switch_map")))

    @overload
    def exhaust_map(self, function: Callable[[T_co], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[U]: ...
    @overload
    def exhaust_map(self, function: Callable[[T_co], Streamable[U]], /) -> Stream[U]: ...
    def exhaust_map(self, function: Callable[[T_co], Any], /) -> Stream[Any]:
        """Yield the events of the stream that ``function``, sync or async, makes of an event; skip events meanwhile.

        The next event is taken only after that stream has ended. The end comes when the source and that stream have
        ended, an error at once.

        Holds one event; the source is read as it comes. Needs two tasks. Cancelling loses nothing but what is skipped.
        """
        checked = check_function(function, "exhaust_map")
        return self._then(Tasked(partial(lazy.flatten.ExhaustMap[Any], checked), self._claim("exhaust_map")))

    @overload
    def group_by(
        self, key: Callable[[T_co], Coroutine[Any, Any, K]], max_groups: int = 10_000, idle: float | None = None
    ) -> Stream[tuple[K, Stream[T_co]]]: ...
    @overload
    def group_by(
        self, key: Callable[[T_co], K], max_groups: int = 10_000, idle: float | None = None
    ) -> Stream[tuple[K, Stream[T_co]]]: ...
    def group_by(
        self, key: Callable[[T_co], Any], max_groups: int = 10_000, idle: float | None = None
    ) -> Stream[tuple[Any, Stream[T_co]]]:
        """Yield, for each new key, a pair of it and the stream of the events that have it.

        Each group is a stream of its own, to be read in a task of its own, for instance by ``flat_map`` without a
        limit: a group that is kept and not read holds up all the others. A group that was closed, or that nobody
        keeps, is not waited for, and its events are left out. All groups end with the source, or with its error.
        If whoever must take the next group waits for another group without a time limit, that is a ``RuntimeError``.

        With ``idle`` a group ends when nothing has come for its key for so many seconds, and its key is forgotten: a
        later event of that key opens a new group. While an event waits to be read in its group, no time passes.

        At most ``max_groups`` groups may be open at once, and one more is an error; a group that has ended, was closed,
        or that nobody keeps is not counted. Without ``idle`` every key is remembered.

        Holds one event, needs a task, which reads the source, and with ``idle`` another. Cancelling loses nothing.
        """
        limit = check_count(1, max_groups, "group_by", "groups")
        ends_after = None if idle is None else check_seconds(idle, "group_by", zero=False)
        checked = check_function(key, "group_by")
        make = partial(lazy.group_by.GroupBy[Stream[T_co]], checked, limit, ends_after, self._then)
        return self._then(Tasked(make, self._claim("group_by")))

    # ------------------------------------------------------------------ failure, and starting again

    @overload
    def catch(self, function: Callable[[Exception], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[T_co | U]: ...
    @overload
    def catch(self, function: Callable[[Exception], Streamable[U]], /) -> Stream[T_co | U]: ...
    def catch(self, function: Callable[[Exception], Any], /) -> Stream[Any]:
        """Yield the events; if the source fails, go on with what ``function(error)``, sync or async, returns.

        It may return anything that ``stream()`` takes, or raise. The source is closed first. What the new stream raises
        is not caught.

        Holds nothing, needs no task of its own.
        If it is cancelled while an async function runs, it keeps the error, and the next read calls the function again.
        """
        checked = check_function(function, "catch")
        return self._then(Nesting(partial(lazy.failure.Catch[Any], checked), self._claim("catch")))

    def retry(
        self,
        attempts: int,
        wait: float | Callable[[int], float] = 0.0,
        on: type[Exception] | tuple[type[Exception], ...] = Exception,
    ) -> Stream[T_co]:
        """Yield the events; if the source fails, wait ``wait`` seconds and start it again, ``attempts`` times in all.

        ``wait`` may be a function, which returns the seconds for the number of the attempt that has failed: 1, 2...
        It must be sync, and what it raises ends the stream.
        Errors that are not of ``on``, a class or a tuple of classes, are not retried.

        What was yielded before the failure is not taken back. The last error comes as it is.
        A function given to ``stream()`` is called again. What can be read only once, such as a subscription, goes on
        where it was; if that itself has failed, its error comes at once.

        Holds nothing, needs no task of its own. Cancelling loses nothing, and a wait goes on where it was.
        """
        most, kinds = check_count(1, attempts, "retry", "attempts"), check_kinds(on, "retry")
        make = partial(lazy.failure.Retry[T_co], most, check_wait(wait, "retry"), kinds)
        return self._then(Guarded(make, self._claim("retry")))

    def repeat(self, times: int | None = None) -> Stream[T_co]:
        """Yield the events, and at the end start the source again, ``times`` in all, or for ever.

        A function given to ``stream()`` is called again. Starting a source again that can be read only once raises
        ``RuntimeError``.

        Holds nothing, needs no task of its own. Cancelling loses nothing.
        """
        count = None if times is None else check_count(0, times, "repeat", "rounds")
        return self._then(Guarded(partial(lazy.failure.Repeat[T_co], count), self._claim("repeat")))

    def finally_do(self, function: Callable[[], object], /) -> Stream[T_co]:
        """Yield the events, and call ``function``, sync or async, once the source is closed, for whatever reason.

        Holds nothing, needs no task. Cancelling loses nothing; an async function that is cancelled is not called again.
        """
        checked = check_function(function, "finally_do")
        return self._then(lazy.failure.FinallyDo(checked, self._claim("finally_do")))

    # ------------------------------------------------------------------ sinks: coroutines that read all, then close

    async def for_each(self, handler: Callable[[T_co], object], /, concurrency: int = 1) -> None:
        """Call ``handler``, sync or async, with each event; at most ``concurrency`` run at once.

        An error of the handler ends it, cancels the other handlers, and is raised as it is; so does a cancellation that
        one handler meets alone, for instance because it waits for a future that somebody cancels.
        Holds ``concurrency`` events, one in each handler; while all are busy the source waits.
        """
        await lazy.sinks.for_each(self, handler, concurrency)

    async def to_list(self) -> list[T_co]:
        """Return all events. Holds them all."""
        return await lazy.sinks.to_list(self)

    @overload
    async def reduce(self, function: Callable[[A, T_co], Coroutine[Any, Any, A]], initial: A, /) -> A: ...
    @overload
    async def reduce(self, function: Callable[[A, T_co], A], initial: A, /) -> A: ...
    async def reduce(self, function: Callable[[Any, T_co], Any], initial: Any, /) -> Any:
        """Return what ``function(so_far, event)``, sync or async, makes of all events, beginning with ``initial``."""
        return await lazy.sinks.reduce(self, function, initial)

    async def count(self) -> int:
        """Return how many events there are."""
        return await lazy.sinks.count(self)

    async def any(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> bool:
        """Return whether ``predicate``, sync or async, is true for an event; read no further than that one."""
        return await lazy.sinks.is_met(self, predicate, "any", wanted=True)

    async def all(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> bool:
        """Return whether ``predicate``, sync or async, is true for every event; read no further than it is false."""
        return not await lazy.sinks.is_met(self, predicate, "all", wanted=False)

    async def first(self) -> T_co:
        """Return the first event, and read no other.

        Raises:
            anyio.EndOfStream: there is none.
        """
        return await lazy.sinks.first(self)

    async def last(self) -> T_co:
        """Return the last event.

        Raises:
            anyio.EndOfStream: there is none.
        """
        return await lazy.sinks.last(self)

    async def publish_to(self, publisher: lazy.sinks.Publishes[T_co]) -> int:
        """Publish each event, and return how many there were. While a publish waits, the source waits too."""
        return await lazy.sinks.publish_to(self, publisher)


class _Pulls(AsyncIterator[T]):
    """What the owner of any kind of stream reads."""

    __slots__ = ("pull",)

    def __init__(self, pull: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.pull = pull

    async def __anext__(self) -> T:
        try:
            return await self.pull()
        except EndOfStream:
            raise StopAsyncIteration from None


class _ChainStream(Stream[T]):
    """The end of a chain of operators, as a stream."""

    def __init__(self, node: Node[T]) -> None:
        self._chain = Chain(node)

    def __repr__(self) -> str:
        return f"<Stream {self._chain.node.name}{' closed' if self._chain.closed else ''}>"

    def _chain_reader(self) -> AsyncIterator[T]:
        if self._owner is not None:
            self._check_owner()
        return self._chain.reader()

    # anyio returns Self here. A loop over the node itself saves a coroutine for each event.
    def __aiter__(self) -> AsyncIterator[T]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._chain_reader()

    async def __anext__(self) -> T:
        return await anext(self._chain_reader())

    async def receive(self) -> T:
        """Wait for the next event."""
        reader = self._chain_reader()
        try:
            return await anext(reader)
        except StopAsyncIteration:
            raise EndOfStream(f"{self!r} has ended: there are no more events") from None

    async def aclose(self) -> None:
        """Close the chain with all its sources, and wait until its tasks have ended."""
        await self._chain.close()

    def _claim(self, owner: str, /) -> Node[T]:
        self._check_owner()
        self._owner = owner
        return self._chain.hand_over()

    def _read_by_sink(self) -> None:
        if self._owner is None:
            self._chain.keep_private()

    async def __aenter__(self) -> Self:
        self._check_owner()
        await self._chain.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._chain.exit(error)


# Users hold it as a stream, and what Python says of a wrong use should name it so.
_ChainStream.__name__ = Stream.__name__
for _name in ("receive", "aclose"):
    vars(_ChainStream)[_name].__qualname__ = f"Stream.{_name}"


def stream(source: Streamable[T]) -> Stream[T]:
    """Make a stream of anything that yields events.

    ``source`` is an async iterable, an iterable, an anyio receive stream, or a function that returns one of them, which
    is called again at each start (by ``retry``, ``repeat``). A stream is returned as it is.
    It may also have a ``subscribe()``, as a subject, a ``State`` and what ``share`` returns have: that is called again
    at each start. A chain that is entered subscribes then, any other with its first read.
    The stream owns the source: closing the stream closes it, or the subscription.

    Holds nothing, needs no task. A plain iterable has a checkpoint after 256 events.
    Cancelling a read loses nothing, with one exception that Python makes: an async generator that is cancelled while it
    waits is ended by that. The next read then raises a ``RuntimeError`` that says so; it never looks like an end. An
    operator whose task reads it, such as ``merge`` and ``flat_map``, and ``share`` are not cancelled with their reader.
    """
    if isinstance(source, Stream):
        return cast("Stream[T]", source)
    return _ChainStream(node_of(source, "stream"))


def interval(seconds: float) -> Stream[int]:
    """Yield 0, 1, 2... one every ``seconds``, the first after ``seconds``. These must be more than 0.

    Times are counted from the first read. A late reader gets at once what is due, and no number is left out.
    Holds nothing, needs no task. Cancelling loses nothing.
    """
    return _ChainStream(lazy.timing.Interval(check_seconds(seconds, "interval", zero=False)))


def timer(seconds: float) -> Stream[int]:
    """Yield 0 after ``seconds``, counted from the first read, and end.

    ``timer(0)`` yields at once. A negative number is refused: write ``timer(max(0, seconds))`` if it may be one.

    Holds nothing, needs no task. Cancelling loses nothing.
    """
    return _ChainStream(lazy.timing.Timer(check_seconds(seconds, "timer")))
