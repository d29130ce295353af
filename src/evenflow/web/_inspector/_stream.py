"""The stream of one viewer: frames, from the first with everything until it goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import sleep

from ._connection import Connection

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ._hub import Hub

MOST_VIEWERS: Final = 200


class LiveFrames:
    """An ASGI response: server-sent events, each a frame of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames until the viewer goes."""
        if self._hub.viewers >= MOST_VIEWERS:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"30")]})
            await send({"type": "http.response.body", "body": b"too many look already\n"})
            return
        connection = Connection(scope, receive, send)
        await connection.run(partial(self._frames, connection), self._look_into_stores)

    async def _frames(self, connection: Connection) -> None:
        with self._hub.viewer() as viewer:
            frames = b"retry: 1000\n" + viewer.frames()
            while not connection.is_over():
                await connection.send(frames)
                await sleep(viewer.pause())
                frames = viewer.frames()

    async def _look_into_stores(self) -> None:
        while True:
            await self._hub.look_into_stores()
            await sleep(max(0.1, self._hub.pause()))
