"""One stream to a viewer: it ends when the viewer goes or takes nothing, when its time is over, or with the process."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, create_task_group, move_on_after

from evenflow.web._cutting import cut_off
from evenflow.web._shutdown import told_of_shutdown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import Receive, Scope, Send

    Work = Callable[[], Coroutine[Any, Any, None]]

LIFETIME: Final = 3_600.0
"""Seconds after which a viewer must come again, so that its rights are asked again; a browser does by itself."""
SEND_TIMEOUT: Final = 20.0
"""Seconds after which a viewer that takes nothing is let go."""
GRACE: Final = 0.5
"""Seconds that the end of a stream may take."""

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Connection:
    """A stream of server-sent events. It has no generator: a viewer that goes ends tasks, in the middle of whatever."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._only_head = scope["method"] == "HEAD"
        self._receive = receive
        self._send = send
        self._gone = False
        self._scope = CancelScope()
        self._until = time.monotonic() + LIFETIME

    async def run(self, work: Work, *beside: Work) -> None:
        """Do the work, and others beside it, until it is done or the stream ends; nothing of it for a ``HEAD``."""
        if self._only_head:
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await self._send({"type": "http.response.body", "body": b""})
            return
        async with create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            for one in (self._until_it_goes, *beside):
                tasks.start_soon(one)
            # First of all: where the process ends already the stream is told at once, and an end alone is no answer.
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            with told_of_shutdown(self._stop), move_on_after(LIFETIME):  # also where nothing comes that would be sent
                await work()
            tasks.cancel_scope.cancel()
        await self._end()

    async def _end(self) -> None:
        """End the stream whole; a viewer that takes nothing is cut off."""
        if not self._gone:
            with move_on_after(GRACE) as ending, suppress(OSError):  # it has gone in this moment
                await self._send({"type": "http.response.body", "body": b""})
            self._gone = ending.cancelled_caught
        if self._gone:
            cut_off(self._receive)

    def is_over(self) -> bool:
        """Whether the viewer must come again."""
        return self._gone or time.monotonic() >= self._until

    async def send(self, body: bytes) -> None:
        """Send this; a viewer that does not take it has gone."""
        with move_on_after(SEND_TIMEOUT) as sending:
            try:
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
            except OSError:
                self._gone = True
        if sending.cancelled_caught:
            self._gone = True

    async def _until_it_goes(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._scope.cancel()

    def _stop(self) -> None:
        """The process ends: a server waits for its connections, so this one ends by itself."""
        self._scope.cancel()
