"""Hand: what one reader of a group has fetched and not handed over yet, and who waits for it.

Rule 1: what comes from one page and has one key is handed over one after the other: the next once the one before it is
        settled. In a batch they are together, in order.
Rule 2: an event is begun, and the engine knows it, before whoever waits for it runs.
Rule 3: nothing is handed over as long as it is not sure that it is still this reader's.
Rule 4: cancelling whoever waits loses nothing: nothing is taken before it is returned.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from anyio import EndOfStream, Event, WouldBlock, get_cancelled_exc_class

from ._delivery import Batch, Delivery, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evenflow._backends import WakeUp
    from evenflow._loop import RunningLoop


class Hand:
    """The fetched events of one reader.

    Attributes:
        fetched: those that were not handed over, by identity.
        capacity: how many are fetched ahead.
    """

    def __init__(
        self,
        loop: RunningLoop,
        capacity: int,
        begin: Callable[[Delivery[Any]], None],
        silences: Callable[[], int],
        unsure: Callable[[], object],
    ) -> None:
        self.fetched: dict[int, Delivery[Any]] = {}
        self.capacity: int = capacity
        self._loop = loop
        self._begin = begin
        self._silences = silences
        self._tell_unsure = unsure
        self._ready: deque[Delivery[Any]] = deque()
        self._sleepers: deque[WakeUp] = deque()
        self._arrived: Event | None = None
        self._wanted: Event | None = None
        self._end: BaseException | None = None

    # ------------------------------------------------------------------ what comes in

    @property
    def room(self) -> int:
        """How many events it wants now: none before half of them were handed over."""
        return self.capacity - len(self.fetched) if len(self.fetched) <= self.capacity // 2 else 0

    async def wait_for_room(self) -> None:
        """Wait until more events are wanted."""
        while not self.room:
            self._wanted = Event()
            await self._wanted.wait()

    def add(self, deliveries: Iterable[Delivery[Any]], heads: Iterable[Delivery[Any]]) -> None:
        """Events were fetched; ``heads`` are those that wait for no other."""
        self.fetched.update((id(delivery), delivery) for delivery in deliveries)
        for head in heads:
            self._make_ready(head)

    def _make_ready(self, delivery: Delivery[Any]) -> None:
        self._ready.append(delivery)
        self._wake_one()
        self._tell_arrived()

    def _wake_one(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def _tell_arrived(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def is_sure_again(self) -> None:
        """What is ready may be handed over again."""
        for _ in self._ready:
            self._wake_one()
        self._tell_arrived()

    def settled(self, delivery: Delivery[Any]) -> None:
        """It was settled: the next of its key may go."""
        following = delivery._following
        if following is not None and following._state is State.FETCHED:
            if following._is_lost:
                self.forget_lost()
            else:
                self._make_ready(following)

    def forget_lost(self) -> None:
        """Some of what was fetched is another's."""
        for key in [key for key, delivery in self.fetched.items() if delivery._is_lost]:
            del self.fetched[key]
        self._tell_wanted()

    def end(self, error: BaseException | None = None) -> list[Delivery[Any]]:
        """Nothing more is handed over; returns what was fetched. Whoever waits gets the error, or the end."""
        self._end = self._end or error or EndOfStream()
        left = [delivery for delivery in self.fetched.values() if not delivery._is_lost]
        self.fetched.clear()
        self._ready.clear()
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        self._sleepers.clear()
        self._tell_arrived()
        return left

    def _tell_wanted(self) -> None:
        if self._wanted is not None and self.room:
            self._wanted.set()
            self._wanted = None

    # ------------------------------------------------------------------ what goes out

    def take_nowait(self) -> Delivery[Any]:
        """Hand over the next event.

        Raises:
            anyio.WouldBlock: none is ready, or it is not sure that it is this reader's.
            LogError: the engine cannot note that it is begun.
        """
        while self._ready:
            delivery = self._ready[0]
            if delivery._is_lost or delivery._state is not State.FETCHED:
                self._ready.popleft()
                continue
            if not self._is_sure(delivery, self._silences()):
                raise WouldBlock
            self._hand_over(delivery)
            self._ready.popleft()
            return delivery
        if self._end is not None:
            raise self._end.with_traceback(None)
        raise WouldBlock

    def _is_sure(self, delivery: Delivery[Any], silences: int) -> bool:
        """Whether its page is this reader's: where this process was silent for long, that must be looked at first."""
        sure = delivery._page.seen == silences
        if not sure:
            self._tell_unsure()
        return sure

    def _hand_over(self, delivery: Delivery[Any]) -> None:
        self._begin(delivery)
        self.fetched.pop(id(delivery), None)
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
            try:
                await sleeper
            except get_cancelled_exc_class():
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                elif self._ready:  # it was woken for something that another must take now
                    self._wake_one()
                raise

    def _takeable(self, most: int) -> list[Delivery[Any]]:
        """What a batch of this size would be."""
        found: list[Delivery[Any]] = []
        silences = self._silences()
        for head in self._ready:
            delivery: Delivery[Any] | None = head if self._is_sure(head, silences) else None
            while delivery is not None and delivery._state is State.FETCHED and not delivery._is_lost:
                if len(found) == most:
                    return found
                found.append(delivery)
                delivery = delivery._following
        return found

    async def wait_for(self, number: int) -> None:
        """Wait until a batch of so many could be taken, or nothing more comes."""
        while self._end is None and len(self._takeable(number)) < number:
            self._arrived = self._arrived or Event()
            await self._arrived.wait()

    def take_batch(self, most: int) -> Batch[Any]:
        """Hand over all that is there, up to ``most``.

        Raises:
            anyio.WouldBlock, LogError: as for ``take_nowait``.
        """
        found = self._takeable(most)
        if not found:
            return Batch([self.take_nowait()])
        for delivery in found:
            self._hand_over(delivery)
        handed = set(map(id, found))
        self._ready = deque(delivery for delivery in self._ready if id(delivery) not in handed)
        return Batch(found)
