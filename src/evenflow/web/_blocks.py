"""The bytes of one client's server-sent events, for SSE and for frames: one chunk for each send.

    first       : <comment>                    so that a proxy passes the headers on
    events      id, event, data; in a chunk of at most 256 KiB, all that wait
    idle        :                              a comment without an empty line: no client takes it for an event
    a place     id: <cursor>                   and an empty line: the client knows where it is, and gets no event
    the end     ``evenflow.end``, ``evenflow.slow``, or nothing

``retry:`` stands in front of the first block that has anything in it: on its own some clients take it for an event.
It is different for each client, so that not all come back in one moment after a restart.
"""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from ._feed import Feed
    from ._item import Item

FIRST: Final = b": events\n"
PING: Final = b":\n"
MOST_BYTES: Final = 256 * 1_024
"""A chunk that is larger is sent in several, so that no client holds more than that twice."""

JITTER: Final = 0.5
"""A client comes back after ``retry`` seconds, and at most this share of it later."""

HEADERS: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}
"""No cache, nothing that buffers or compresses in between, and nobody guesses what it is."""


class LastBatch:
    """The batch that was joined last in this loop: clients that take the same events one after the other share it.

    Attributes:
        items: what it was made of.
        chunks: its bytes, as they are sent.
    """

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()
        self.chunks: tuple[bytes, ...] = ()

    def joined(self, items: tuple[Item, ...]) -> tuple[bytes, ...]:
        """The chunks of a batch; made, where it is not the very batch that was joined last."""
        if items != self.items:  # an item equals itself alone
            self.items, self.chunks = items, _joined([item.block for item in items])
        return self.chunks


_LAST: Final[RunVar[LastBatch]] = RunVar("evenflow.web.batch")


def _last_batch() -> LastBatch:
    found = _LAST.get(None)
    if found is None:
        found = LastBatch()
        _LAST.set(found)
    return found


def _joined(blocks: list[bytes]) -> tuple[bytes, ...]:
    """One chunk for as many blocks as fit into one."""
    if sum(map(len, blocks)) <= MOST_BYTES:
        return (b"".join(blocks),)
    chunks, size, chunk = list[bytes](), 0, list[bytes]()
    for block in blocks:
        if chunk and size + len(block) > MOST_BYTES:
            chunks.append(b"".join(chunk))
            size, chunk = 0, []
        size += len(block)
        chunk.append(block)
    return (*chunks, b"".join(chunk))


class Blocks:
    """What is sent to one client, chunk by chunk; made anew for each reading."""

    def __init__(self, feed: Feed, retry: float) -> None:
        self._feed = feed
        feed.let_events_gather()
        self._last = _last_batch()
        self._retry: bytes = b"retry: %d\n" % round(1_000 * uniform(retry, retry * (1 + JITTER)))  # noqa: S311 -- spreads load
        self._waiting: list[bytes] = [FIRST]
        self._is_over = False

    async def next(self) -> bytes | None:
        """Wait for the next chunk; None at the end. Cancelling loses nothing."""
        while not self._waiting:
            if self._is_over:
                return None
            items = await self._feed.read()
            if items is None:
                self._is_over = True
                word = self._feed.last_word()
                self._add(() if word is None else (word,))
            elif items:
                self._add(items)
            else:
                place = self._feed.place()
                self._waiting.append(PING if place is None else self._first(b"id: %b\n\n" % place.encode()))
        return self._waiting.pop(0)

    def _add(self, items: tuple[Item, ...]) -> None:
        if len(items) == 1:
            self._waiting.append(self._first(items[0].block))
        elif self._retry and items:  # no other client has this time to come back
            first, *rest = [item.block for item in items]
            self._waiting += _joined([self._first(first), *rest])
        elif items:
            self._waiting += self._last.joined(items)

    def _first(self, block: bytes) -> bytes:
        if self._retry:
            block, self._retry = self._retry + block, b""
        return block
