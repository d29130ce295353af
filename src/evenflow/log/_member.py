"""GroupMember: one reader of a group while it is open: its tasks, and what it has in hand.

    fetch    claims events as long as there is room in the hand, and sleeps until something has changed or is due
    settle   stores what became of events, all that waits in one commit
    watch    lets go of what was handed over and not settled in time; takes what dead members left

Rule 1: a claim and a settlement are not cut off half-way, whatever ends the task.
Rule 2: a log that fails is asked again, with a pause that grows; that is logged once.
"""

from __future__ import annotations

import logging
from contextvars import Context
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, Event, move_on_after, sleep

from evenflow._errors import LogError

from ._backoff import exponential
from ._delivery import Delivery, State, lease_lost, refuse_unsettleable
from ._desk import Desk, GroupChanged
from ._group_rules import Fate, Outcome
from ._hand import Hand
from ._membership import join, leave
from ._settling import Settlement, Settler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from evenflow._backends import WakeUp
    from evenflow._crew import Member

    from ._desk import Claimed, HeldPage
    from ._group_spec import GroupSpec, Host

_log = logging.getLogger("evenflow.groups")
_numbers: Final = count(1)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for what dead members left."""

LARGEST_PAGE: Final = 1_000
"""Events that are claimed in one commit, at most."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to reach a log that fails, at most."""


