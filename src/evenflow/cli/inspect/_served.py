"""A page for whoever sits at this machine: served on a loopback address, below a token that nobody can guess."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.responses import PlainTextResponse

from evenflow.cli.logs._names import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.types import ASGIApp, Receive, Scope, Send

LOOK: Final = 0.05
"""Seconds between two looks at whether a server has started: it tells nobody."""


class Token:
    """Lets an application be reached below one path alone."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404."""
        token, slash, _ = str(scope.get("path", "")).lstrip("/").partition("/")
        if scope["type"] != "http":
            return
        if not slash or not secrets.compare_digest(token.encode(), self._token.encode()):
            await PlainTextResponse("404: the inspector's address has a token in it\n", 404)(scope, receive, send)
            return
        await self._app({**scope, "root_path": f"{scope.get('root_path', '')}/{token}"}, receive, send)


class Server(uvicorn.Server):
    """A server in the running loop.

    Attributes:
        address: where the page is, with its token.
    """

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self.address = address

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the command: it ends what it runs and closes what it has opened, and then the server."""
        yield


@asynccontextmanager
async def served(app: ASGIApp, *, port: int) -> AsyncGenerator[Server]:
    """Serve an application within this block.

    Raises:
        Refused: the port cannot be had.
    """
    token = secrets.token_urlsafe(16)
    with _listening(port) as listening:
        config = uvicorn.Config(
            Token(app, token), log_level="error", access_log=False, lifespan="off", ws="none", proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/{token}/"
        server = Server(config, address)
        serving = asyncio.create_task(server.serve([listening]), name="evenflow inspect")
        try:
            while not (server.started or serving.done()):  # noqa: ASYNC110 -- uvicorn has no event for it
                await asyncio.sleep(LOOK)
            yield server
        finally:
            server.should_exit = True
            await serving


@contextmanager
def _listening(port: int) -> Generator[socket.socket]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise Refused(f"port {port} cannot be had: {error.strerror}; without --port one that is free is") from None
        yield listening
