"""A subscription: receiving at one's own pace, and letting go."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from weakref import ref

from anyio import ClosedResourceError, EndOfStream, WouldBlock
from anyio.lowlevel import checkpoint

from ._items import EMPTY, NOTHING
from ._loops import NOT_RUNNING, coroutine_of, current_task
from ._statistics import SubscriptionStatistics
from ._turns import DELIVERIES_A_TURN
from .streams import Stream

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from types import CoroutineType, TracebackType
    from typing import Self

    from ._loops import Home, Known
    from ._mailbox import Mailbox
    from ._publishing import Publishing
    from .streams._node import Node

W_co = TypeVar("W_co", covariant=True)


class Subscription(Stream[W_co]):
    """The events that one subscriber wants, in its own bounded buffer, taken at its own pace.

    It is active from the call of ``Subject.subscribe`` on.
    Several tasks may receive from it: each event goes to one of them, in the order in which they waited.
    Closing it, leaving its ``async with``, or letting go of its last reference detaches it from the subject.
    Cancelling a reader loses nothing: the event is returned, or it is still in the buffer.
    """

    __slots__ = ("_box", "_home", "_key", "_known", "_quiet", "_ready", "_subject", "_where")

    def __init__(
        self,
        subject: Publishing[Any],
        box: Mailbox,
        where: Callable[[Any], bool] | None,
        key: Callable[[Any], object] | None,
    ) -> None:
        self._quiet = False
        self._subject = subject
        self._box = box
        self._where = where
        self._key = key
        self._ready: deque[W_co] = EMPTY
        """The fast lane of the mailbox, or () where a reader must ask."""
        self._home: Home | None = None
        """The loop of the task that read last."""
        self._known: Known = NOT_RUNNING
        """The task that read last."""
        box.owner = ref(self)

    # what the mailbox asks, while a publish looks for those who want its event

    def where(self, event: Any, /) -> bool:
        """Call the callable that was given as ``where``."""
        return True if self._where is None else self._where(event)

    def key(self, event: Any, /) -> object:
        """Call what was given as ``conflate``."""
        return None if self._key is None else self._key(event)

    # ------------------------------------------------------------------ receiving

    async def receive(self) -> W_co:
        """Wait for the next event.

        Cancelling leaves the event in the buffer or returns it; it is never taken and lost.
        Waits only where nothing is buffered, but lets the loop turn after a bounded number of deliveries.

        Raises:
            anyio.EndOfStream: the subject was closed, and everything before that has been delivered.
            anyio.ClosedResourceError: this subscription was closed.
            SlowSubscriber: it was let go for being too slow (``overflow="disconnect"``).
            RuntimeError: an operator owns this subscription, or it is used from a second live loop.
        """
        if self._ready:
            self._note_reader()
            if ready := self._ready:  # a destructor may have closed this meanwhile
                return ready.popleft()
        self._check_owner()
        return await self._next(self._box.take)  # type: ignore[no-any-return]  # a mailbox does not know its events' type

    def receive_nowait(self) -> W_co:
        """Take the next event, if there is one that no earlier reader waits for.

        Raises:
            anyio.WouldBlock: nothing is there.
            anyio.EndOfStream, anyio.ClosedResourceError, SlowSubscriber: as for ``receive``.
        """
        self._note_reader()
        self._check_owner()
        return self._pull_nowait()

    def __aiter__(self) -> Self:
        self._ready = EMPTY  # the first read asks, and so tells which task it is
        return self

    async def __anext__(self) -> W_co:  # noqa: C901, PLR0912 -- `_next`, written out: a call is 1 % of a hand-over
        if ready := self._ready:
            return ready.popleft()
        if self._owner is not None:
            self._check_owner()
        home = self._home
        if home is None or home.thread != get_ident() or not self._known.cr_running:
            home = self._reading_here()
        if home.turns.taken >= DELIVERIES_A_TURN:
            await home.turn()
        box = self._box
        first = not box.line
        try:
            while True:
                if first:
                    if (found := box.take()) is not NOTHING:
                        self._look_at_lane()
                        return found  # type: ignore[no-any-return]  # a mailbox does not know its events' type
                    if box.end is not None:
                        self._raise_end()
                bell = home.bell()
                line = box.join_line(bell, first=first)
                try:
                    await bell
                    while line[0] is not bell:  # trio runs those that were woken in no order
                        await checkpoint()
                except BaseException:
                    box.leave(bell)
                    raise
                line.popleft()  # type: ignore[unused-awaitable]  # it was awaited
                box.woken -= 1
                if (wakes := box.wakes).due:
                    wakes.answered()
                else:
                    wakes.ringing -= 1
                first = True
                if len(chunk := box.chunk) == 1 and box.plain and not (line or box.front or box.on_take):
                    box.taken += 1
                    return chunk.popleft()  # type: ignore[no-any-return]  # as above
        except EndOfStream:
            raise StopAsyncIteration from None

    @overload
    def batches(self) -> Batches[W_co]: ...
    @overload
    def batches(self, size: int | None = None, within: float | None = None) -> Stream[tuple[W_co, ...]]: ...
    def batches(self, size: int | None = None, within: float | None = None) -> Stream[tuple[W_co, ...]]:
        """Tuples of all that is waiting, at most ``buffer`` events each: the fastest way to read.

        With ``size`` or ``within`` (seconds) the batches of ``Stream.batches``.
        Cancelling loses nothing, and the same object can be iterated again.
        """
        if size is None and within is None:
            return Batches(self)
        return super().batches(size, within)

    # ------------------------------------------------------------------ for operators, which own their source

    def _claim(self, owner: str, /) -> Node[W_co]:
        node = super()._claim(owner)
        self._ready = EMPTY
        return node

    def _reader(self) -> AsyncIterator[W_co]:
        return _OwnersReader(self, self._box)

    async def _pull(self) -> W_co:
        ready: deque[W_co] = self._box.ready
        if ready:
            return ready.popleft()
        return await self._next(self._box.take)  # type: ignore[no-any-return]  # a mailbox does not know its events' type

    def _pull_nowait(self) -> W_co:
        box = self._box
        self._subject.check_thread()
        if box.woken < box.waiting + box.marks + (box.gap is not None):
            item = box.take()
            self._look_at_lane()
            if item is not NOTHING:
                return item  # type: ignore[no-any-return]  # as above
        elif not box.woken:
            self._raise_end()
        raise WouldBlock

    # ------------------------------------------------------------------ the slow path

    async def _next(self, take: Callable[[], Any], *, iterating: bool = False) -> Any:
        """What ``take`` finds in the mailbox, once there is anything: the next item, or all of them."""
        home = self._home
        if home is None or home.thread != get_ident() or not self._known.cr_running:
            home = self._reading_here()
        if home.turns.taken >= DELIVERIES_A_TURN:
            await home.turn()
        box = self._box
        first = not box.line
        while True:
            if first:
                if (found := take()) is not NOTHING:
                    self._ready = EMPTY if self._owner is not None else box.ready
                    return found
                if box.end is not None:
                    self._raise_end(iterating=iterating)
            bell = home.bell()
            line = box.join_line(bell, first=first)
            try:
                await bell
                while line[0] is not bell:  # trio runs those that were woken in no order
                    await checkpoint()
            except BaseException:
                box.leave(bell)
                raise
            box.answer()
            first = True

    def _look_at_lane(self) -> None:
        """See the mailbox's fast lane, unless this subscription is an operator's or closed."""
        self._ready = EMPTY if self._owner is not None else self._box.ready

    def _raise_end(self, *, iterating: bool = False) -> None:
        """Raise what the subscription ended with, if it has ended."""
        end = self._box.end
        if end is None:
            return
        if iterating and (end is EndOfStream or isinstance(end, EndOfStream)):
            raise StopAsyncIteration
        if isinstance(end, BaseException):
            raise end.with_traceback(None)
        raise end

    def _reading_here(self) -> Home:
        """Note which task reads; returns the loop that it reads in."""
        self._note_reader()
        return self._subject.settle()

    def _note_reader(self) -> None:
        """Note which task reads, if it is another than last: whether a publisher that waits for it could wait for ever.

        A task belongs to one loop: where it is the one that read last, nothing else needs a look either.
        """
        home = self._home
        if home is not None and home.thread == get_ident() and self._known.cr_running:
            return
        if (task := current_task()) is None:
            return
        box, home = self._box, self._subject.settle()
        if self._home is not None and self._home is not home:
            box.forget_readers()  # they waited in a loop that has ended, where the subject knew this one no more
        self._home = home
        self._known = home.known_by(task, coroutine_of(task), self, "_known")
        box.open_stream()
        reader = ref(task)
        if reader not in box.readers:
            box.readers = (*(r for r in box.readers if r() is not None), reader)

    # ------------------------------------------------------------------ letting go

    def close(self) -> None:
        """Detach from the subject; what is buffered is discarded, readers that wait get ``ClosedResourceError``."""
        self._quiet = True
        self._subject.detach(self._box, ClosedResourceError)
        self._ready = EMPTY

    async def aclose(self) -> None:
        """Close; waits for nothing."""
        self.close()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            box, subject = self._box, self._subject
        except AttributeError:  # refused while it was made
            return
        if box.closed:
            return
        active = box.end is None
        subject.forget(box)  # first: a warning may be an error
        if active and not self._quiet:
            warnings.warn(
                f"subscription {box.name}, made at {box.place[0]}:{box.place[1]}, was let go without being closed;"
                " use 'async with', or close it",
                ResourceWarning,
                stacklevel=1,
            )

    def quiet(self) -> None:
        """Say nothing if it is let go without being closed: nobody but us holds it."""
        self._quiet = True

    # ------------------------------------------------------------------ what it says of itself

    @property
    def box(self) -> Mailbox:
        """What the subject knows of it."""
        return self._box

    @property
    def name(self) -> str:
        """The name it was given, or the subject's name and a number."""
        return self._box.name

    def statistics(self) -> SubscriptionStatistics:
        """The ledger: where every event that was wanted is now."""
        return ledger(self._box)

    def __repr__(self) -> str:
        box = self._box
        state = "closed" if box.closed else "ended" if box.end is not None else box.overflow
        return f"<Subscription {box.name} wants {self._subject.wants_of(box)}, {box.waiting}/{box.capacity} {state}>"


