"""Delivery: one event of a group in somebody's hands, and Batch: several that are settled together.

FETCHED ──hand_over──► HANDED ──async with──► INSIDE
                         │                       │
                         └──── ack, retry, ... ──┴──► SETTLING ──► SETTLED
What was not settled in time, or what its page has no more, is lost: whoever settles that gets LeaseLost, and
nothing is done.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from anyio.lowlevel import checkpoint_if_cancelled

from evenflow._errors import LeaseLost, refuses_copying

from ._backoff import checked_wait
from ._group_rules import Fate
from ._how_left import described, is_cancellation
from ._record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from ._held_page import HeldPage
    from ._offsets import Offset
    from ._stored import Row

W_co = TypeVar("W_co", covariant=True)


class State(Enum):
    """Where a delivery is."""

    FETCHED = "waits to be handed over"
    HANDED = "was handed over"
    INSIDE = "is being handled"
    SETTLING = "is being settled"
    SETTLED = "was settled"
    LAPSED = "went out again, because it was not settled in time"


# to look one up in its class takes longer than all else that is done with it for each event
FETCHED, HANDED, INSIDE = State.FETCHED, State.HANDED, State.INSIDE
SETTLING, SETTLED, LAPSED = State.SETTLING, State.SETTLED, State.LAPSED


class Inside(Protocol):
    """Who follows the blocks in which deliveries are handled."""

    def inside(self, deliveries: Sequence[Delivery[Any]], /, *, batch: bool) -> AbstractContextManager[object]:
        """What is entered with the block of a delivery, or of a batch, and left with it."""
        ...


class Hands(Protocol):
    """The reader of the group that a delivery came from."""

    tracing: Inside | None
    """Who follows the blocks of its deliveries, if anybody does."""

    async def settle(
        self, deliveries: Sequence[Delivery[Any]], fate: Fate, /, *, after: float | None = None, error: str = ""
    ) -> None:
        """Settle all of them in one commit."""
        ...

    def left(self, delivery: Delivery[Any], /) -> None:
        """It is handled no more, and not settled: its time runs."""
        ...

    def extend(self, delivery: Delivery[Any], seconds: float, /) -> None:
        """Its time is over then."""
        ...


class Delivery(Record[W_co]):
    """An event of a group, handed over to be handled and then settled, once.

    Inside ``async with delivery:`` its time does not run, as long as this process lives. Left normally, it is
    acknowledged; left by an exception, it is tried again; cancelled, it is given back, uncounted. Leaving the block
    after it was settled does nothing.
    """

    __slots__ = (
        "_attempt",
        "_blocks",
        "_following",
        "_group",
        "_hands",
        "_index",
        "_mark",
        "_page",
        "_state",
        "_until",
    )

    def __init__(
        self,
        event: W_co,
        row: Row,
        offset_of: Callable[[int], Offset],
        group: str,
        attempt: int,
        page: HeldPage,
        index: int,
        hands: Hands,
    ) -> None:
        self._event = event  # what Record.__init__ does; to call that takes a third of the whole
        self._row = row
        self._offset_of = offset_of
        self._group = group
        self._attempt = attempt
        self._page = page
        self._index = index
        self._hands = hands
        self._state = FETCHED
        self._blocks: tuple[AbstractContextManager[object], ...] = ()
        """What was entered with its block, and with that of its batch, to be left with it; the inner one first."""
        self._mark: int | None = None
        """The engine's mark that it was begun."""
        self._until = 0.0
        """When it lapses, on the lease clock, while it is HANDED."""
        self._following: Delivery[Any] | None = None
        """The next of its key in its page, which waits for it."""

    @property
    def attempt(self) -> int:
        """How often it was handed over, this time included; 1 at first."""
        return self._attempt

    @property
    def group(self) -> str:
        """The name of its group."""
        return self._group

    async def ack(self) -> None:
        """It was handled: the group never gets it again.

        Returns once that is stored. Cancelled before, nothing is done; later it is stored nevertheless.

        Raises:
            LeaseLost: it went out again meanwhile, because it was not settled in time; nothing was done.
            RuntimeError: it was settled already.
            LogError: the log has failed, and it may be settled again.
        """
        await checkpoint_if_cancelled()
        await self._hands.settle([self], Fate.DONE)

    async def retry(self, after: float | None = None) -> None:
        """Try again in ``after`` seconds; by default as the group's ``retry_after`` says.

        After the last attempt it is a dead letter.

        Raises: as for ``ack``.
        """
        seconds = None if after is None else checked_wait(after, "after")
        await checkpoint_if_cancelled()
        await self._hands.settle([self], Fate.AGAIN, after=seconds, error="retry() was called")

    async def reject(self, why: str) -> None:
        """Make it a dead letter at once.

        Raises: as for ``ack``.
        """
        _check_reason(why)
        await checkpoint_if_cancelled()
        await self._hands.settle([self], Fate.DEAD, error=why)

    async def release(self) -> None:
        """Give it back: it goes out again at once, and this was no attempt.

        Raises: as for ``ack``.
        """
        await checkpoint_if_cancelled()
        await self._hands.settle([self], Fate.BACK)

    async def extend(self, seconds: float) -> None:
        """Have this many seconds from now to settle it. Inside ``async with`` it has all the time anyway.

        Raises:
            LeaseLost: it went out again already.
            RuntimeError: it was settled already.
        """
        checked = checked_wait(seconds, "seconds")
        await checkpoint_if_cancelled()
        refuse_unsettleable([self])
        self._hands.extend(self, checked)

    async def __aenter__(self) -> Self:
        await checkpoint_if_cancelled()
        refuse_unsettleable([self])
        self._enter()
        begin_block([self], batch=False)
        return self

    def _enter(self) -> None:
        """It is being handled: its time does not run."""
        self._state = INSIDE

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_block([self], exc)
        await leave([self], self._hands, exc)

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("keep its event, or its offset")
        # each is itself alone, other than a record; a set or dict of them must not call Python for each
        __eq__ = object.__eq__
        __hash__ = object.__hash__

    @property
    def _is_lost(self) -> bool:
        """Whether it is another's by now."""
        page = self._page
        return self._state is LAPSED or page.is_lost or self._index in page.gone

    def __repr__(self) -> str:
        state = "is lost" if self._is_lost else self._state.value
        return f"<Delivery {self.offset} of group {self._group}, attempt {self._attempt}, {state}: {self.event!r}>"


