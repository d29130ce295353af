"""What the tests of faults share: a server of each test's own, and a proxy before it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import TaskGroup

from tests.conformance.kit import PATIENCE
from tests.log.load import Load, Placed, on_asyncio, soon

from .server import Server, free_port

__all__ = ["Load", "Placed", "Proxy", "on_asyncio", "own_server", "soon"]


@contextmanager
def own_server(**settings: str) -> Iterator[Server]:
    """A server for one test."""
    with TemporaryDirectory() as folder:
        server = Server(Path(folder), **settings)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class Proxy:
    """Stands before a server on a port of its own.

    Attributes:
        delay: seconds that each piece is held back, in both directions.
        swallows: whether what the server answers is thrown away.
    """

    def __init__(self, server: Server, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.port = free_port()
        self.delay = 0.0
        self.swallows = False
        self._server = server
        self._open: set[asyncio.StreamWriter] = set()
        self._running = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        listening = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        try:
            yield self
        finally:
            listening.close()
            with anyio.move_on_after(PATIENCE):
                while self._running or any("_accept_connection" in repr(task) for task in asyncio.all_tasks()):
                    self.cut()
                    await asyncio.sleep(0.01)

    def turn_to(self, server: Server) -> None:
        """From now on this server is behind it, as after a failover."""
        self._server = server
        self.cut()

    def cut(self) -> None:
        """Reset every connection, in both directions, in the middle of whatever it carries."""
        for writer in [*self._open]:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._running += 1
        try:
            await self._connect(reader, writer)
        finally:
            self._running -= 1

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, to_server}
        self._open |= both
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._carry, reader, to_server, False, tasks)
                tasks.start_soon(self._carry, from_server, writer, True, tasks)
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool, tasks: TaskGroup
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self.swallows:
                    continue
                writer.write(data)
                await writer.drain()
        tasks.cancel_scope.cancel()
