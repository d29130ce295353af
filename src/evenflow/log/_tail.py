"""The newest end of one subject, while its log is open: each new event is read once, and given to all who are there.

A subscription is *live* while it has had everything that the tail has given out: then it is a member of the tail's own
delivery, which finds whoever wants an event by its index, as a subject in memory does. One that is behind reads on its
own (``_feed``), and joins when it has read as far as the tail.

Rule 1: the position of the tail changes in the same instant in which an event is given out.
Rule 2: a feed joins only when it is exactly where the tail is; so it gets everything after its position, once.
Rule 3: the tail waits for no reader: whoever has no room is passed over, and falls behind.
Rule 4: where nobody is live the tail reads nothing; the next one to join brings its position.
Rule 5: where the server filters, a page has what those want who had asked before it was read. Whoever joins in the
        middle of one waits until it is given out, and reads on alone if that has passed it by.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Protocol

from anyio import CancelScope, ClosedResourceError, EndOfStream, Lock

from evenflow._errors import DecodeError, LogError
from evenflow._fork import forget_in_child
from evenflow._life import Life

from ._stored import Away

if TYPE_CHECKING:
    from evenflow._ends import End
    from evenflow._mailbox import Mailbox
    from evenflow._routing import Interest

    from ._coding import Decoder, Kind
    from ._engine import Engine
    from ._record import Record
    from ._routes import Wanted
    from ._running import Running
    from ._stored import Page, Row

_log = logging.getLogger("evenflow.log")

PAGE: Final = 512
"""Events that are read at a time: enough for a page to cost little, few enough for the loop to turn."""


class Reader(Protocol):
    """One that reads a subject: live, or behind, or about to join.

    Attributes:
        mailbox: where its events go.
        interest: which it wants.
    """

    mailbox: Mailbox
    interest: Interest

    @property
    def position(self) -> int:
        """Everything up to this number was given to it, or is not wanted."""
        ...

    def asked(self) -> Wanted | None:
        """What the server may be told of what it wants; None if the server can leave out nothing."""
        ...

    def joined(self) -> None:
        """The tail gives it everything from its own position on."""
        ...

    def fall_behind(self) -> None:
        """From the tail's position on, read alone."""
        ...

    def may_want(self, row: Row, /) -> bool:
        """Whether an event that cannot be read may be one that it wants."""
        ...

    def cannot_read(self, error: DecodeError, /) -> bool:
        """An event that it may want cannot be read."""
        ...

    def end(self, end: End, /) -> None:
        """Nothing more comes."""
        ...


