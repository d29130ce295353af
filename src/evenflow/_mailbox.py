"""What happens to one event at one subscription. Nothing else.

Rule 1: every decision about keeping, replacing or dropping an event is made here.
Rule 2: nothing here waits, and nothing here runs a user's code, but for the ``==`` of keys.
Rule 3: every event that was wanted is in exactly one of five places: delivered, replaced, dropped,
        discarded, waiting.

                   room      same key buffered     full
    block          append    replace               (the publisher waits, then asks again)
    drop_oldest    append    replace               drop the oldest, append
    drop_newest    append    replace               drop the new one
    disconnect     append    replace               drop the new one, and end the subscription

A mailbox is *unready* while an event cannot simply be appended: it is full, a slot in it is reserved, it is
conflated, or it keeps more than the event. Publishers keep one set of the unready mailboxes, and look at no others;
one that has ended is in none.
"""

from __future__ import annotations

import sys
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Required, TypeAlias, TypedDict
from weakref import ref

from ._buffer import Buffer, ConflatedBuffer
from ._errors import SlowSubscriber
from ._fairness import TAKEN
from ._gaps import Gap, Gaps
from ._numbered_buffer import NumberedBuffer
from ._readers import ReaderLine, WakeUps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ._ends import End
    from ._numbers import Numbers
    from ._statistics import SubscriptionStatistics

Overflow: TypeAlias = Literal["block", "drop_oldest", "drop_newest", "disconnect"]
"""What happens when the buffer is full: see the table."""

NOTHING: Final = object()
"""There is nothing to take; not None, which may be an event."""


class Carried(NamedTuple):
    """An event, and what an observer gets beside it: its publisher's context, or what traces its publish."""

    event: Any
    context: Context | None
    link: object = None


def with_context(event: Any) -> Carried:
    """The event as an observer of the publisher's context gets it."""
    return Carried(event, copy_context())


@dataclass(eq=False, slots=True, weakref_slot=True)
class UserFunctions:
    """What a user gave to one subscription; the subscription keeps it alive, its mailbox does not.

    Attributes:
        where: which events it wants, beyond their class.
        key: what makes two events the same, where events are conflated.
        report: hears that one of these two raised on an event; None where that ends the subscription.
    """

    where: Callable[[Any], object] | None = None
    key: Callable[[Any], object] | None = None
    report: Callable[[Any, Exception], None] | None = None

    def report_to(self, report: Callable[[Any, Exception], None]) -> None:
        """What is raised ends the subscription no more: it is told here."""
        self.report = report

    def ask(self, event: object, /) -> object:
        """What ``where`` says."""
        return self.where is None or self.where(event)


class MailboxOptions(TypedDict, total=False):
    """What of a mailbox its subscription decides."""

    capacity: Required[int]
    overflow: Required[Overflow]
    created_at: Required[tuple[str, int]]
    gaps: bool | Callable[[], datetime]
    carry: Callable[[Any], object] | None


