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

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Blocks:
    """What is sent to one client, chunk by chunk; made anew for each reading."""

    def __init__(self, feed: Feed, retry: float) -> None:
        self._feed = feed
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

    def _add(self, items: Sequence[Item]) -> None:
        if len(items) == 1:
            self._waiting.append(self._first(items[0].block))
            return
        size, chunk = 0, list[bytes]()
        for item in items:
            block = self._first(item.block)
            if chunk and size + len(block) > MOST_BYTES:
                self._waiting.append(b"".join(chunk))
                size, chunk = 0, []
            size += len(block)
            chunk.append(block)
        if chunk:
            self._waiting.append(b"".join(chunk))

    def _first(self, block: bytes) -> bytes:
        if self._retry:
            block, self._retry = self._retry + block, b""
        return block
