"""The bytes of a stream of server-sent events, for any framework that sends the items of an async iterator.

A framework says nothing of a client that has gone, or that reads nothing: it only reads no more. And what it drops may
live on for long: an error that was raised meanwhile can hold it, until the garbage collector finds both. So

    the last read was cancelled        and nobody reads again for a second           it is closed: the client has gone
    a chunk was taken                  and nobody reads again for `send_timeout`     it is closed: the client is dead

on asyncio. On trio only the framework can close it, or drop it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from anyio import current_time

from ._blocks import HEADERS, Blocks
from ._feed import Feed
from ._later import later

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Mapping
    from typing import Self

    from ._cursor import Asked
    from ._options import Options

GONE_AFTER: Final = 1.0
"""Seconds after a cancelled read in which the next one may begin."""


class Frames:
    """An async iterator of bytes, one chunk for each send. ``frames()`` makes it.

    It subscribes at the first read, and ends with the source, or with ``aclose``; call that where the framework does
    not. It is read by one task. A cancelled read loses nothing, if the next one begins within a second.
    It ends by itself when the process is told to end and, on asyncio, when nobody has read it for ``send_timeout``
    after a chunk.

    Attributes:
        status: what to answer: 200, or 204 where the client comes back after the end.
        headers: what to answer with.
    """

    def __init__(self, source: Any, options: Options, asked: Asked | None) -> None:
        self._feed = Feed(source, options, asked)
        self._source = source
        self._retry = options.retry
        self._patience = options.send_timeout
        self._blocks: Blocks | None = None
        self._is_closed = asked is not None and asked.is_the_end
        self._is_left = False
        self._give_up_at: float | None = None
        """When it is closed, if nobody reads it; None while somebody does."""
        self._next_look: TimerHandle | None = None
        """At that; None where none is to come."""
        self.status: int = 204 if self._is_closed else 200
        self.headers: Mapping[str, str] = {"cache-control": "no-store"} if self._is_closed else dict(HEADERS)

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "not read yet" if self._blocks is None else "open"
        return f"<Frames of {self._source!r}, {state}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._is_closed:
            await self._leave()
            raise StopAsyncIteration
        self._give_up_at = None
        try:
            if self._blocks is None:
                await self._feed.__aenter__()
                self._blocks = Blocks(self._feed, self._retry)
            chunk = await self._blocks.next()
        except BaseException:
            self._wait_for_a_reader(GONE_AFTER)
            raise
        if chunk is None:
            await self.aclose()
            raise StopAsyncIteration
        self._wait_for_a_reader(self._patience)
        return chunk

    async def aclose(self) -> None:
        """End the reading; nothing of it is left. The second time it does nothing."""
        self._is_closed = True
        await self._leave()

    async def _leave(self) -> None:
        """Leave what was entered; what a client does not get, because it comes back after the end, is closed too."""
        if self._is_left:
            return
        self._is_left = True
        if self._blocks is None:
            await self._feed.dismiss()
        else:
            await self._feed.__aexit__(None, None, None)
        self._look_no_more()

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _wait_for_a_reader(self, seconds: float) -> None:
        self._give_up_at = current_time() + seconds
        if self._next_look is not None and seconds < self._patience:
            self._look_no_more()  # the next look would be too late
        if self._next_look is None and not self._is_closed:
            self._next_look = later(seconds, partial(_look, ref(self)))


async def _look(known: ref[Frames]) -> None:
    """See whether somebody reads it. While it is read, no look is to come, so that a busy stream costs none."""
    frames = known()
    if frames is None:
        return
    frames._next_look = None
    if frames._give_up_at is None:
        return
    left = frames._give_up_at - current_time()
    if left > 0:
        frames._next_look = later(left, partial(_look, known))
    else:
        await frames.aclose()
