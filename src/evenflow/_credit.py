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
from weakref import ref

from ._turns import DELIVERIES_A_TURN, Turns, turns_here

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
        "turns",
    )

    def __init__(self, careful: set[T]) -> None:
        self._careful = careful
        """The mailboxes that an event cannot simply be appended to: those that become full on credit join them."""
        self._published = self._deliveries = self._granted = 0
        self.cls: type = NoEvent
        self.everyone: dict[T, None] = NOBODY
        self.only: Any = None
        """The one that wants these events, where it is only one."""
        self.size = self.left = self.room = 0
        self.turns: Turns = turns_here()
        """Where its deliveries are counted."""
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
        self.cls, self.everyone, self.size, self.room = cls, everyone, size, room if room > 0 else 1
        if size == 1:
            (self.only,) = everyone
        self.renew()
        self.left -= 1

    def is_used_up(self, everyone: dict[T, None]) -> bool:
        """Whether all that ``everyone`` had room for has been published, and nobody has looked since."""
        return self.everyone is everyone and not (self.left or self.room)

    def use_up(self, cls: type, everyone: dict[T, None]) -> None:
        """As many events were placed by another way as all of ``everyone`` had room for: nothing is left of it."""
        self.cls, self.everyone, self.size = cls, everyone, len(everyone)
        if self.size == 1:
            (self.only,) = everyone

    def renew(self) -> None:
        """Let some more of the room be used, and count it."""
        turns, advance = self.turns, self._advance
        if advance == FIRST_ADVANCE:
            turns.advances.append(ref(self))
        # from here on nothing is made and nothing called, as in `end`
        if self.left:
            return
        if advance < ADVANCE:
            self._advance = 4 * advance
        left = advance // self.size or 1
        if left > self.room:
            left = self.room
        self.left = left
        self.room -= left
        self._granted += left
        turns.given += left * self.size

    def take_back(self, turns: Turns, /) -> None:
        """The loop turns: what is left was counted for the turn before, and has to be counted again."""
        if turns is self.turns:
            left, self.left = self.left, 0
            self.room += left
            self._granted -= left
            self._advance = FIRST_ADVANCE

    def move(self, turns: Turns) -> None:
        """From now on deliveries are counted elsewhere."""
        self.end()
        self.turns = turns
        self._advance = FIRST_ADVANCE

    def refill(self) -> None:
        """The one that wants these events has taken them: as long as it keeps up, nobody else has to look."""
        only = self.only
        if only is not None and not self.left and only not in self._careful and self.turns.given < DELIVERIES_A_TURN:
            if not self.room:
                self.room = only.limit - len(only.chunk)
            self.renew()

    def end(self) -> Sequence[T]:
        """Somebody has to look again before the next event is appended; returns those that have become full."""
        full: Sequence[T] = ()
        if self.cls is NoEvent and not self.left:
            return full
        if not (self.left or self.room):
            full = self.find_the_full(self.everyone)  # a destructor may end it meanwhile: then nothing is left to count
        # from here on nothing is made and nothing called, so that no destructor runs in the middle
        left = self.left
        used = self._granted - left
        self._published += used
        self._deliveries += used * self.size
        self.turns.given -= left * self.size
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
