"""A subscription: receiving at one's own pace, and closing."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload
from weakref import ref

from anyio import ClosedResourceError, EndOfStream
from anyio.lowlevel import checkpoint

from ._backends import NOT_RUNNING
from ._buffer import QUICK, RATION, Buffer
from ._ends import error_for_a_reader, is_the_end, reason_of
from ._errors import nothing_yet, refuses_copying
from ._fairness import LOOK_TAKEN, TAKEN
from ._mailbox import NOTHING
from ._watch import Cancelling, Ended
from .streams._stream import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from ._backends import KnownTask
    from ._ends import End
    from ._life import Life
    from ._loop import RunningLoop
    from ._mailbox import Mailbox, UserFunctions
    from ._statistics import SubscriptionStatistics
    from .streams._node import Node

T = TypeVar("T")
W_co = TypeVar("W_co", covariant=True)


class Feed(Protocol):
    """What fills the buffer of a subscription to a log.

    Attributes:
        interest: what is wanted.
        undecodable: how many events could not be read, and were skipped.
    """

    interest: Any
    undecodable: int

    async def begin(self) -> None:
        """Find out where it begins, and begin."""
        ...

    def begin_soon(self) -> None:
        """Begin in a task: somebody reads, and has not entered the subscription."""
        ...

    def let_go(self) -> None:
        """Nobody can read it any more."""
        ...

    def lag(self) -> int:
        """How far it is behind."""
        ...


class Subscription(Stream[W_co]):
    """The events that one subscriber wants, in its own bounded buffer, taken at its own pace.

    It is active from the call of ``Subject.subscribe`` on.
    Several tasks may receive from it: each event goes to one of them, in the order in which they waited.
    Closing it, leaving its ``async with``, or dropping its last reference detaches it from the subject.
    Cancelling a reader loses nothing: the event is returned, or it is still in the buffer.
    """

    __slots__ = ("_buffer", "_feed", "_functions", "_known", "_life", "_loop", "_mailbox", "_quiet")

    def __init__(
        self,
        life: Life[Any],
        mailbox: Mailbox,
        functions: UserFunctions,
        *,
        quiet: bool = False,
        feed: Feed | None = None,
    ) -> None:
        self._life = life
        self._mailbox = mailbox
        self._buffer: Buffer[W_co] = mailbox.buffer
        self._functions = functions
        """Kept alive here, and nowhere else."""
        self._quiet = quiet
        """Whether nobody but us holds it: then dropping it is no mistake of the user's."""
        self._feed = feed
        self._loop: RunningLoop | None = None
        self._known: KnownTask = NOT_RUNNING
        """The task that read last, and its loop."""

    async def receive(self) -> W_co:
        """Wait for the next event.

        Cancelling leaves the event in the buffer or returns it; it is never taken and lost.
        Waits only where nothing is buffered, but lets the loop turn after a bounded number of deliveries.

        Raises:
            anyio.EndOfStream: the subject was closed, and everything before that has been delivered.
            anyio.ClosedResourceError: this subscription was closed.
            SlowSubscriber: it was disconnected for being too slow (``overflow="disconnect"``).
            RuntimeError: an operator owns this subscription, or it is used from a second live loop.
        """
        self._check_owner()
        loop = self._loop
        if (lane := self._buffer.fast) and loop and loop.thread == get_ident() and self._known.cr_running:
            return lane.popleft()
        return await self._pull()

    def receive_nowait(self) -> W_co:
        """Take the next event, if there is one that no earlier reader waits for.

        Raises:
            anyio.WouldBlock: nothing is there.
            anyio.EndOfStream, anyio.ClosedResourceError, SlowSubscriber: as for ``receive``.
        """
        self._check_owner()
        return self._pull_nowait()

    def __aiter__(self) -> Self:
        self._buffer.close_lane()  # so that the first read asks, and notes which task reads
        return self

    async def __anext__(self) -> W_co:
        # the fast lane first: of a delivery that takes 250 ns, one call more would be a quarter
        if lane := self._buffer.fast:
            return lane.popleft()
        if self._owner is not None:
            self._check_owner()
        return await self._next(self._mailbox.take, StopAsyncIteration)

    @overload
    def batches(self) -> Batches[W_co]: ...
    @overload
    def batches(
        self, size: int | None = None, within: float | None = None, *, aligned: bool = False
    ) -> Stream[tuple[W_co, ...]]: ...
    def batches(
        self, size: int | None = None, within: float | None = None, *, aligned: bool = False
    ) -> Stream[tuple[W_co, ...]]:
        """Tuples of all that is waiting, at most ``buffer`` events each: the fastest way to read.

        With ``size`` or ``within`` (seconds) the batches of ``Stream.batches``.
        Cancelling loses nothing, and the same object can be iterated again.
        """
        if size is None and within is None and not aligned:
            return Batches(self)
        return super().batches(size, within, aligned=aligned)

    def _claim(self, owner: str, /) -> Node[W_co]:
        node = super()._claim(owner)
        self._mailbox.line.keep_private()
        self._buffer = Buffer(1)  # empty for ever: each read but the owner's is looked at, and refused
        return node

    def _read_by_sink(self) -> None:
        self._mailbox.line.keep_private()

    def _reader(self) -> AsyncIterator[W_co]:
        return _OwnersReader(self)

    async def _pull(self) -> W_co:
        return await self._next(self._mailbox.take)

    def _pull_nowait(self) -> W_co:
        self._life.check()
        if not self._known.cr_running:
            self._note_task()
        mailbox = self._mailbox
        line, counts = mailbox.line, [0, 0]  # nobody lets the loop turn here
        if line.woken < mailbox.items() and (item := mailbox.take(counts)) is not NOTHING:
            return cast("W_co", item)
        if mailbox.end is not None and not line.woken:
            raise self._how_it_ended(mailbox.end, EndOfStream)
        raise nothing_yet(mailbox.name)

    async def _next(self, take: Callable[[list[int]], T], end: type[Exception] = EndOfStream) -> T:
        """What ``take`` finds, once there is anything and it is this task's turn; at the end raise ``end``."""
        loop, mailbox = self._loop, self._mailbox
        if loop is None or loop.thread != get_ident() or not self._known.cr_running:
            self._note_task()
            loop = self._life.enter()
        counts, line, buffer = loop.counts, mailbox.line, mailbox.buffer
        # a reader that finds nothing lets the loop turn by waiting
        finds: object = buffer.outbox or buffer.inbox or buffer.replay
        ration = buffer.ration
        may_be_slow = finds and (ration < QUICK or len(buffer.outbox) > ration < RATION)
        if may_be_slow or counts[TAKEN] >= counts[LOOK_TAKEN]:
            buffer.adapt_ration(loop.budget.reader_looks())
            if finds and loop.budget.is_used_up(TAKEN):
                await loop.turn_when_due()
        first = not line.queue
        looks = first and (finds or mailbox.gaps)
        while True:
            if looks and (found := take(counts)) is not NOTHING:
                if line.queue:
                    line.wake(mailbox.items())
                return found
            if first and mailbox.end is not None:
                raise self._how_it_ended(mailbox.end, end)
            wake_up = loop.backend.wake_up()
            line.join(wake_up, first=first)
            if not first or mailbox.buffer.inbox or mailbox.end is not None:  # a destructor may have run in between
                line.wake(mailbox.items())
            first = looks = True
            try:
                await wake_up
                while not line.answer(wake_up):  # trio runs those that were woken in no order
                    await checkpoint()
            except BaseException:
                line.leave(wake_up)
                line.wake(mailbox.items())
                raise

    def _how_it_ended(self, end: End, normal: type[Exception]) -> BaseException:
        """What a reader gets at this end; ``normal`` where that was no error."""
        if self._mailbox.discarded and not isinstance(end, ClosedResourceError):  # that says why it was closed
            end = ClosedResourceError
        if normal is StopAsyncIteration and is_the_end(end):
            return StopAsyncIteration()
        return error_for_a_reader(end, self._mailbox.name)

    def _note_task(self) -> None:
        """Note which task reads, so that it can be known whether a publisher that waits for it waits for ever."""
        if (here := self._life.binding.here()) is None or (task := here.current_task()) is None:
            return
        if self._loop not in (None, here):
            self._mailbox.line.forget()  # they waited in a loop that has ended
        self._loop = self._life.enter()
        self._known = here.backend.know(task, partial(_forget, ref(self)))
        if self._mailbox.end is None:
            self._mailbox.buffer.open_stream()
        self._mailbox.line.note_task(ref(task))
        if self._feed is not None:
            self._feed.begin_soon()

    @property
    def ended(self) -> Awaitable[None]:
        """To be awaited by whoever must hear of the end while it does not read: ``await feed.ended``.

        It has ended when nothing more comes in: it was closed, or its subject was; its own ``where`` or ``conflate``
        raised; or it was disconnected for being too slow. What it holds then can still be read, unless it was closed.
        Any number of tasks may await it, as often as they like, before and after the end. A checkpoint.
        Cancelling changes nothing. ``reason`` says why it has ended.

        Raises:
            RuntimeError: (when awaited) in another thread, or in a second live loop.
        """
        return Ended(self._life, self._mailbox)

    @property
    def reason(self) -> BaseException | None:
        """Why it has ended; None while events may still come in.

        ``anyio.EndOfStream`` (the subject was closed), the very error that the subject was closed with or that
        ``where`` or ``conflate`` raised, ``SlowSubscriber``, or ``anyio.ClosedResourceError`` (this was closed while
        it lived). Closing it later changes no reason.
        """
        end = self._mailbox.end
        return None if end is None else reason_of(end, self._mailbox.name)

    def cancelling(self, grace: float = 1.0) -> Cancelling:
        """A block whose body is cancelled ``grace`` seconds after this subscription has ended.

        For a reader that may be stuck elsewhere, such as in the ``send`` of a socket whose peer does not read::

            async with ticks.subscribe(Tick, overflow="disconnect") as feed, feed.cancelling(grace=1.0):
                async for tick in feed:
                    await socket.send(tick.model_dump_json())

        "Ended" is as for ``ended``: the grace is for what is still in the buffer.
        A body that ends by itself, or raises, is left as any block is. One that was cancelled by this ends without an
        error where the subject was closed normally, or this subscription was; else the block raises the error, or
        ``SlowSubscriber``. A cancellation from outside stays one. A block is entered once, and left in the same task.

        Raises:
            TypeError, ValueError: ``grace`` is no number of seconds of at least 0.
            RuntimeError: (when entered) in another thread, in a second live loop, or for the second time.
        """
        return Cancelling(self._life, self._mailbox, grace)

    def close(self) -> None:
        """Detach from the subject; what is buffered is discarded, readers that wait get ``ClosedResourceError``."""
        self._quiet = True
        self._life.detach(self._mailbox)

    async def aclose(self) -> None:
        """Close; waits for nothing."""
        self.close()

    async def __aenter__(self) -> Self:
        self._check_owner()
        if self._feed is not None:
            try:
                await self._feed.begin()
            except BaseException:
                self.close()
                raise
        return self

    def __del__(self) -> None:
        mailbox = self._mailbox
        if mailbox.discarded:
            return
        forgotten = mailbox.end is None and not self._quiet
        self._life.detach_later(mailbox)  # first: a warning may be an error
        if self._feed is not None:
            self._life.delivery.deferred.append(self._feed.let_go)
        if forgotten:
            warnings.warn(
                f"subscription {mailbox.name}, made at {mailbox.created_at[0]}:{mailbox.created_at[1]}, was dropped"
                " without being closed; use 'async with', or close it",
                ResourceWarning,
                stacklevel=1,
            )

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("several tasks may read this one, and each call of subscribe() makes another")

    @property
    def name(self) -> str:
        """The name it was given, or the subject's name and a number."""
        return self._mailbox.name

    def statistics(self) -> SubscriptionStatistics:
        """The ledger: where every event that was wanted is now."""
        ledger = self._mailbox.ledger()
        feed = self._feed
        return ledger if feed is None else replace(ledger, lag=feed.lag(), undecodable=feed.undecodable)

    def __repr__(self) -> str:
        mailbox = self._mailbox
        state = "closed" if mailbox.discarded else "ended" if mailbox.end is not None else mailbox.overflow
        wants = self._life.members.wants_of(mailbox) if self._feed is None else self._feed.interest
        fill = f"{len(mailbox.buffer)}/{mailbox.buffer.capacity}"
        return f"<Subscription {mailbox.name} wants {wants}, {fill} {state}>"


