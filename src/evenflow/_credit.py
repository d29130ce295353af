"""How many events can simply be appended, before somebody has to look at the mailboxes again.

To look at each mailbox before each event would double what a publish to many costs, and to ask and count each time a
fifth of what a publish to one costs. So who has looked at all of them gives credit:

    room      for so many events of one class all who want them have room, and there is nothing else to ask
    left      so many of those are counted already, towards the next turn of the loop; a few at a time, for whoever
              publishes to other subjects has to turn for what this one has counted

Whatever could make this untrue ends the credit first: somebody comes or goes, a slot is kept, an event is placed by
another way, a reader must be woken for an event that others would just join.
What is gone of the credit was published: so nobody counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from ._turns import DELIVERIES_A_TURN, TURNS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence


class Box(Protocol):
    """A mailbox, as far as it is known here."""

    capacity: int
    chunk: deque[Any]
    front: deque[Any]
    limit: int
    ready: deque[Any]


T = TypeVar("T", bound=Box)


FIRST_ADVANCE: Final = 64
ADVANCE: Final = 1_024
"""So many deliveries are counted in advance, first in a turn and at the most, or those of one event.

Where many subjects publish an event each, what they have counted and not used would make the loop turn too often.
"""


NOBODY: Final[dict[Any, None]] = {}
"""The mailboxes that no event is for."""


class NoEvent:
    """The class of no event."""


class Credit(Generic[T]):
    """So many events of one class may be given at once to all that want them; one for each life of a subject."""

    __slots__ = (
        "__weakref__",
        "_advance",
        "_careful",
        "_deliveries",
        "_granted",
        "_published",
        "cls",
        "everyone",
        "left",
        "only",
        "room",
        "size",
        "turn",
    )

    def __init__(self, careful: set[T]) -> None:
        self._careful = careful
        """The mailboxes that an event cannot simply be appended to: those that become full on credit join them."""
        self._published = self._deliveries = self._granted = 0
        self.cls: type = NoEvent
        self.everyone: dict[T, None] = NOBODY
        self.only: Any = None
        """The one that wants these events, where it is only one."""
        self.size = self.left = self.room = self.turn = 0
        self._advance = FIRST_ADVANCE

    @property
    def published(self) -> int:
        """Events that were published on credit."""
        return self._published + self._granted - self.left

    @property
    def deliveries(self) -> int:
        """Who got them."""
        return self._deliveries + (self._granted - self.left) * self.size

    def give(self, cls: type, everyone: dict[T, None], room: int) -> None:
        """Somebody has looked: all of ``everyone`` had room for so many events, the first of which they have now."""
        size = len(everyone)
        self.cls, self.everyone, self.size, self.room = cls, everyone, size, max(room, 1)
        if size == 1:
            (self.only,) = everyone
        self.renew()
        self.left -= 1

    def renew(self) -> None:
        """Let some more of the room be used, and count it; what was counted in an earlier turn is counted anew."""
        if self.turn != TURNS.number:
            self.room += self.left
            self._granted -= self.left
            self.left = 0
            self.turn = TURNS.number
            self._advance = FIRST_ADVANCE
        if not self.left:
            self.left = left = min(self.room, self._advance // self.size or 1)
            self._advance = min(4 * self._advance, ADVANCE)
            self.room -= left
            self._granted += left
            TURNS.given += left * self.size

    def refill(self) -> None:
        """The one that wants these events has just one: as long as it keeps up, nobody else has to look."""
        if self.cls is not NoEvent and not self.room and TURNS.given < DELIVERIES_A_TURN:
            self.room = self.only.limit - len(self.only.chunk)
            self.renew()

    def end(self) -> Sequence[T]:
        """Somebody has to look again before the next event is appended; returns those that have become full."""
        full: Sequence[T] = ()
        if self.cls is NoEvent:
            return full
        if not (self.left or self.room):
            full = self.find_the_full(self.everyone)  # a destructor may end it meanwhile: then nothing is left to count
        # from here on nothing is made and nothing called, so that no destructor runs in the middle
        left = self.left
        used = self._granted - left
        self._published += used
        self._deliveries += used * self.size
        if left and self.turn == TURNS.number:
            TURNS.given -= left * self.size
        self.cls = NoEvent
        self.everyone = NOBODY
        self.only = None
        self._granted = self.left = self.room = 0
        return full

    def find_the_full(self, everyone: dict[T, None]) -> list[T]:
        """Those that have become full on credit; from now on they need a look."""
        full: list[T] = []
        for box in list(everyone):  # a copy: a destructor may subscribe and close
            if len(box.chunk) >= box.limit:
                box.limit = limit = box.capacity - len(box.ready) - len(box.front)
                if len(box.chunk) >= limit:
                    full.append(box)
        self._careful.update(full)
        return full
