"""What fills the buffer of one subscription to a log: first its history, then what is new.

                        since, until it is where the tail is          from then on
  "block"               reads on whenever there is room               live; with no room it falls behind, and reads on
  others, "conflate"    history as above, then as the policy says     live: the policy decides, and the ledger says what

*History* is what was there when the subscription began. A conflated event that replaces another needs no room.

Rule 1: nobody waits for this subscription: while it has no room, it is behind, and the log is its buffer.
Rule 2: it gets each event that it wants once, in order: what it reads itself ends where the tail's begins.
Rule 3: whoever begins where retention has removed events is told: ``OffsetExpired``, or a ``Gap``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import Event, sleep

from evenflow._buffer import hashed
from evenflow._ends import failure
from evenflow._errors import LogError, SlowSubscriber
from evenflow._routing import wanted

from ._coding import Unreadable
from ._floor import Floor
from ._tail import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenflow._crew import Member
    from evenflow._ends import End
    from evenflow._errors import DecodeError
    from evenflow._mailbox import Mailbox
    from evenflow._routing import Interest

    from ._offsets import Offset, Since
    from ._routes import Wanted
    from ._running import Running
    from ._stored import Page, Row
    from ._tail import Tail

PAUSE: Final = 0.0005
"""Seconds for which a reader of history leaves the loop idle while somebody writes. A thread that writes needs Python's
lock several times for one change, and waits 5 ms for it each time while the loop is busy."""

MOST_PAUSES: Final = 3
"""So often it does that before each page, at most."""


class Feed:
    """Fills one subscription's buffer.

    Attributes:
        mailbox: what it fills.
        interest: which events are wanted.
        position: everything up to this number was given to it, or is not wanted.
        undecodable: how many events could not be read and were skipped.
    """

    def __init__(
        self,
        running: Running,
        tail: Tail,
        mailbox: Mailbox,
        interest: Interest,
        *,
        since: Since,
        gaps: bool,
        skips: bool,
    ) -> None:
        self.mailbox = mailbox
        self.interest = interest
        self.undecodable: int = 0
        self._position = 0
        self._running = running
        self._tail = tail
        self._since: Since = since
        self._gaps = gaps
        self._skips = skips
        self._types: frozenset[str] | None = tail.decoder.names_of(interest.wants)
        self._floor = Floor(since)
        self._begun = False
        self._live = False
        self._history = 0
        """The number of the newest event when it began."""
        self._room: Event | None = None
        self._needs_room = False
        """Whether the next event has found no room."""
        self._task: Member | None = None
        tail.know(self)
        mailbox.line.tell_of_end(self._ended)

    @property
    def position(self) -> int:
        """Everything up to this number was given to it, or is not wanted."""
        return self._tail.position if self._live else self._position

    def place(self) -> Offset:
        """The offset after which a reader goes on that has had all that was given to it."""
        return self._running.offset(self._tail.subject, self.position)

    def lag(self) -> int:
        """How many numbers of the log it is behind: at least as many as there are events that it has not had."""
        return max(0, self._tail.newest - self.position) if self._begun else 0

    async def begin(self) -> None:
        """Find out where it begins, and begin; the second time it does nothing.

        Raises:
            ValueError: the offset is none of this subject's, or of a former line of the log that went on without it.
        """
        if self._begun or self.mailbox.end is not None:
            return
        self._begun = True
        engine, subject = self._tail.engine, self._tail.subject
        try:
            self._history = await engine.end(subject)
            self._tail.newest = max(self._tail.newest, self._history)
            self._position = await self._running.position(subject, self._since, self._history)
        except LogError as error:
            self.end(error)
            raise
        except BaseException:
            self._begun = False
            raise
        if self.mailbox.end is not None:
            return
        if self._position >= self._history and not self._tail.is_ahead_of(self._position):
            self._tail.join(self)
        else:
            self.fall_behind()

    def begin_soon(self) -> None:
        """Begin in a task: somebody reads, and has not entered the subscription."""
        if not self._begun and self._task is None and self.mailbox.end is None:
            self._task = self._running.run(self._begin, name=f"begin of {self.mailbox.name}")

    async def _begin(self) -> None:
        try:
            await self.begin()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the reader's
            self.end(error)

    def joined(self) -> None:
        """The tail gives it everything from its own position on."""
        self._live = True

    def fall_behind(self) -> None:
        """From the tail's position on, read alone."""
        if self._live:
            self._position, self._live = self._tail.position, False
        self._tail.keep_newest()
        self._task = self._running.run(self._catch_up, name=f"history of {self.mailbox.name}")

    async def _catch_up(self) -> None:
        """Read what it has not had, as far as the tail; then join that."""
        tail, mailbox = self._tail, self.mailbox
        engine, subject = tail.engine, tail.subject
        try:
            while mailbox.end is None:
                if self._needs_room or not mailbox.conflated:
                    await self._wait_for_room()
                # as many as there is room for; where events replace each other, room says nothing
                limit = PAGE if mailbox.conflated else max(1, min(PAGE, mailbox.room()))
                mark = engine.mark()
                self._types = tail.decoder.names_of(self.interest.wants)  # a class may have been defined since
                async with tail.one_behind:  # while it reads, the loop is free for publishers
                    await self._let_writers_go_first()
                    if (asked := self.asked()) is None:
                        page = await engine.read_when_back(subject, self._position, limit, types=self._types)
                    else:
                        page = await engine.read_wanted_when_back(subject, self._position, limit, asked)
                    if not self._take(page):
                        return
                    is_there = len(page.rows) < limit and not self._needs_room and engine.mark() == mark
                    if is_there and not tail.is_ahead_of(self._position):
                        tail.join(self)
                        return
        except LogError as error:
            self.end(error)

    async def _let_writers_go_first(self) -> None:
        """Leave the loop idle while a change needs it, but not for ever: history has to be read, too."""
        for _ in range(MOST_PAUSES):
            if not self._tail.engine.is_writing:
                return
            await sleep(PAUSE)

    def asked(self) -> Wanted | None:
        """What the server may be told of what it wants; None if the server can leave out nothing."""
        decoder = self._tail.decoder
        if not decoder.filters:
            return None
        self._types = decoder.names_of(self.interest.wants)  # a class may have been defined since
        return decoder.wanted(self._types, self.interest.condition)

    def _take(self, page: Page) -> bool:
        """Put the wanted events of a page into the buffer, as long as there is room; returns whether it goes on."""
        if self._floor.has_risen(page, self._position) and not self._pass_gap(page):
            return False
        self._needs_room = False
        try:
            goes_on = self._put_all(page.rows)
        except Exception as error:  # noqa: BLE001 -- what its own functions raise ends it, and so does an upgrade's step
            self.end(failure(error))
            return False
        if goes_on and not self._needs_room:
            self._position = max(self._position, page.through)
            self._tail.newest = max(self._tail.newest, self._position)
        return goes_on

    def _put_all(self, rows: Sequence[Row]) -> bool:
        interest, ask = self.interest, self._tail.life.delivery.ask
        is_open = not interest.wants and interest.condition is None and not interest.asks
        for row, event in zip(rows, self._tail.decoder.events(rows), strict=True):
            if type(event) is Unreadable:
                if self.may_want(row) and not self.cannot_read(event.error):
                    return False
            elif is_open or ask(partial(wanted, interest, event, self.mailbox)):
                self._needs_room = not ask(partial(self._put, row, event))
                if self.mailbox.end is not None:
                    return False
                if self._needs_room:
                    return True
            self._position = row.seq
        return True

    def _put(self, row: Row, event: Any) -> bool:
        """Put it into the buffer; returns whether there was room, where it must not be dropped."""
        mailbox = self.mailbox
        key_of = mailbox.key_of()
        key = None if key_of is None else hashed(key_of(event))
        must_not_drop = mailbox.overflow == "block" or row.seq <= self._history
        if must_not_drop and mailbox.room() <= 0 and not mailbox.replaces(key):
            return False
        self._tail.give_alone(mailbox, self._tail.decoder.record(row, event), key)
        return True

    async def _wait_for_room(self) -> None:
        """Wait until half of the buffer is free, so that a task is not woken for each event."""
        mailbox = self.mailbox
        while mailbox.end is None and not self._has_room():
            self._room = Event()
            mailbox.watch(self._taken)
            await self._room.wait()
        mailbox.watch(None)

    def _has_room(self) -> bool:
        return self.mailbox.room() >= (self.mailbox.buffer.capacity + 1) // 2

    def _taken(self, _: Mailbox) -> None:
        if self._room is not None and self._has_room():
            self._room.set()

    def _pass_gap(self, page: Page) -> bool:
        """What it would read next was removed; returns whether it goes on behind that."""
        error = self._running.expired(self._tail.subject, self._position, page.floor)
        if not self._gaps:
            self.end(error)
            return False
        self.mailbox.note_missing(page.floor - self._position)
        return True

    def may_want(self, row: Row) -> bool:
        """Whether an event that cannot be read may be one that it wants: nobody can look at more than its name."""
        return self._types is None or row.type in self._types

    def cannot_read(self, error: DecodeError) -> bool:
        """An event that it may want cannot be read: count it, or end; returns whether it goes on."""
        if self._skips:
            self.undecodable += 1
            return True
        self.end(error)
        return False

    def let_go(self) -> None:
        """Nobody can read it any more."""
        self._tail.forget(self)
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None and self._running.loop.is_here():  # not in a forked child, where it is a copy
            self._task.cancel()

    def end(self, end: End) -> None:
        """Nothing more comes in; what is buffered can still be read."""
        self.mailbox.finish(end)
        self._tail.life.members.remove(self.mailbox)

    def _ended(self) -> None:
        """The subscription has ended, for whatever reason."""
        end = self.mailbox.end
        if isinstance(end, partial) and end.func is SlowSubscriber:
            offset = self._running.offset(self._tail.subject, self.position)
            self.mailbox.end_with(partial(SlowSubscriber, *end.args, offset=offset))
        self._position, self._live = self.position, False
        self._tail.forget(self)
        if self._room is not None:
            self._room.set()
        self._cancel()
