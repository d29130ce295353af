"""One WebSocket: events to the client, its messages to ``receive``, and the code with which it ends.

    code    why                                                             last frame
    1000    the subject was closed, or the stream has ended: do not come    ``evenflow.end``
            back
    1001    left, shutdown, lifetime: come back
    1008    the client sends too fast
    1009    a message was too big
    1011    the source failed: come back
    1013    the client was too slow: come back                              ``evenflow.slow``

The reason of a code is ``<why>; retry=<milliseconds>``, or ``<why>`` alone where the client should not come back.

Three tasks: one reads the connection, one handles what came, and this one sends. The first never waits for the
others, so a client that leaves is noticed. Frames of two tasks never mix: a lock is held for each.
"""

from __future__ import annotations

from contextlib import suppress
from random import uniform
from typing import TYPE_CHECKING, Final

from anyio import CancelScope, Lock, create_task_group, move_on_after
from anyio.lowlevel import checkpoint
from starlette.websockets import WebSocketDisconnect, WebSocketState

from ._blocks import JITTER
from ._cutting import cut_off, cut_off_if_stuck
from ._item import Item

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.websockets import WebSocket

    from ._feed import Feed
    from ._incoming import Incoming

PING: Final = "evenflow.ping"
"""Sent when nothing else was, for `ping` seconds; its id is where the client is, if that is further than it knows."""

GOODBYE: Final = 1.0
"""Seconds that closing may take: a client that does not read must not keep anything."""

MOST_AT_ONCE: Final = 4
"""Frames between two turns of the loop, in which it learns that a client has gone; asyncio warns of the fifth write."""

_CODES: Final = {
    "closed": 1000, "left": 1001, "shutdown": 1001, "lifetime": 1001, "failed": 1011, "slow": 1013, "too fast": 1008,
    "too big": 1009,
}  # fmt: skip
_FINAL: Final = frozenset({"closed", "too fast", "too big"})


class Conversation:
    """One connection that was accepted, and the feed that it gets."""

    def __init__(self, socket: WebSocket, feed: Feed, incoming: Incoming, retry: float) -> None:
        self._socket = socket
        self._feed = feed
        self._incoming = incoming
        self._retry = retry
        self._lock = Lock(fast_acquire=True)
        self._scope = CancelScope()
        self._why: str | None = None
        """Why it ends; None where the client has gone."""
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Serve the client until one side ends it.

        Raises:
            Exception: what the server itself raised.
        """
        try:
            async with create_task_group() as group:
                self._scope = group.cancel_scope
                group.start_soon(self._read_all)
                group.start_soon(self._handle_all)
                await self._guarded(self._send_all)
                group.cancel_scope.cancel()
        finally:
            self._incoming.close()
            if self._feed.why == "shutdown":  # a server that says so itself closes it only when all is written
                cut_off_if_stuck(self._socket._receive, GOODBYE)
        if self._failure is not None:
            raise self._failure
        if self._why is not None:
            await self._say_goodbye(self._why)

    async def _guarded(self, serve: Callable[[], Awaitable[None]]) -> None:
        """What ends one task ends all; a client that has gone is no failure."""
        try:
            await serve()
        except (WebSocketDisconnect, OSError):
            self._end(None)
        except Exception as error:  # noqa: BLE001 -- it goes out as it is, in no group
            if self._is_open():
                self._failure = self._failure or error
            self._end(None)

    def _is_open(self) -> bool:
        states = (self._socket.client_state, self._socket.application_state)
        return states == (WebSocketState.CONNECTED, WebSocketState.CONNECTED)

    def _end(self, why: str | None) -> None:
        if not self._scope.cancel_called:
            self._why = why
            self._scope.cancel()

    async def _send_all(self) -> None:
        frames = 0
        while (items := await self._feed.read()) is not None:
            for item in items or (self._ping(),):
                if not await self._send(item):
                    self._end(self._feed.why or "slow")
                    return
                frames += 1
                if frames % MOST_AT_ONCE == 0:
                    await checkpoint()
        if (word := self._feed.last_word()) is not None:
            await self._send(word)
        self._end(self._feed.why)

    def _ping(self) -> Item:
        return Item(self._feed.place(), PING, b"null")

    async def _send(self, item: Item) -> bool:
        async with self._lock:
            return await self._feed.send(self._socket.send, {"type": "websocket.send", "text": item.frame})

    async def _read_all(self) -> None:
        await self._guarded(self._read)

    async def _read(self) -> None:
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            if (excess := self._incoming.take(message)) is not None:
                self._end(excess)
                return
        self._end(None)

    async def _handle_all(self) -> None:
        await self._guarded(self._handle)

    async def _handle(self) -> None:
        await self._incoming.handle_all(self._send)

    async def _say_goodbye(self, why: str) -> None:
        reason = why
        if why not in _FINAL:
            later = uniform(self._retry, self._retry * (1 + JITTER))  # noqa: S311 -- spreads load
            reason = f"{why}; retry={round(1_000 * later)}"
        with move_on_after(GOODBYE) as scope:
            with suppress(WebSocketDisconnect, OSError, RuntimeError):  # it has gone meanwhile
                await self._socket.close(_CODES[why], reason)
        if scope.cancelled_caught:
            cut_off(self._socket._receive)