class Tail:
    """The newest end of one subject.

    Attributes:
        life: the delivery to those who are live.
        position: everything up to this number was given out, or was seen to be wanted by nobody.
        newest: the highest number that is known of.
        current: the record that is being given out.
        one_behind: whoever has it reads history. A hundred at once would hold the loop a hundred times as long.
    """

    def __init__(self, running: Running, kind: Kind, decoder: Decoder) -> None:
        self.engine: Engine = running.engine
        self.decoder = decoder
        self.subject: str = kind.subject
        self.life: Life[Any] = Life(
            kind.subject, kind.types, stall_after=math.inf, unwanted=_nothing, loop_ended=_nothing
        )
        self.life.enter()
        self.position: int = 0
        self.newest: int = 0
        self.current: Record[Any] | None = None
        self.one_behind: Lock = Lock()
        self._running = running
        self._live: dict[Mailbox, Reader] = {}
        self._joining: list[tuple[int, int, Reader]] = []
        """Those that have read further than the tail, by their position: they join when it comes there."""
        self._joined = 0
        self._runs = False
        self._looks = False
        self._reads = False
        """Whether it is in the middle of a page, so that its position is its own affair."""
        self._feeds: set[Reader] = set()
        forget_in_child(self)
        self._asking: set[Reader] = set()
        """Where the server filters: for whom pages are read."""
        self._page_for: frozenset[Reader] = frozenset()
        """For whom the page is read that is being given out."""
        self._late: list[Reader] = []
        """Those that have joined in the middle of a page that is not read for them."""
        self._waiting: CancelScope | None = None

    def know(self, feed: Reader) -> None:
        """A subscription has begun; it is ended with the log, unless it ends before."""
        self._feeds.add(feed)

    def forget(self, feed: Reader) -> None:
        """It has ended; the delivery lets go of its mailbox by itself."""
        self._feeds.discard(feed)
        self._asking.discard(feed)
        self._live.pop(feed.mailbox, None)

    def record(self, _event: object) -> object:
        """The record of the event that is being given out: what those get who asked for records."""
        return self.current

    def join(self, feed: Reader) -> None:
        """From its position on, give it everything. It is at the tail's position, or further."""
        if not (self._live or self._joining or self._reads):
            self.position = feed.position
        if self.decoder.filters and not self._asks_for(feed):
            self._late.append(feed)
        elif feed.position == self.position:
            self._add(feed)
        else:
            self._joined += 1
            heappush(self._joining, (feed.position, self._joined, feed))
        if not self._runs:
            self._runs = True
            self._running.run(self._run, name=f"tail of {self.subject}")

    def _asks_for(self, feed: Reader) -> bool:
        """From the next page on read for this one, too; returns whether the page that is being given out is, too."""
        self._asking.add(feed)
        if self._waiting is not None:
            self._waiting.cancel()  # it waits for what others want
        return not self._reads or feed in self._page_for

    def _add(self, feed: Reader) -> None:
        if feed.mailbox.end is None and feed in self._feeds:
            self._live[feed.mailbox] = feed
            feed.joined()
            self.life.members.add(feed.mailbox, feed.interest)

    def leave(self, feed: Reader) -> None:
        """It has ended, or goes on alone."""
        self._asking.discard(feed)
        if self._live.pop(feed.mailbox, None) is not None:
            self.life.members.remove(feed.mailbox)

    def is_ahead_of(self, position: int) -> bool:
        """Whether whoever has read up to there must read further before it can join."""
        return bool(self._live or self._joining or self._reads) and position < self.position

    async def _run(self) -> None:
        """Give out what is new, as long as somebody is live."""
        try:
            while self._live or self._joining:
                mark = self.engine.mark()
                self._reads = True
                page, asked = await self._read()
                if page.floor > self.position:  # retention was faster: each tells its reader by itself
                    self._all_fall_behind()
                    continue
                for row in page.rows:
                    self._let_join(row.seq)
                    await self._give(row)
                self._let_join(page.through + 1)
                self.position = max(self.position, page.through)
                self.newest = max(self.newest, self.position)
                self._reads = False
                self._let_late_ones_join()
                if len(page.rows) < PAGE:
                    await self._wait(mark, asked)
        except Exception as error:  # noqa: BLE001 -- whatever it is, nobody must wait for what will not come
            if not isinstance(error, LogError):
                _log.exception("%s can give out no more events", self.subject, extra={"subject": self.subject})
            for feed in [*self._live.values(), *(feed for _, _, feed in self._joining), *self._late]:
                feed.end(error)
        finally:
            self._runs = self._reads = False

    async def _read(self) -> tuple[Page, Wanted | None]:
        """The next page, and what the server was told of what is wanted."""
        self._page_for = frozenset(self._asking)
        asked = self._asked()
        if asked is None:
            return await self.engine.read_when_back(self.subject, self.position, PAGE), None
        return await self.engine.read_wanted_when_back(self.subject, self.position, PAGE, asked), asked

    def _asked(self) -> Wanted | None:
        """What those want together for whom pages are read; None for everything."""
        found = [feed.asked() for feed in self._page_for]
        asked = [each for each in found if each is not None]
        if not asked or len(asked) < len(found):
            return None
        together = asked[0]
        for each in asked[1:]:
            together |= each
        return None if together.is_everything else together

    async def _wait(self, mark: int, asked: Wanted | None) -> None:
        """Wait until there may be more; or until somebody has joined who wants something else."""
        if not self._page_for:
            await self.engine.wait(mark, (self.subject,))
            return
        with CancelScope() as self._waiting:
            if self._asking <= self._page_for:
                if asked is None:
                    await self.engine.wait(mark, (self.subject,))
                else:
                    await self.engine.wait_for_wanted(mark, self.subject, asked)
        self._waiting = None

    def _let_late_ones_join(self) -> None:
        """The page was not read for them: whoever it has passed by reads on alone, and joins again."""
        late, self._late = self._late, []
        for feed in late:
            if feed.mailbox.end is not None:
                continue
            if feed.position < self.position:
                feed.fall_behind()
            else:
                self.join(feed)

    def _let_join(self, before: int) -> None:
        """Let those join whose position is before this number: they are where the tail is."""
        while self._joining and self._joining[0][0] < before:
            position, _, feed = heappop(self._joining)
            self.position = max(self.position, position)
            self._add(feed)

    async def _give(self, row: Row) -> None:
        try:
            event = self.decoder.event(row)
        except DecodeError as error:
            self._undecodable(row, error)
        else:
            self.current = self.decoder.record(row, event)
            for mailbox in await self.life.delivery.publish_past(event):
                if (feed := self._live.get(mailbox)) is not None:
                    self._falls_behind(feed)
        self.position = row.seq
        self.current = None

    def _falls_behind(self, feed: Reader) -> None:
        feed.fall_behind()
        self.leave(feed)

    def _all_fall_behind(self) -> None:
        self._reads = False
        for feed in [*self._live.values()]:
            self._falls_behind(feed)
        while self._joining:
            heappop(self._joining)[2].fall_behind()
        self._let_late_ones_join()

    def _undecodable(self, row: Row, error: DecodeError) -> None:
        """End those that would want it, if only it could be read; or count it for them."""
        for feed in [*self._live.values()]:
            if feed.may_want(row):
                feed.cannot_read(error)

    def keep_newest(self) -> None:
        """Somebody is behind: know from now on how far."""
        if not self._looks:
            self._looks = True
            self._running.run(self._look, name=f"lag of {self.subject}")

    async def _look(self) -> None:
        try:
            while len(self._feeds) > len(self._live):
                mark = self.engine.mark()
                with suppress(Away):
                    self.newest = max(self.newest, await self.engine.end(self.subject))
                await self.engine.wait(mark, (self.subject,))
        except LogError as error:
            _log.info(
                "%s does not know how far its readers are behind: %s",
                self.subject,
                error,
                extra={"subject": self.subject},
            )
        finally:
            self._looks = False

    def give_alone(self, mailbox: Mailbox, record: Record[Any], key: object) -> None:
        """Give an event to one subscription that is behind, and to nobody else."""
        before, self.current = self.current, record
        try:
            self.life.delivery.give_first(mailbox, record.event, key)
        finally:
            self.current = before

    def close(self) -> None:
        """The log is closed: nothing more comes, and whoever reads hears of it after what it still holds."""
        for feed in [*self._feeds]:
            feed.end(EndOfStream)
        self.life.close()
        self.life.left()

    def _forked(self) -> None:
        """This is the copy in a child process: who is behind, or has not begun, would wait there for ever."""
        end = ClosedResourceError(
            f"a subscription of {self.subject} belongs to the process that opened its log: open the log here anew, and"
            " subscribe"
        )
        for feed in [*self._feeds]:
            feed.mailbox.discard(end)


def _nothing(_: object) -> None:
    """Nobody needs to hear of it."""
