"""Reading what is stored now, from one place to another: pages of records, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from evenflow._routing import wanted

from ._coding import Decoder, Unreadable
from ._floor import Floor
from ._record import Record
from ._tail import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from evenflow._mailbox import UserFunctions
    from evenflow._routing import Interest

    from ._coding import Kind
    from ._offsets import Since, Until
    from ._opening import Opening


class Reader(AsyncIterator[Any]):
    """The wanted records between two places. A cancelled read takes nothing: the same object can be read again."""

    def __init__(
        self,
        open_log: Callable[[], Opening],
        kind: Kind,
        interest: Interest,
        functions: UserFunctions,
        since: Since,
        until: Until,
    ) -> None:
        self._open = open_log
        self._kind = kind
        self._interest = interest
        self._functions = functions
        self._since: Since = since
        self._until: Until = until
        self._position: int | None = None
        self._last = 0
        self._floor = Floor(since)
        self._page: deque[Record[Any]] = deque()
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record[Any]:
        while not self._page:
            if self._error is not None:
                raise self._error
            if self._position is None:
                await self._begin()
            if self._position is None or self._position >= self._last:
                raise StopAsyncIteration
            await self._turn_page(self._position)
        return self._page.popleft()

    async def _begin(self) -> None:
        running, name = self._open().running, self._kind.subject
        last = await running.limit(name, self._until)
        position = await running.position(name, self._since, last)
        self._position, self._last = position, last

    async def _turn_page(self, position: int) -> None:
        running, kind = self._open().running, self._kind
        decoder = Decoder(running, kind)
        types = decoder.names_of(self._interest.wants)
        asked = decoder.wanted(types, self._interest.condition)
        if asked is None:
            page = await running.engine.read(kind.subject, position, PAGE, types=types, until=self._last)
        else:
            page = await running.engine.read_wanted(kind.subject, position, PAGE, asked, until=self._last)
        if self._floor.has_risen(page, position):
            self._error = running.expired(kind.subject, position, page.floor)
            return
        interest, functions, offset_of = self._interest, self._functions, decoder.offset_of
        is_open = not interest.wants and interest.condition is None and not interest.asks
        events = decoder.events(page.rows)
        if is_open and Unreadable not in set(map(type, events)):
            self._page.extend(map(Record, events, page.rows, repeat(offset_of)))
            self._position = page.through
            return
        for row, event in zip(page.rows, events, strict=True):
            if type(event) is Unreadable:
                if not kind.skips:
                    self._error = event.error
                    break
            elif is_open or wanted(interest, event, functions):
                self._page.append(Record(event, row, offset_of))
        self._position = page.through