class Mailbox:
    """One subscription, as the publisher sees it; it does not keep the subscription alive.

    Attributes:
        name: for logs, statistics and errors.
        created_at: the file and line where the subscription was made.
        buffer: where its events lie.
        conflated: whether an event replaces the buffered one of its key.
        carry: makes of an event what is kept of it, such as the event with its context; None for the event itself.
        line: who waits to read.
        overflow: what happens when the buffer is full.
        gaps: where events are missing; None where nobody asked.
        end: what its readers get after the buffer; None while it takes events.
        discarded: whether what it held was discarded, because the subscription was closed.
        reserved: slots that are kept for publishers that wait.
    """

    __slots__ = (
        "__weakref__",
        "_became_ready",
        "_discarded",
        "_dropped_newest",
        "_functions",
        "_replaced",
        "_tell",
        "_unready",
        "buffer",
        "carry",
        "conflated",
        "created_at",
        "discarded",
        "end",
        "gaps",
        "line",
        "name",
        "overflow",
        "reserved",
    )

    def __init__(
        self,
        *,
        capacity: int,
        overflow: Overflow,
        functions: UserFunctions,
        gaps: bool | Callable[[], datetime] = False,
        carry: Callable[[Any], object] | None = None,
        numbers: Numbers | None = None,
        unready: set[Mailbox],
        became_ready: Callable[[Mailbox], None],
        wake_ups: WakeUps,
        name: str,
        created_at: tuple[str, int],
    ) -> None:
        self.name: str = name
        self.created_at: tuple[str, int] = created_at
        self.conflated: bool = functions.key is not None
        self.carry: Callable[[Any], object] | None = carry
        self.buffer: Buffer[Any]
        if self.conflated:
            self.buffer = ConflatedBuffer(capacity)
            self.carry = carry if numbers is None else numbers.carry
        else:
            self.buffer = Buffer(capacity) if numbers is None else NumberedBuffer(capacity, numbers)
        self.line: ReaderLine = ReaderLine(wake_ups)
        self.overflow: Overflow = overflow
        self.end: End | None = None
        self.discarded: bool = False
        self.reserved: int = 0
        self._replaced = self._dropped_newest = self._discarded = 0
        self.gaps: Gaps | None = (Gaps(gaps) if callable(gaps) else Gaps()) if gaps else None
        self._functions = ref(functions)
        self._tell: Callable[[Mailbox], None] | None = None
        self._unready = unready
        self._became_ready = became_ready

    def ask(self, event: object, /) -> object:
        """What the subscription's own ``where`` says; a subscription that is gone wants nothing."""
        functions = self._functions()
        return False if functions is None else functions.ask(event)

    def survives(self, event: object, error: BaseException) -> bool:
        """Whether the subscription goes on although one of its own functions has raised; then somebody has heard."""
        functions = self._functions()
        if functions is None or functions.report is None or not isinstance(error, Exception):
            return False
        functions.report(event, error)
        return True

    def key_of(self) -> Callable[[Any], object] | None:
        """What gives the key of an event; None where events are not conflated, or the subscription is gone."""
        functions = self._functions()
        return None if functions is None else functions.key

    def room(self) -> int:
        """Free slots, without those that are reserved; negative where more are reserved than are free."""
        buffer = self.buffer
        return buffer.capacity - self.reserved - len(buffer.outbox) - len(buffer.inbox)

    def replaces(self, key: object) -> bool:
        """Whether an event of this key replaces one, and so needs no room."""
        return isinstance(self.buffer, ConflatedBuffer) and self.buffer.find(key) is not None

    def measure(self) -> int:
        """Measure how many events there is room for; from then on it is ready, or it is not."""
        buffer = self.buffer
        room = buffer.capacity - self.reserved - len(buffer.outbox) - len(buffer.inbox)  # as `room`
        if room <= 0:
            if self.end is None:
                self._unready.add(self)
        elif self in self._unready and not (self.reserved or self.conflated or self.carry or self.end is not None):
            self._became_ready(self)
        return room

    def begin(self, event: object) -> None:
        """Append an event to the empty inbox of a ready mailbox, and wake a reader."""
        buffer = self.buffer
        (buffer.inbox if buffer.in_stream else buffer.begin()).append(event)
        if (line := self.line).queue and not line.woken:
            line.wake_one()

    def extend(self, events: Sequence[object]) -> None:
        """Append several events to a ready mailbox that has room for them, and wake as many readers."""
        (self.buffer.inbox or self.buffer.begin()).extend(events)
        if self.line.queue:
            self.line.wake(self.items())

    def offer(self, event: object, key: object) -> object:
        """Take an event as the table says; returns what it gave up for it, to be kept until the publish is over."""
        buffer = self.buffer
        if self.carry is not None:
            event = self.carry(event)
        if isinstance(buffer, ConflatedBuffer) and (cell := buffer.find(key)) is not None:
            self._replaced += 1
            return buffer.replace(cell, event)
        given_up: object = None
        if self.room() <= 0:
            if self.overflow != "drop_oldest":
                return self._drop_newest(event)
            if self.gaps is not None:
                self.gaps.oldest_was_dropped(buffer.head())
                buffer.close_lane()
            given_up = buffer.drop_oldest()
        buffer.put(key, event)
        if not self.conflated:
            self.measure()
        if (line := self.line).queue and not line.woken:
            line.wake_one()
        if (fill := buffer.fill) is not None and len(buffer) >= fill[0]:
            fill[1]()
        return given_up

    def _drop_newest(self, event: object) -> object:
        self._dropped_newest += 1
        self.note_missing(1)
        if self.overflow == "disconnect":
            words = (
                f"{self.name} was disconnected: its buffer of {self.buffer.capacity} was full; take events faster,"
                " raise buffer=, or choose another policy with overflow="
            )
            self.finish(partial(SlowSubscriber, words))
        return event

    def note_missing(self, count: int) -> None:
        """After everything that is buffered, as many events are missing."""
        if self.gaps is not None:
            self.gaps.newest_was_dropped(self.buffer.tail(), count)
            self.buffer.close_lane()
            self.line.wake(self.items())

    def reserve(self) -> None:
        """Keep a slot for a publisher that waits, or the next one that comes free."""
        self.reserved += 1
        self._unready.add(self)

    def release(self) -> None:
        """Keep one slot less."""
        self.reserved -= 1
        self.measure()

    def free_all(self) -> None:
        """The loop has ended: nobody waits for room, and nobody waits to read."""
        self.reserved = 0
        self._tell = None
        self.line.forget()
        self.line.forget_who_is_told()

    def watch(self, tell: Callable[[Mailbox], None] | None) -> None:
        """From now on tell of each take, or of none any more."""
        self._tell = tell
        self.buffer.close_lane()

    def items(self) -> int:
        """How many items could be taken now; without limit once it has ended, so that every reader hears of it."""
        if self.end is not None:
            return sys.maxsize
        return len(self.buffer) + (len(self.gaps) if self.gaps else 0)

    def take(self, counts: list[int]) -> Any:
        """The next item, or ``NOTHING``; ``counts`` what the reader takes, and may take without asking."""
        buffer, gaps = self.buffer, self.gaps
        if not (buffer.inbox or buffer.outbox or buffer.replay or gaps):
            return NOTHING
        if gaps and not buffer.replay and gaps.is_due(buffer.head()):
            return gaps.take()
        event = buffer.take()
        counts[TAKEN] += 1
        if self._tell is not None:
            self._tell(self)
        elif buffer.outbox and not (self.line.queue or gaps):
            counts[TAKEN] += buffer.open_lane()
        return event

    def take_batch(self, counts: list[int]) -> Any:
        """All items that wait, at most as many events as the buffer holds; ``NOTHING`` where there are none."""
        buffer = self.buffer
        if self._tell is None and not self.gaps:
            batch = buffer.take_all(buffer.capacity)
            counts[TAKEN] += len(batch)
            return batch or NOTHING
        items: list[Any] = []
        events = 0
        while events < buffer.capacity and (item := self.take(counts)) is not NOTHING:
            items.append(item)
            events += type(item) is not Gap
        return tuple(items) or NOTHING

    def finish(self, end: End) -> None:
        """Nothing more comes in; what is buffered can still be taken, then comes ``end``."""
        if self.end is not None:
            return
        self.end = end
        self._unready.discard(self)
        self.buffer.close_stream()
        self.line.wake(self.items())
        self.line.end()

    def end_with(self, end: End) -> None:
        """It has ended: its readers get this, and not what it ended with."""
        self.end = end

    def discard(self, end: End) -> list[object]:
        """The subscription was closed: everything that waits is discarded, and returned to be let go.

        ``end`` is what it ended with, unless it had ended before.
        """
        self.finish(end)
        self.discarded = True
        self._discarded += len(self.buffer)
        if self.gaps is not None:
            self.gaps.clear()
        return self.buffer.clear()

    def ledger(self) -> SubscriptionStatistics:
        """Where every event that was wanted is now."""
        from ._statistics import SubscriptionStatistics  # noqa: PLC0415 -- making these classes takes 3 ms

        buffer, waiting = self.buffer, len(self.buffer)
        delivered = buffer.read() + buffer.replayed
        dropped = buffer.dropped + self._dropped_newest
        return SubscriptionStatistics(
            name=self.name,
            wanted=delivered + self._replaced + dropped + self._discarded + waiting,
            delivered=delivered,
            replaced=self._replaced,
            dropped=dropped,
            discarded=self._discarded,
            waiting=waiting,
            capacity=buffer.capacity,
        )


def carry_with(mailbox: Mailbox, carry: Callable[[Any], object] | None) -> None:
    """From now on a mailbox keeps of each event what this makes of it; None for the event itself."""
    mailbox.carry = carry
    if mailbox.end is None:
        mailbox._unready.add(mailbox)
    mailbox.measure()