class GroupMember:
    """One open reader of a group.

    Attributes:
        host: the subject.
        spec: what it asks for.
        hand: what it has fetched.
    """

    def __init__(self, host: Host, spec: GroupSpec) -> None:
        self.host: Host = host
        self.spec: GroupSpec = spec
        self._desk = Desk(host, spec, f"{host.engine.member}/{next(_numbers)}")
        self._settler = Settler(self._desk)
        self.hand: Hand = Hand(host.loop, spec.buffer, self._begin, host.heartbeat.silences, self._look_now)
        self._pages: dict[str, HeldPage] = {}
        self._outside: dict[int, tuple[Delivery[Any], float]] = {}
        """What was handed over and is not being handled, with the time when that lapses."""
        self._handed: dict[int, Delivery[Any]] = {}
        """What was handed over and is not settled."""
        self._queue: list[tuple[Settlement, Sequence[Delivery[Any]], list[State], WakeUp]] = []
        self._queued: Event = Event()
        self._look: Event = Event()
        """Fires when the watch must look now."""
        self._tasks: dict[str, tuple[Member, Event]] = {}
        self._is_closed = False
        self._is_over = False
        """Whether nothing of its can be settled any more."""
        self._unknown: set[int] = set()
        """What was handed over, and could not be settled."""

    @property
    def reader(self) -> str:
        """Its name, unlike that of any other, of any process."""
        return self._desk.reader

    # ------------------------------------------------------------------ open and close

    async def open(self) -> None:
        """Join the group, and begin to fetch.

        Raises:
            ValueError: the group is another.
            LogError: the log failed.
        """
        with CancelScope(shield=True):
            await join(self._desk)
        self.host.heartbeat.keep(self.spec.ack_wait)
        for work in (self._fetch, self._settle, self._watch):
            self._start(work)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        ended = Event()
        what = work.__name__.strip("_")
        name = f"{what} for group {self.spec.group}"
        self._tasks[what] = self.host.crew.start(work, name=name, context=Context(), ended=ended.set), ended

    async def stop_fetching(self, error: BaseException | None = None) -> None:
        """Give back what was fetched and not begun, uncounted; whoever waits for more gets the end."""
        await self._stop("fetch")
        await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        if left := self.hand.end(error):
            await self._give_back(left)

    async def close(self) -> None:
        """Give back all that is not settled, once what is being settled is; then leave the group."""
        if self._is_closed:
            return
        self._is_closed = True
        with CancelScope(shield=True):
            await self.stop_fetching()
            await self._flush()
            left = [delivery for delivery in self._handed.values() if delivery._state in (State.HANDED, State.INSIDE)]
            if left:
                await self._give_back(left, lapse=True)
            await self._stop("watch")
            await self._stop("settle")
            self._is_over = True
            try:
                await self._desk.save_position(at_once=True)
                await leave(self._desk)
            except LogError as error:
                self._tell("could not leave its group", error)
        if self._unknown:
            _log.warning(
                "reader %s of group %s of %s: of %s it is not known whether it was stored that they were settled; they"
                " may go out again",
                self.spec.name,
                self.spec.group,
                self.host.subject,
                _events(len(self._unknown)),
            )

    async def _stop(self, what: str) -> None:
        task, ended = self._tasks[what]
        task.cancel()
        with CancelScope(shield=True):
            await ended.wait()

    async def _flush(self) -> None:
        """Wait until all that is being settled is."""
        await self._settle_all([], Fate.BACK)

    async def _give_back(self, left: Sequence[Delivery[Any]], *, lapse: bool = False) -> None:
        settlement = await self._settle_all(left, Fate.BACK, lapse=lapse)
        if settlement.error is not None:
            self._tell(f"could not give {_events(len(left))} back", settlement.error)

    def _tell(self, what: str, error: BaseException) -> None:
        _log.warning(
            "reader %s of group %s of %s %s: %s", self.spec.name, self.spec.group, self.host.subject, what, error
        )

    # ------------------------------------------------------------------ fetching

    async def _fetch(self) -> None:
        pause = 0.0
        while True:
            await self.hand.wait_for_room()
            mark = self.host.engine.mark()
            went_on = False
            try:
                with CancelScope(shield=True):
                    went_on = self._add(await self._desk.claim(min(self.hand.room, LARGEST_PAGE)))
                if pause:
                    _log.info("group %s of %s: the log answers again", self.spec.group, self.host.subject)
                pause = 0.0
                if not went_on:
                    await self._wait_for_more(mark)
            except GroupChanged as error:
                await self._end(error)
                return
            except LogError as error:
                if not pause:
                    self._tell("cannot fetch, and tries again", error)
                pause = min(LONGEST_PAUSE, max(0.1, pause * 2))
                await sleep(pause)

    def _add(self, claimed: Claimed) -> bool:
        """Put what was claimed into the hand; returns whether to claim again at once."""
        page = claimed.page
        if page is None:
            return claimed.went_on
        self._pages[page.id] = page
        last: dict[str, Delivery[Any]] = {}
        made: list[Delivery[Any]] = []
        heads: list[Delivery[Any]] = []
        for index, (item, lane, reading) in enumerate(claimed.taken):
            assert reading.row is not None
            record = self.host.record(reading.row, reading.event)
            delivery = Delivery[Any](record, reading.row, self.spec.group, item.attempt, page, index, self)
            made.append(delivery)
            if lane in last:
                last[lane]._following = delivery
            else:
                heads.append(delivery)
            if lane:
                last[lane] = delivery
        self.hand.add(made, heads)
        return True

    async def _wait_for_more(self, mark: int) -> None:
        """Wait until something has changed, or a retry is due."""
        engine, keys = self.host.engine, self._desk.keys
        group = self._desk.group
        due = inf
        if group is not None and not group.paused:
            for prefix in (keys.retry, keys.lane) if group.lanes else (keys.retry,):
                next_due = await engine.next_due(prefix)
                due = due if next_due is None else min(due, next_due)
        with move_on_after(max(0.0, due - engine.wall())):
            await engine.wait(mark)
        self._desk.forget()

    # ------------------------------------------------------------------ handing over

    def _begin(self, delivery: Delivery[Any]) -> None:
        delivery._settled_mark = self.host.engine.begin(self._desk.keys.begun, delivery._row.seq)
        delivery._state = State.HANDED
        self._handed[id(delivery)] = delivery
        self._outside[id(delivery)] = delivery, self.host.engine.clock() + self.spec.ack_wait

    def _look_now(self) -> None:
        """Have the watch look whose the pages are."""
        self._look.set()

    def entered(self, delivery: Delivery[Any], /) -> None:
        """It is being handled: its time does not run."""
        delivery._state = State.INSIDE
        self._outside.pop(id(delivery), None)

    def left(self, delivery: Delivery[Any], /) -> None:
        """It is handled no more, and not settled: its time runs from now on."""
        delivery._state = State.HANDED
        self._outside[id(delivery)] = delivery, self.host.engine.clock() + self.spec.ack_wait

    def extend(self, delivery: Delivery[Any], seconds: float, /) -> None:
        """Its time is over then."""
        if id(delivery) in self._outside:
            self._outside[id(delivery)] = delivery, self.host.engine.clock() + seconds

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
        settlement = await self._settle_all(deliveries, fate, after=after, error=error)
        if settlement.error is not None:
            raise settlement.error
        if settlement.lost:
            raise lease_lost([each for each in deliveries if each._row.seq in settlement.lost])

    async def _settle_all(
        self,
        deliveries: Sequence[Delivery[Any]],
        fate: Fate,
        *,
        after: float | None = None,
        error: str = "",
        lapse: bool = False,
    ) -> Settlement:
        states = [delivery._state for delivery in deliveries]
        settlement = self.settlement_of(deliveries, fate, after=after, error=error, lapse=lapse)
        if self._tasks["settle"][1].is_set():
            await self._settle_late(settlement)
            self.finish(settlement, deliveries, states)
            return settlement
        wake = self.host.loop.backend.wake_up()
        self._queue.append((settlement, deliveries, states, wake))
        self._queued.set()
        with CancelScope(shield=True):
            await wake
        return settlement

    async def _settle_late(self, settlement: Settlement) -> None:
        """The task that settles has ended: closed, or cancelled together with the handlers, as on trio."""
        if self._is_over:
            settlement.error = LogError(f"the reader of group {self.spec.group} was closed")
            return
        with CancelScope(shield=True):
            await self._settler.settle([settlement])

    def settlement_of(
        self,
        deliveries: Sequence[Delivery[Any]],
        fate: Fate,
        *,
        after: float | None = None,
        error: str = "",
        lapse: bool = False,
    ) -> Settlement:
        """They are being settled from now on; ``finish`` must follow."""
        settlement = Settlement({})
        now = self.host.engine.wall()
        for delivery in deliveries:
            due = now + self._delay(delivery, after) if fate is Fate.AGAIN else 0.0
            outcome = Outcome(delivery._index, fate, due, error, delivery._row)
            settlement.outcomes.setdefault(delivery._page, []).append(outcome)
            delivery._state = State.LAPSED if lapse else State.SETTLING
            self._outside.pop(id(delivery), None)
        return settlement

    def _delay(self, delivery: Delivery[Any], after: float | None) -> float:
        if after is not None:
            return after
        try:
            return self.spec.delay(delivery.attempt)
        except Exception:  # noqa: BLE001 -- it is the user's function: what failed goes out again nevertheless
            _log.exception("retry_after of group %s of %s raised", self.spec.group, self.host.subject)
            return exponential(delivery.attempt)

    async def _settle(self) -> None:
        try:
            while True:
                await self._queued.wait()
                await self._settle_queued()
                self._forget_pages()
        finally:
            while self._queue:  # more can come while the last of it is stored
                await self._settle_queued()

    async def _settle_queued(self) -> None:
        """Settle all that waits in one commit, and wake who waits for it."""
        self._queued = Event()
        waiting, self._queue = self._queue, []
        if not waiting:
            return
        with CancelScope(shield=True):
            await self._settler.settle([settlement for settlement, *_ in waiting])
        for settlement, deliveries, states, wake in waiting:
            self.finish(settlement, deliveries, states)
            if not wake.done():
                wake.set_result(None)

    def finish(self, settlement: Settlement, deliveries: Sequence[Delivery[Any]], states: Sequence[State]) -> None:
        """Note what a settlement came to."""
        for delivery, before in zip(deliveries, states, strict=True):
            if settlement.error is not None and not delivery._page.is_lost:
                delivery._state = before
                if before is not State.FETCHED:
                    self._unknown.add(id(delivery))
                if before is State.HANDED:
                    self.left(delivery)
                continue
            if delivery._state is State.SETTLING:
                delivery._state = State.SETTLED
            self._handed.pop(id(delivery), None)
            self._unknown.discard(id(delivery))
            if delivery._settled_mark is not None:
                delivery._settled_mark()
                delivery._settled_mark = None
            self.hand.settled(delivery)

    def _forget_pages(self) -> None:
        for page in [page for page in self._pages.values() if page.record.is_over or page.is_lost]:
            del self._pages[page.id]
            if page.is_lost:
                self.hand.forget_lost()

    # ------------------------------------------------------------------ watching

    async def _watch(self) -> None:
        every = min(LOOK_EVERY, self.spec.ack_wait / 4)
        look_at = 0.0
        pause = 0.0
        while True:
            with move_on_after(every):
                await (sleep(every) if pause else self._look.wait())
            now = self.host.engine.clock()
            late = [delivery for delivery, until in self._outside.values() if until <= now]
            if late:
                error = f"it was not settled within {self.spec.ack_wait:g} seconds"
                await self._settle_all(late, Fate.AGAIN, after=0.0, error=error, lapse=True)
            if now < look_at and (pause or not self._look.is_set()):
                continue
            try:
                with CancelScope(shield=True):
                    await self._settler.reclaim(self._pages)
                    await self._desk.save_position()
                pause = 0.0
            except GroupChanged as error:
                await self._end(error)
                return
            except LogError as error:
                if not pause:
                    self._tell("cannot look for what others left", error)
                pause = min(LONGEST_PAUSE, max(LOOK_EVERY, pause * 2))
                look_at = now + pause
                continue
            look_at = now + LOOK_EVERY
            self._forget_pages()
            if self._look.is_set():
                self._look = Event()
                self.hand.is_sure_again()


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"
