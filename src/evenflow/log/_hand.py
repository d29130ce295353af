"""Hand: what one reader of a group has fetched and not handed over yet, and who waits for it.

Rule 1: what comes from one page and has one key is handed over one after the other: the next once the one before it is
        settled. In a batch they are together, in order.
Rule 2: an event is begun, and the engine knows it, before whoever waits for it runs.
Rule 3: nothing is handed over as long as it is not sure that it is still this reader's.
Rule 4: cancelling whoever waits loses nothing: nothing is taken before it is returned.
Rule 5: of those who wait one is woken at once, and the others a turn of the loop later, if there is still something for
        them: whoever handles without waiting takes all that is ready, and to wake 64 tasks for it in vain, or for one
        event each, took a third of what 64 handlers cost.
Rule 6: of the events whose process died while they were handled one at a time is handed over. One of them has killed
        it, and would kill it again: handled beside it, the others would use up their attempts with it.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any

from anyio import EndOfStream, Event, WouldBlock

from evenflow._ends import own_copy

from ._delivery import FETCHED, Batch, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop


class Hand:
    """The fetched events of one reader.

    Attributes:
        fetched: those that were not handed over, in order.
        capacity: how many are fetched ahead.
        places: how many more may be handed over one by one before some of them are settled: see ``give_places``.
        when_waited_for: is called when somebody begins to wait.
        alone: the one event that is ready, or handed over, of those whose process died; see rule 6.
    """

    def __init__(
        self,
        loop: RunningLoop,
        capacity: int,
        begin: Callable[[Sequence[Delivery[Any]]], None],
        silences: Callable[[], int],
        unsure: Callable[[], object],
    ) -> None:
        self.fetched: dict[Delivery[Any], None] = {}
        self.capacity: int = capacity
        self.places: float = inf
        self.when_waited_for: Callable[[], object] | None = None
        self._loop = loop
        self._begin = begin
        self._silences = silences
        self._tell_unsure = unsure
        self._ready: deque[Delivery[Any]] = deque()
        self._sleepers: deque[WakeUp] = deque()
        self._woken = 0
        """How many sleepers were woken, and have not run yet."""
        self._wakes_more = False
        """Whether more of the sleepers are woken in the next turn."""
        self._arrived: Event | None = None
        self._wanted: Event | None = None
        self._end: BaseException | None = None
        self.alone: Delivery[Any] | None = None
        self._died: set[Delivery[Any]] = set()
        """What was fetched of the events whose process died."""
        self._apart: deque[Delivery[Any]] = deque()
        """Those of them that would be ready, and wait until it is their turn."""

    # ------------------------------------------------------------------ what comes in

    @property
    def room(self) -> int:
        """How many events it wants now: none before half of them were handed over."""
        return self.capacity - len(self.fetched) if len(self.fetched) <= self.capacity // 2 else 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is handed over."""
        return self._end is not None

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits for more than is ready."""
        return self._arrived is not None or (self.places > 0 and any(not sleeper.done() for sleeper in self._sleepers))

    def _tell_waited_for(self) -> None:
        if self.when_waited_for is not None:
            self.when_waited_for()

    async def wait_for_room(self) -> None:
        """Wait until more events are wanted."""
        while not self.room:
            self._wanted = Event()
            await self._wanted.wait()

    def add(
        self,
        deliveries: Sequence[Delivery[Any]],
        heads: Sequence[Delivery[Any]],
        died: Sequence[Delivery[Any]] = (),
    ) -> None:
        """Events were fetched; ``heads`` wait for no other of their key, and of ``died`` the process died."""
        self.fetched.update(dict.fromkeys(deliveries))
        self._died.update(died)
        if self._died:
            heads = [head for head in heads if self._may_go(head)]
        self._ready += heads
        self._wake()
        self._tell_arrived()

    def _may_go(self, delivery: Delivery[Any]) -> bool:
        """Whether an event may become ready now; if not, it does so when it is its turn."""
        if delivery not in self._died:
            return True
        if self.alone is None:
            self.alone = delivery
            return True
        self._apart.append(delivery)
        return False

    def _next_alone(self) -> None:
        """The one of those whose process died is settled, or another's: the next of them may go."""
        self.alone = None
        while self._apart:
            delivery = self._apart.popleft()
            if delivery._state is FETCHED and not delivery._is_lost:
                self.alone = delivery
                self._ready.append(delivery)
                self._wake()
                self._tell_arrived()
                return

    def _make_ready(self, delivery: Delivery[Any]) -> None:
        if self._died and not self._may_go(delivery):
            return
        self._ready.append(delivery)
        self._wake()
        self._tell_arrived()

    def give_places(self, number: int) -> None:
        """So many of what was handed over is settled: as many others may be handed over."""
        self.places += number
        if self._ready:
            self._wake()
        elif self._sleepers:
            self._tell_waited_for()

    def _wake(self) -> None:
        """Something is ready: see rule 5."""
        if self._wakes_more or self._wanted_awake() <= 0:
            return
        self._wake_one()
        if self._sleepers and self._wanted_awake() > 0:
            self._wakes_more = True
            self._loop.backend.in_next_turn(self._wake_more)

    def _wake_more(self) -> None:
        self._wakes_more = False
        for _ in range(int(min(self._wanted_awake(), len(self._sleepers)))):
            self._wake_one()

    def _wanted_awake(self) -> float:
        """For how many sleepers there is something, beside those that were woken."""
        return min(len(self._ready), self.places) - self._woken

    def _wake_one(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            self._woken += 1  # one that was cancelled meanwhile says so itself
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def _tell_arrived(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def is_sure_again(self) -> None:
        """What is ready may be handed over again."""
        if self._ready:
            self._wake()
        self._tell_arrived()

    def settled(self, delivery: Delivery[Any]) -> None:
        """It was settled: the next of its key may go, and the next of those whose process died."""
        if delivery is self.alone:
            self._next_alone()
        following = delivery._following
        if following is not None and following._state is FETCHED:
            if following._is_lost:
                self.forget_lost()
            else:
                self._make_ready(following)

    def forget_lost(self) -> None:
        """Some of what was fetched is another's."""
        for delivery in [delivery for delivery in self.fetched if delivery._is_lost]:
            del self.fetched[delivery]
            self._died.discard(delivery)
        if self.alone is not None and self.alone._is_lost:
            self._next_alone()
        self._tell_wanted()

    def end(self, error: BaseException | None = None) -> list[Delivery[Any]]:
        """Nothing more is handed over; returns what was fetched. Whoever waits gets the error, or the end."""
        self._end = (
            self._end
            or error
            or EndOfStream("there are no more deliveries: this reader has left its group, or the log was closed")
        )
        left = [delivery for delivery in self.fetched if not delivery._is_lost]
        self.fetched.clear()
        self._ready.clear()
        self._apart.clear()
        self._died.clear()
        while self._sleepers:
            self._wake_one()
        self._tell_arrived()
        return left

    def _tell_wanted(self) -> None:
        if self._wanted is not None and self.room:
            self._wanted.set()
            self._wanted = None

    # ------------------------------------------------------------------ what goes out

    def take_nowait(self) -> Delivery[Any]:
        """Hand over the next event; it takes a place.

        Raises:
            anyio.WouldBlock: none is ready, or there is no place, or it is not sure that it is this reader's.
            LogError: the engine cannot note that it is begun.
        """
        while self._ready:
            delivery = self._ready[0]
            if delivery._state is not FETCHED or delivery._is_lost:
                self._ready.popleft()
                continue
            if self.places <= 0 or not self._is_sure(delivery, self._silences()):
                raise WouldBlock
            self._hand_over([delivery])
            self._ready.popleft()
            self.places -= 1
            return delivery
        if self._end is not None:
            raise own_copy(self._end)
        raise WouldBlock

    def _is_sure(self, delivery: Delivery[Any], silences: int) -> bool:
        """Whether its page is this reader's: where this process was silent for long, that must be looked at first."""
        sure = delivery._page.seen == silences
        if not sure:
            self._tell_unsure()
        return sure

    def _hand_over(self, deliveries: Sequence[Delivery[Any]]) -> None:
        self._begin(deliveries)
        fetched = self.fetched
        for delivery in deliveries:
            fetched.pop(delivery, None)
        if self._died:
            self._died.difference_update(deliveries)
        self._tell_wanted()

    async def take(self) -> Delivery[Any]:
        """Wait for the next event, and hand it over. Cancelling takes none."""
        while True:
            try:
                return self.take_nowait()
            except WouldBlock:
                pass
            sleeper = self._loop.backend.wake_up()
            self._sleepers.append(sleeper)
            if self.places > 0:
                self._tell_waited_for()
            try:
                await sleeper
            except BaseException:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                else:  # it was woken for something that another must take now
                    self._woken -= 1
                    self._wake()
                raise
            self._woken -= 1

    def _takeable(self, most: int) -> tuple[list[Delivery[Any]], int]:
        """What a batch of this size would be, and of how many of what is ready that and what follows it is."""
        found: list[Delivery[Any]] = []
        silences, page, has_all = self._silences(), None, True
        for place, head in enumerate(self._ready):
            if len(found) == most:
                return found, place
            if head._page is not page:  # to ask for each of its events takes as long as all else here
                if not self._is_sure(head, silences):
                    return found, place
                page = head._page
                has_all = not (page.is_lost or page.gone)
            if has_all and head._following is None and head._state is FETCHED:
                found.append(head)
                continue
            delivery: Delivery[Any] | None = head
            while delivery is not None and delivery._state is FETCHED and not delivery._is_lost and len(found) < most:
                found.append(delivery)
                delivery = delivery._following
        return found, len(self._ready)

    async def wait_for(self, number: int) -> None:
        """Wait until a batch of so many could be taken, or nothing more comes."""
        while self._end is None and len(self._takeable(number)[0]) < number:
            self._arrived = self._arrived or Event()
            self._tell_waited_for()
            await self._arrived.wait()

    def take_batch(self, most: int) -> Batch[Any]:
        """Hand over all that is there, up to ``most``.

        Raises:
            anyio.WouldBlock, LogError: as for ``take_nowait``.
        """
        found, heads = self._takeable(most)
        if not found:
            return Batch([self.take_nowait()])
        self._hand_over(found)
        take = self._ready.popleft
        for _ in range(heads):
            take()
        return Batch(found)