class _OwnersReader(AsyncIterator[W_co]):
    """What the operator reads that owns a subscription."""

    __slots__ = ("_buffer", "_subscription")

    def __init__(self, subscription: Subscription[W_co]) -> None:
        self._buffer: Buffer[W_co] = subscription._mailbox.buffer
        self._subscription = subscription

    async def __anext__(self) -> W_co:
        subscription = self._subscription
        if (lane := self._buffer.fast) and subscription._known.cr_running:
            return lane.popleft()
        return await subscription._next(subscription._mailbox.take, StopAsyncIteration)


class Batches(Stream[tuple[W_co, ...]], Generic[W_co]):
    """All that waits at a subscription, a tuple at a time; ends when the subscription does."""

    __slots__ = ("_subscription",)

    def __init__(self, subscription: Subscription[W_co]) -> None:
        self._subscription = subscription

    def _read_by_sink(self) -> None:
        self._subscription._read_by_sink()

    def _check_owner(self) -> None:
        self._subscription._check_owner()

    def _claim(self, owner: str, /) -> Node[tuple[W_co, ...]]:
        node = super()._claim(owner)
        self._subscription._claim(owner)  # whoever reads that would take from these
        return node

    async def _pull(self) -> tuple[W_co, ...]:
        return await self._subscription._next(self._subscription._mailbox.take_batch)

    async def __anext__(self) -> tuple[W_co, ...]:
        self._subscription._check_owner()
        return await self._subscription._next(self._subscription._mailbox.take_batch, StopAsyncIteration)

    async def aclose(self) -> None:
        """Close the subscription."""
        self._subscription.close()

    def __repr__(self) -> str:
        return f"<Batches of {self._subscription!r}>"


def _forget(subscription: ref[Subscription[Any]], gone: object) -> None:
    """The task that read last is gone."""
    if (knowing := subscription()) is not None and knowing._known is gone:
        knowing._known = NOT_RUNNING