class _OwnersReader(AsyncIterator[W_co]):
    """What the operator reads that owns a subscription."""

    __slots__ = ("_box", "_subscription")

    def __init__(self, subscription: Subscription[W_co], box: Mailbox) -> None:
        self._subscription = subscription
        self._box = box

    async def __anext__(self) -> W_co:
        ready: deque[W_co] = self._box.ready
        if ready:
            return ready.popleft()
        return await self._subscription._next(self._box.take, iterating=True)  # type: ignore[no-any-return]  # as above


class Batches(Stream[tuple[W_co, ...]], Generic[W_co]):
    """All that waits at a subscription, a tuple at a time; ends when the subscription does."""

    __slots__ = ("_subscription", "_take")

    def __init__(self, subscription: Subscription[W_co]) -> None:
        self._subscription = subscription
        self._take = subscription.box.take_batch

    async def _pull(self) -> tuple[W_co, ...]:
        return await self._subscription._next(self._take)  # type: ignore[no-any-return]  # as above

    async def receive(self) -> tuple[W_co, ...]:
        """Wait for at least one event; cancelling loses none.

        Raises:
            anyio.EndOfStream, anyio.ClosedResourceError, SlowSubscriber: as for ``Subscription.receive``.
        """
        self._subscription._check_owner()
        return await self._subscription._next(self._take)  # type: ignore[no-any-return]  # as above

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> CoroutineType[Any, Any, tuple[W_co, ...]]:
        self._subscription._check_owner()
        return self._subscription._next(self._take, iterating=True)  # type: ignore[return-value]  # it is one

    async def aclose(self) -> None:
        """Close the subscription."""
        self._subscription.close()


def ledger(box: Mailbox) -> SubscriptionStatistics:
    """The numbers of one mailbox, frozen."""
    return SubscriptionStatistics(
        name=box.name,
        wanted=box.wanted,
        delivered=box.delivered,
        replaced=box.replaced,
        dropped=box.dropped,
        discarded=box.discarded,
        waiting=box.waiting,
        capacity=box.capacity,
    )
