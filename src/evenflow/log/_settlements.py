"""What one reader has handed over, and what becomes of it: all that is settled at once is stored in one commit.

Rule 1: a settlement is not cut off half-way, whatever ends the task that asked for it.
Rule 2: the time of what was handed over runs outside of its block only; what is settled has none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event, get_cancelled_exc_class

from evenflow._errors import LogError

from ._delivery import FETCHED, HANDED, SETTLED, SETTLING, Delivery, State, lease_lost, refuse_unsettleable
from ._group_rules import BITS, Fate
from ._hand import Hand
from ._outcomes import settlement_of
from ._settlement import Settlement, Waiting
from ._settling import Settler
from ._stored import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._delivery import Inside
    from ._desk import Desk
    from ._group_spec import GroupSpec, Host
    from ._held_page import HeldPage
    from ._settlement import Over


class Settlements:
    """What one reader has in hand, and settles. Its deliveries call it.

    Attributes:
        host: the subject.
        desk: where its pages are claimed.
        settler: what stores settlements.
        hand: what is fetched and not handed over.
        pages: the pages that it has in hand, by name.
        tracing: who follows the blocks of its deliveries, if anybody does.
        is_over: whether nothing of its can be settled any more.
    """

    def __init__(self, desk: Desk, unsure: Callable[[], object]) -> None:
        host, spec = desk.host, desk.spec
        self.host: Host = host
        self.desk: Desk = desk
        self.settler: Settler = Settler(desk)
        self.hand: Hand = Hand(host.loop, spec.buffer, self._begin, host.heartbeat.silences, unsure)
        self.pages: dict[str, HeldPage] = {}
        self.tracing: Inside | None = None
        self._has_ended = False
        self.is_over: bool = False
        self._spec: GroupSpec = spec
        self._handed: dict[Delivery[Any], None] = {}
        """What was handed over and is not settled."""
        self._queue: list[Waiting] = []
        self._gathered: tuple[list[Delivery[Any]], list[State], dict[HeldPage, int]] | None = None
        """What is acknowledged with the next commit, and nobody waits for."""
        self._queued: Event = Event()
        """Fires when the first of the queue comes: an event takes longer than all else that is done with each."""
        self._settles = False
        """Whether ``run`` is storing what became of events."""
        self._unknown: set[Delivery[Any]] = set()
        """What was handed over, and could not be settled."""

    @property
    def reader(self) -> str:
        """The reader's name, unlike that of any other, of any process."""
        return self.desk.reader

    @property
    def unknown(self) -> int:
        """Of how many events it is not known whether they were settled."""
        return len(self._unknown)

    # ------------------------------------------------------------------ handing over

    def _begin(self, deliveries: Sequence[Delivery[Any]]) -> None:
        engine, handed = self.host.engine, self._handed
        marks = engine.begin(self.desk.keys.begun, [delivery._row.seq for delivery in deliveries])
        until = engine.clock() + self._spec.ack_wait
        for delivery, mark in zip(deliveries, marks, strict=True):
            delivery._mark = mark
            delivery._state = HANDED
            delivery._until = until
            handed[delivery] = None

    def left(self, delivery: Delivery[Any], /) -> None:
        """It is handled no more, and not settled: its time runs from now on."""
        delivery._state = HANDED
        delivery._until = self.host.engine.clock() + self._spec.ack_wait

    def extend(self, delivery: Delivery[Any], seconds: float, /) -> None:
        """Its time is over then."""
        if delivery._state is HANDED:
            delivery._until = self.host.engine.clock() + seconds

    def open_deliveries(self) -> list[Delivery[Any]]:
        """What was handed over, and nobody is settling."""
        return [delivery for delivery in self._handed if delivery._state in (State.HANDED, State.INSIDE)]

    async def lapse_late(self) -> None:
        """What was handed over and not settled in time goes out again."""
        now = self.host.engine.clock()
        late = [each for each in self._handed if each._state is HANDED and each._until <= now]
        if late:
            error = f"it was not settled within {self._spec.ack_wait:g} seconds"
            await self.settle_all(late, Fate.AGAIN, after=0.0, error=error, lapse=True)

    # ------------------------------------------------------------------ settling

    async def settle(
        self, deliveries: Sequence[Delivery[Any]], fate: Fate, /, *, after: float | None = None, error: str = ""
    ) -> None:
        """Settle all of them in one commit.

        Raises:
            RuntimeError: one was settled already.
            LeaseLost: some went out again meanwhile; of these nothing was done.
            LogError: the log failed.
        """
        refuse_unsettleable(deliveries)
        settlement = await self.settle_all(deliveries, fate, after=after, error=error)
        if settlement.error is not None:
            raise settlement.error
        if settlement.lost:
            raise lease_lost([each for each in deliveries if each._row.seq in settlement.lost])

    async def settle_all(
        self,
        deliveries: Sequence[Delivery[Any]],
        fate: Fate,
        *,
        after: float | None = None,
        error: str = "",
        lapse: bool = False,
    ) -> Settlement:
        """Settle all of them in one commit, whatever is done with the error; without any, wait for what is queued.

        With ``lapse`` they are no more the caller's, so that settling them later does nothing.
        """
        states = [delivery._state for delivery in deliveries]
        settlement = settlement_of(self.host, self._spec, deliveries, fate, after=after, error=error, lapse=lapse)
        if self._has_ended:
            await self._settle_late(settlement)
            self.finish(settlement, deliveries, states)
            return settlement
        waiting = Waiting(settlement, deliveries, states)
        if deliveries and len(deliveries) == len(self._handed) and not self._queue and not self._settles:
            await self._settle_alone(waiting)
            return settlement
        self._enqueue(waiting)
        waiting.wake_up = wake_up = self.host.loop.backend.wake_up()
        try:
            await wake_up
        except get_cancelled_exc_class():
            await self._outlast(waiting)
            raise
        return settlement

    @property
    def gathers(self) -> bool:
        """Whether ``acknowledge`` can be used: the task that settles runs."""
        return not self._has_ended

    def acknowledge(self, delivery: Delivery[Any], over: Over) -> None:
        """Acknowledge it with the next commit, and do not wait; ``over`` hears what came of it, and of others with it.

        To wait for it in a task of its own takes longer than all else that is done with an event.
        """
        if self._gathered is None:
            waiting = Waiting(Settlement(), made := list[Delivery[Any]](), states := list[State]())
            waiting.over = over
            self._gathered = made, states, waiting.settlement.acked
            self._enqueue(waiting)
        deliveries, states, acked = self._gathered
        deliveries.append(delivery)
        states.append(delivery._state)
        acked[delivery._page] = acked.get(delivery._page, 0) | BITS[delivery._index]
        delivery._state = SETTLING

    def _enqueue(self, waiting: Waiting) -> None:
        if not self._queue:
            self._queued.set()
        self._queue.append(waiting)

    async def _settle_alone(self, waiting: Waiting) -> None:
        """Nothing else is in hand that could share the commit: to ask the task would take as long as the commit."""
        settlement = waiting.settlement
        try:
            await self.settler.settle([settlement])
        except get_cancelled_exc_class():  # while the commit was awaited, or before it was handed over
            if settlement.is_stored:
                self._finish([waiting])
            else:
                self.settler.doubt_all(settlement, LogError("its settlement was cancelled", stored=None))
                self._enqueue(waiting)
                await self._outlast(waiting)
            raise
        self._finish([waiting])
        self.forget_pages()

    async def _outlast(self, waiting: Waiting) -> None:
        """Its task was cancelled: wait until it is settled. A scope for each that waits would cost as much again."""
        with CancelScope(shield=True):
            while not waiting.is_done:
                waiting.wake_up = self.host.loop.backend.wake_up()
                with suppress(get_cancelled_exc_class()):
                    await waiting.wake_up

    async def _settle_late(self, settlement: Settlement) -> None:
        """The task that settles has ended: closed, or cancelled together with the handlers, as on trio."""
        if self.is_over:
            settlement.error = LogError(f"the reader of group {self._spec.group} was closed")
            return
        with CancelScope(shield=True):
            await self.settler.settle([settlement])

    def note_end(self) -> None:
        """The task of ``run`` has ended, or never began: whoever settles stores it by itself."""
        self._has_ended = True

    async def run(self) -> None:
        """Store what waits, until it is cancelled; then what still waits."""
        try:
            while True:
                await self._queued.wait()
                await self._settle_queued()
                self.forget_pages()
        finally:
            while self._queue:  # more can come while the last of it is stored
                await self._settle_queued()

    async def _settle_queued(self) -> None:
        """Settle all that waits in one commit, and wake who waits for it."""
        self._queued = Event()
        queue, self._queue, self._gathered = self._queue, [], None
        if not queue:
            return
        self._settles = True
        try:
            with CancelScope(shield=True):
                await self.settler.settle([waiting.settlement for waiting in queue])
        finally:
            self._settles = False
        self._finish(queue)

    def _finish(self, queue: Iterable[Waiting]) -> None:
        """All of these are settled, or could not be."""
        marks: list[int] = []
        for waiting in queue:
            waiting.is_done = True
            marks += self._note(waiting.settlement, waiting.deliveries, waiting.states)
            if (wake_up := waiting.wake_up) is not None and not wake_up.done():
                wake_up.set_result(None)
            if waiting.over is not None:
                waiting.over(waiting.deliveries, waiting.settlement)
        if marks:  # of all of them, with one write
            self.host.engine.settled(marks)

    def finish(self, settlement: Settlement, deliveries: Sequence[Delivery[Any]], states: Sequence[State]) -> None:
        """Note what a settlement came to."""
        if marks := self._note(settlement, deliveries, states):
            self.host.engine.settled(marks)

    def _note(
        self, settlement: Settlement, deliveries: Sequence[Delivery[Any]], states: Sequence[State]
    ) -> Sequence[int]:
        """What a settlement came to; returns the engine's marks of what is settled."""
        # where it was stored, an error is that of a page of an earlier commit, whose outcome nobody knows
        if settlement.error is not None and not settlement.is_stored:
            deliveries = self._take_back(deliveries, states)
        if self._unknown:
            self._unknown.difference_update(deliveries)
        handed, marks, alone = self._handed, list[int](), self.hand.alone
        for delivery in deliveries:
            if delivery._state is SETTLING:
                delivery._state = SETTLED
            handed.pop(delivery, None)
            if (mark := delivery._mark) is not None:
                marks.append(mark)
                delivery._mark = None
            if delivery._following is not None or delivery is alone:
                self.hand.settled(delivery)
        return marks

    def _take_back(self, deliveries: Sequence[Delivery[Any]], states: Sequence[State]) -> Sequence[Delivery[Any]]:
        """They could not be settled, and are as they were before; returns those that another has by now."""
        lost: list[Delivery[Any]] = []
        for delivery, before in zip(deliveries, states, strict=True):
            if delivery._page.is_lost:
                lost.append(delivery)
                continue
            delivery._state = before
            if before is not FETCHED:
                self._unknown.add(delivery)
            if before is HANDED:
                self.left(delivery)
        return lost

    def forget_pages(self) -> None:
        """Forget the pages that are settled whole, or another's by now."""
        for page in [page for page in self.pages.values() if page.version == ABSENT or page.is_lost]:
            del self.pages[page.id]
            if page.is_lost:
                self.hand.forget_lost()
