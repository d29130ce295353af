"""What can be read for a client, and what differs: cursors, how one goes on, and where the JSON comes from.

    source                        cursor              goes on after      JSON
    subject, replay               epoch and number    what is kept       of the numbered event
    subject, no replay            none                nothing            the same
    ``share()``                   as a subject        as a subject       the same
    durable subject               its offset          all that is kept   as it is stored
    state, ``subscribe()``        none                nothing            of the value, known weakly
    stream, async iterable        none                nothing            the same

A stream is read in a task of its own, through ``share``: a read that waits no longer, because it is time for a ping,
would end an async generator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, cast

from evenflow._gaps import Gap
from evenflow._share import Shared, share
from evenflow._subject import Subject
from evenflow._subscription import Subscription
from evenflow.log import DurableSubject, LogError, Offset
from evenflow.streams._stream import Stream

from ._cursor import Asked, Refused, memory_cursor, parsed_memory_cursor
from ._encoding import encode, encoded_value, refuse_clash, stored
from ._item import Item, gap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from evenflow.log._feed import Feed as LogFeed

    from ._options import Options

DURABLE_OVERFLOW: Final = "block"
"""For a durable subject the log is the buffer: nobody waits for its readers."""


class Source(ABC):
    """What one client reads.

    Attributes:
        options: what the endpoint asked for.
        missed: whether the client must be told first that events are missing; known once it was opened.
        began_at: the cursor of where it began; None where there are no cursors.
    """

    def __init__(self, options: Options) -> None:
        self.options: Options = options
        self.missed: bool = False
        self.began_at: str | None = None

    def check(self, asked: Asked | None) -> None:
        """Refuse what cannot be, before anything begins.

        Raises:
            Refused: the client has asked for a place that cannot be read.
            TypeError, ValueError, RuntimeError: the endpoint has asked for what cannot be.
        """
        if asked is not None and asked.strict and not self._can_read(asked.text):
            raise Refused("lastEventId is no id of this stream")

    def _can_read(self, text: str) -> bool:
        """Whether this may be a cursor of this source; where it gives none, of any other one."""
        return parsed_memory_cursor(text) is not None or _parsed_offset(text) is not None

    @abstractmethod
    async def open(self, asked: Asked | None, stack: AsyncExitStack) -> Subscription[Any]:
        """Subscribe, after the place that the client has been at; ``stack`` closes it."""

    @abstractmethod
    def item(self, one: Any) -> Item:
        """What the client gets of one thing that was read."""

    def place(self) -> str | None:
        """The cursor of where the client is, asked when it has had everything; None where there are no cursors."""
        return None

    def is_over(self) -> bool:
        """Asked at the end: whether the source has ended for good. One that was left may begin anew."""
        return True

    async def dismiss(self) -> None:
        """Close what was made for this client alone, where it is not opened for it after all."""
        return


class Memory(Source):
    """A subject in memory."""

    def __init__(self, subject: Subject[Any], options: Options, since: object) -> None:
        super().__init__(options)
        if since not in ("now", "start"):
            raise ValueError(
                f"since of a subject in memory must be 'now' or 'start' (what its replay keeps), not {since!r}"
            )
        options.refuse_headers()
        self._subject = subject
        self._since = since
        self._life = subject._life

    def check(self, asked: Asked | None) -> None:
        super().check(asked)
        options = self.options
        self._subject._checked(
            options.wants,
            where=options.where,
            buffer=options.buffer,
            overflow=options.overflow,
            conflate=options.conflate,
            name=options.name,
        )
        refuse_clash(self._subject.name, options.classes() or self._subject._types)

    def _can_read(self, text: str) -> bool:
        return super()._can_read(text) if self._life.history is None else parsed_memory_cursor(text) is not None

    async def open(self, asked: Asked | None, stack: AsyncExitStack) -> Subscription[Any]:
        options = self.options
        self._life = self._subject._life  # it may have begun anew since the request came
        self._numbers = self._life.numbers
        after = self._after(asked)
        if after is None:
            self.missed = asked is not None
            after = self._numbers.newest if self._since == "now" else self._numbers.start()
        if self._numbers.is_kept:
            self.began_at = memory_cursor(self._numbers.epoch, after)
        overflow = options.overflow or ("drop_oldest" if options.conflate is not None else "disconnect")
        subscription = self._subject._subscribe(
            options.wants,
            where=options.where,
            after=after,
            buffer=options.buffer,
            overflow=overflow,
            conflate=options.conflate,
            gaps=overflow != "disconnect",  # nothing comes after what that drops
            name=options.name,
            created_at=options.created_at,
        )
        return await stack.enter_async_context(subscription)

    def _after(self, asked: Asked | None) -> int | None:
        """The number to go on after; None where one cannot."""
        found = None if asked is None or self.options.resume is None else parsed_memory_cursor(asked.text)
        if found is None or found[0] != self._numbers.epoch:
            return None
        number = found[1]
        return number if number <= self._numbers.newest and self._numbers.reaches_back_to(number) else None

    def item(self, one: Any) -> Item:
        if type(one) is Gap:
            return gap(None, one.count)
        if one.memo is None:
            if self._numbers.is_kept:  # whoever comes later gets the same event again
                one.memo = Item(memory_cursor(self._numbers.epoch, one.number), *encoded_value(one.event))
            else:
                one.memo = Item(None, *encode(one.event))
        item: Item = one.memo
        return item

    def place(self) -> str | None:
        numbers = self._numbers
        return memory_cursor(numbers.epoch, numbers.newest) if numbers.is_kept else None

    def is_over(self) -> bool:
        return self._life.is_closed and not self._life.was_left


class Durable(Source):
    """A durable subject of a log."""

    def __init__(self, subject: DurableSubject[Any], options: Options) -> None:
        super().__init__(options)
        self._subject = subject
        self._feed: LogFeed | None = None

    def check(self, asked: Asked | None) -> None:
        super().check(asked)
        options = self.options
        self._subject._check_reading(
            options.wants,
            options.where,
            options.since,
            options.buffer,
            options.overflow,
            options.conflate,
            options.name,
        )
        refuse_clash(self._subject.name, options.classes() or self._subject._types)

    def _can_read(self, text: str) -> bool:
        return self._offset(text) is not None

    def _offset(self, text: str) -> Offset | None:
        offset = _parsed_offset(text)
        return offset if offset is not None and offset.subject == self._subject.name else None

    async def open(self, asked: Asked | None, stack: AsyncExitStack) -> Subscription[Any]:
        options = self.options
        since = await self._after(asked)
        self.missed = asked is not None and since is None
        overflow = options.overflow or (None if options.conflate is not None else DURABLE_OVERFLOW)
        subscription = self._subject._subscribe(
            options.wants,
            options.where,
            options.since if since is None else since,
            options.buffer,
            overflow,
            options.conflate,
            overflow != "disconnect",  # gaps: nothing comes after what that drops
            options.name,
            options.created_at,
            records=True,
        )
        self._feed = cast("LogFeed", subscription._feed)
        await stack.enter_async_context(subscription)
        self.began_at = self.place()
        return subscription

    async def _after(self, asked: Asked | None) -> Offset | None:
        """The offset to go on after; None where one cannot."""
        resume = self.options.resume
        offset = None if asked is None or resume is None else self._offset(asked.text)
        if offset is None:
            return None
        try:
            within = await self._subject._is_within(offset, None if resume is True else resume)
        except LogError:
            raise
        except ValueError:  # of another line of the log
            return None
        return offset if within else None

    def item(self, one: Any) -> Item:
        if type(one) is Gap:
            return gap(None, one.count)
        names = self.options.headers
        if one._memo is None or one._memo[0] != names:
            row = one._row
            chosen: Mapping[str, str] | None = None
            if names:
                chosen = {name: row.headers[name] for name in names if name in row.headers}
            one._memo = (names, Item(str(one.offset), *stored(one.event, row.version, row.data), chosen))
        item: Item = one._memo[1]
        return item

    def place(self) -> str | None:
        return None if self._feed is None else str(self._feed.place())

    def is_over(self) -> bool:
        return False  # a log is closed when it is left, and opened again


class Values(Source):
    """Whatever else gives values: a state, what can be subscribed to, a stream, an async iterable."""

    def __init__(self, given: Any, options: Options) -> None:
        super().__init__(options)
        self._given = given
        options.refuse_choosing()

    def check(self, asked: Asked | None) -> None:
        super().check(asked)
        given: object = self._given
        if isinstance(given, Stream):
            self._given._check_owner()

    async def open(self, asked: Asked | None, stack: AsyncExitStack) -> Subscription[Any]:
        self.missed = asked is not None
        given: Any = self._given.subscribe() if hasattr(self._given, "subscribe") else self._given
        subscription: Subscription[Any] = given
        if not isinstance(subscription, Subscription):
            subscription = (await stack.enter_async_context(share(given))).subscribe()
        return await stack.enter_async_context(subscription)

    def item(self, one: Any) -> Item:
        if type(one) is Gap:
            return gap(None, one.count)
        return Item(None, *encoded_value(one))

    async def dismiss(self) -> None:
        await dismissed(self._given)


def _parsed_offset(text: str) -> Offset | None:
    try:
        return Offset.parse(text)
    except ValueError:
        return None


async def dismissed(given: Any) -> None:
    """Close a stream that a client does not get.

    An endpoint makes it anew for each client, as in ``sse(request, orders.subscribe().map(row))``, and a subscription
    is active from then on.
    """
    source: object = given
    if isinstance(source, Stream):
        await given.aclose()


def source_of(given: Any, options: Options) -> Source:
    """How this is read.

    Raises:
        TypeError: nothing can be read from it.
        ValueError: an option makes no sense for it.
    """
    source: object = given
    if isinstance(source, Subject):
        return Memory(given, options, options.since)
    if isinstance(source, DurableSubject):
        return Durable(given, options)
    if isinstance(source, Shared):
        options.refuse_choosing()
        return Memory(given._subject, options, "start")
    if hasattr(given, "subscribe") or hasattr(given, "__aiter__"):
        return Values(given, options)
    raise TypeError(
        f"a source of events must be a subject, a durable subject, a State, what share() returns, a stream or an async"
        f" iterable, not {given!r}"
    )