class Batch(tuple[Delivery[W_co], ...]):
    """Deliveries that are settled together, in one commit; an attempt for all of them.

    ``async with batch:`` is as for one delivery. What was settled by itself before is left out.
    """

    __slots__ = ()

    async def ack(self) -> None:
        """All were handled.

        Raises:
            LeaseLost: some went out again meanwhile; the others are acknowledged.
            RuntimeError: all were settled already.
            LogError: the log has failed, and they may be settled again.
        """
        await checkpoint_if_cancelled()
        await self._settle(Fate.DONE)

    async def retry(self, after: float | None = None) -> None:
        """Try all of them again, as ``Delivery.retry``.

        Raises: as for ``ack``.
        """
        seconds = None if after is None else checked_wait(after, "after")
        await checkpoint_if_cancelled()
        await self._settle(Fate.AGAIN, after=seconds, error="retry() was called")

    async def reject(self, why: str) -> None:
        """Make all of them dead letters at once.

        Raises: as for ``ack``.
        """
        _check_reason(why)
        await checkpoint_if_cancelled()
        await self._settle(Fate.DEAD, error=why)

    async def release(self) -> None:
        """Give all of them back, uncounted.

        Raises: as for ``ack``.
        """
        await checkpoint_if_cancelled()
        await self._settle(Fate.BACK)

    async def extend(self, seconds: float) -> None:
        """Have this many seconds from now to settle them.

        Raises: as for ``Delivery.extend``.
        """
        checked_wait(seconds, "seconds")
        open_ = self._open()
        refuse_unsettleable(open_ or self[:1])
        for delivery in open_:
            await delivery.extend(seconds)

    def __repr__(self) -> str:
        of = f" of group {self[0].group}, {self[0].offset} to {self[-1].offset}" if self else ""
        return f"<Batch of {len(self)} deliveries{of}>"

    async def _settle(self, fate: Fate, *, after: float | None = None, error: str = "") -> None:
        open_ = self._open()
        refuse_unsettleable(open_ or self[:1])
        if open_:
            await open_[0]._hands.settle(open_, fate, after=after, error=error)

    def _open(self) -> list[Delivery[W_co]]:
        return [delivery for delivery in self if delivery._state is INSIDE or delivery._state is HANDED]

    async def __aenter__(self) -> Self:
        await checkpoint_if_cancelled()
        for delivery in (open_ := self._open()):
            delivery._state = INSIDE
        begin_block(open_, batch=True)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_block(self, exc)
        if open_ := self._open():
            await leave(open_, open_[0]._hands, exc)


