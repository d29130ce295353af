"""What happens to one event at one subscription. Nothing else.

Rule 1: every decision about keeping, replacing or giving up an event is made here.
Rule 2: nothing here waits, and nothing here runs a user's code.
Rule 3: every event that was wanted is in exactly one of five places: delivered, replaced, dropped,
        discarded, waiting.

                   room      same key buffered     full
    block          append    replace               (the publisher waits, then asks again)
    drop_oldest    append    replace               evict the oldest, append
    drop_newest    append    replace               refuse
    disconnect     append    replace               refuse, and end the subscription

Where the event lies until it is read is said in `_buffer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ._buffer import Buffer
from ._errors import SlowSubscriber
from ._items import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from weakref import ref

    from ._credit import Credit
    from ._readers import Wakes

Overflow: TypeAlias = Literal["block", "drop_oldest", "drop_newest", "disconnect"]
"""What a full buffer gives up: time, history, what is new, or the subscriber."""


class Owner(Protocol):
    """A subscription, as its mailbox knows it: it has what the user gave."""

    def where(self, event: Any, /) -> bool:
        """Whether it wants the event."""
        ...

    def key(self, event: Any, /) -> object:
        """The event's key."""
        ...


class Mailbox(Buffer):
    """One subscription, as the publisher sees it; it does not keep the subscription alive."""

    __slots__ = (
        "__weakref__",
        "careful",
        "closed",
        "credit",
        "discarded",
        "evicted",
        "gaps",
        "name",
        "owner",
        "place",
        "refused",
        "replaced",
        "serial",
        "stalled",
        "stamp",
    )

    def __init__(
        self,
        *,
        capacity: int,
        overflow: Overflow,
        conflated: bool,
        gaps: bool,
        careful: set[Mailbox],
        credit: ref[Credit[Mailbox]] | None = None,
        wakes: Wakes | None = None,
    ) -> None:
        super().__init__(capacity=capacity, conflated=conflated, gaps=gaps, wakes=wakes)
        self.overflow: Overflow = overflow
        self.gaps: bool = gaps
        self.careful: set[Mailbox] = careful
        """The mailboxes of one subject that an event cannot simply be appended to."""
        self.credit: ref[Credit[Mailbox]] | None = credit
        """For how many events nobody looks whether they can."""
        self.stamp: int = 0
        self.serial: int = 0
        self.replaced: int = 0
        self.evicted: int = 0
        self.refused: int = 0
        self.discarded: int = 0
        self.closed: bool = False
        self.owner: ref[Owner] | None = None
        self.stalled: bool = False
        self.name: str = ""
        self.place: tuple[str, int] = ("", 0)
        if not self.plain:
            careful.add(self)

    # ------------------------------------------------------------------ what the owner has said

    def ask(self, event: object, /) -> bool:
        """Call the subscription's own ``where``; a subscription that is gone wants nothing."""
        owner = None if self.owner is None else self.owner()
        return False if owner is None else owner.where(event)

    def key(self, event: object, /) -> object:
        """The event's key where events are conflated; what it raises is the subscription's end."""
        owner = None if self.owner is None else self.owner()
        return None if owner is None else owner.key(event)

    # ------------------------------------------------------------------ the ledger

    @property
    def delivered(self) -> int:
        """Events that a reader was given."""
        return self.taken - len(self.ready) - len(self.front) if self.plain else self.taken

    @property
    def dropped(self) -> int:
        """Events given up because the buffer was full."""
        return self.evicted + self.refused

    @property
    def wanted(self) -> int:
        """Events that were for this subscription."""
        return self.delivered + self.replaced + self.dropped + self.discarded + self.waiting

    # ------------------------------------------------------------------ putting in

    def must_wait(self, key: object) -> bool:
        """Whether a publisher has to wait before it may put an event of this key."""
        if self.overflow != "block" or self.end is not None:
            return False
        return self.room() <= 0 and not (self.keys is not None and key in self.keys)

    def must_drop(self, key: object) -> bool:
        """Whether putting an event of this key would give one up."""
        if self.overflow == "block" or self.end is not None:
            return False
        return self.room() <= 0 and not (self.keys is not None and key in self.keys)

    def put(self, event: Any, key: object = None) -> object:
        """Commit one event to a mailbox that needs a look; returns what was given up, to be let go later."""
        if self.end is not None:
            return None
        if self.keys is not None:
            self.stamp += 1
            cell = self.keys.get(key)
            if cell is not None:
                old, cell.event, cell.stamp = cell.event, event, self.stamp
                self.replaced += 1
                return old
        given_up: object = None
        if self.room() <= 0:
            if self.overflow != "drop_oldest":
                self._refuse()
                return event
            given_up = self._evict()
        if self.keys is not None:
            event = self.keys[key] = Cell(key, event, self.stamp)
        self.add(event)
        if len(self.chunk) >= self.limit:
            self.has_room()
        return given_up

    def review(self) -> bool:
        """Find out whether events can simply be appended again."""
        if not self.plain or self.reserved or self.end is not None or (self.chunk and self.asleep):
            return False
        if not self.may_grow():
            return False
        self.careful.discard(self)
        return True

    def has_room(self) -> bool:
        """The chunk has grown to its limit: has the reader gone on meanwhile, or is the buffer full?"""
        if self.may_grow():
            return True
        self.careful.add(self)
        return False

    def is_due(self) -> bool:
        """Whether it is full, would make a publisher wait, and its only reader was woken and has yet to run."""
        return (
            self.woken > 0
            and len(self.chunk) >= self.capacity
            and self.plain
            and self.overflow == "block"
            and self.end is None
            and not (self.asleep or self.reserved)
        )

    def _evict(self) -> object:
        """Give up the oldest event."""
        item = self.remove_oldest()
        self.evicted += 1
        if self.gaps:
            self.open_gap()
        return item

    def _refuse(self) -> None:
        """Give up the event that has just come."""
        self.refused += 1
        if self.gaps:
            self.mark_gap()
        if self.overflow == "disconnect":
            self.finish(
                SlowSubscriber(
                    f"{self.name} was let go: its buffer of {self.capacity} was full; take events faster,"
                    " raise buffer=, or choose what a full buffer gives up with overflow=",
                )
            )

    # ------------------------------------------------------------------ readers that wait

    def needs_a_look(self) -> None:
        """From now on an event cannot simply be appended: somebody has to be woken for it."""
        if self.chunk:
            self.be_careful()

    def renew_credit(self) -> None:
        """The reader has come to the end of what is there: its only publisher is given credit anew, without a look."""
        self.spent = False
        if self.credit is not None and (credit := self.credit()) is not None:
            credit.refill()

    def be_careful(self) -> None:
        """From now on an event cannot simply be appended here, credit or not."""
        self.careful.add(self)
        if self.credit is not None and (credit := self.credit()) is not None:
            credit.end()

    # ------------------------------------------------------------------ the end

    def finish(self, end: BaseException | type[BaseException]) -> None:
        """Nothing more comes in; what is buffered can still be taken, then comes ``end``."""
        if self.end is not None:
            return
        self.end: BaseException | type[BaseException] | None = end
        self.careful.add(self)
        self.close_stream()
        self.rouse()

    def discard(self, end: BaseException | type[BaseException]) -> list[object]:
        """The subscription was closed: everything that waits is discarded, and returned to be let go."""
        self.finish(end)
        self.closed = True
        self.end = end
        self.discarded += self.waiting
        rest = self.clear()
        self.rouse()
        return rest

    # ------------------------------------------------------------------ for `drain`

    def mark_now(self) -> int:
        """A mark that `passed` can be asked about later."""
        return self.stamp if self.keys is not None else self.delivered + self.evicted + self.waiting

    def passed(self, mark: int) -> bool:
        """Whether everything that was buffered when the mark was made has left the buffer."""
        if self.closed:
            return True
        if self.keys is not None:
            return not self.replay and all(cell.stamp > mark for cell in self.keys.values())
        return not self.replay and self.delivered + self.evicted >= mark


def all_have_room(boxes: Sequence[Mailbox]) -> bool:
    """Whether the slots that are kept in these for a publisher have all come free."""
    return min(map(Mailbox.room, boxes)) >= 0