def _check_reason(why: object) -> None:
    if not isinstance(why, str):
        raise TypeError(f"reject() takes the reason as a str, not {why!r}")


def begin_block(deliveries: Sequence[Delivery[Any]], *, batch: bool) -> None:
    """The block of one, or of a batch, begins: whoever follows it enters what it likes."""
    if deliveries and (tracing := deliveries[0]._hands.tracing) is not None:
        block = tracing.inside(deliveries, batch=batch)
        block.__enter__()
        deliveries[0]._blocks = (block, *deliveries[0]._blocks)


def end_block(deliveries: Sequence[Delivery[Any]], error: BaseException | None) -> None:
    """The block has ended, and what was entered with it."""
    for delivery in deliveries:
        if delivery._blocks:
            block, delivery._blocks = delivery._blocks[0], delivery._blocks[1:]
            block.__exit__(type(error) if error is not None else None, error, None)


def refuse_unsettleable(deliveries: Sequence[Delivery[Any]]) -> None:
    """Refuse to settle what was settled, or what this reader has no more.

    Raises:
        RuntimeError: one was settled, or is being settled.
        LeaseLost: all of them went out again meanwhile.
    """
    are_lost = True
    for delivery in deliveries:
        state, page = delivery._state, delivery._page
        if page.is_lost or (page.gone and delivery._index in page.gone) or state is LAPSED:
            continue
        if state is SETTLED or state is SETTLING:
            raise RuntimeError(f"{delivery!r} cannot be settled again: a delivery is settled once")
        are_lost = False
    if are_lost:
        raise lease_lost(deliveries)


def lease_lost(lost: Sequence[Delivery[Any]]) -> LeaseLost:
    """What whoever settles too late gets, once: leaving the block after that does nothing."""
    for delivery in lost:
        delivery._state = State.LAPSED
    first = lost[0]
    what = f"event {first.offset}" if len(lost) == 1 else f"{len(lost)} events, the first {first.offset},"
    return LeaseLost(
        f"{what} of group {first.group} went out again meanwhile, because it was not settled in time; nothing was done"
        f" with attempt {first.attempt}: what it did must be done again, or be harmless when it is",
        offset=first.offset,
        group=first.group,
        attempt=first.attempt,
    )


async def leave(deliveries: Sequence[Delivery[Any]], hands: Hands, error: BaseException | None) -> None:
    """Settle what was not settled inside its block, by how that was left.

    Raises:
        LeaseLost, LogError: as for ``Delivery.ack``; not where the block was left by an error of its own.
    """
    deliveries = [delivery for delivery in deliveries if delivery._state is INSIDE]
    if not deliveries:
        return
    try:
        if error is None:
            await hands.settle(deliveries, Fate.DONE)
        else:
            fate = Fate.BACK if is_cancellation(error) else Fate.AGAIN
            await hands.settle(deliveries, fate, error=described(error))
    except Exception as failure:
        if error is None:
            raise
        # the block's own error is what the caller must hear
        error.add_note(f"and its delivery could not be given back: {failure}")
    finally:
        for delivery in deliveries:
            if delivery._state is INSIDE:
                hands.left(delivery)
