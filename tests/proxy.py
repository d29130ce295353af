"""A small TCP proxy on loopback that cuts, halves, delays and refuses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Self

import anyio
from anyio.abc import SocketStream


class Proxy:
    """Passes on what comes to ``port``, to the server's port. Enter it with ``async with``."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[tuple[SocketStream, SocketStream]] = set()
        self._refuses = False
        self._half = False
        self.delay = 0.0
        """Seconds before each piece of an answer."""
        self.port = 0
        self.bytes_from_server = 0
        self._held = b""
        self._may_pass = anyio.Event()

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        listener = await self._stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self._tasks: Any = await self._stack.enter_async_context(anyio.create_task_group())
        self._tasks.start_soon(listener.serve, self._serve)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._tasks.cancel_scope.cancel()
        await self._stack.aclose()

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            if self._refuses:
                return
            try:
                server = await anyio.connect_tcp("127.0.0.1", self._target)
            except OSError:
                return
            pair = (client, server)
            self._pairs.add(pair)
            try:
                async with server, anyio.create_task_group() as tasks:
                    tasks.start_soon(self._pass, client, server, tasks)
                    tasks.start_soon(self._answer, server, client, tasks)
            finally:
                self._pairs.discard(pair)

    async def _pass(self, source: SocketStream, target: SocketStream, tasks: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await source.receive()
                if self._held and (place := data.find(self._held)) >= 0:
                    await target.send(data[:place])
                    data = data[place:]
                    await self._may_pass.wait()
                await target.send(data)
        tasks.cancel_scope.cancel()

    async def _answer(self, source: SocketStream, target: SocketStream, tasks: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await source.receive()
                self.bytes_from_server += len(data)
                if self.delay:
                    await anyio.sleep(self.delay)
                if self._half:
                    await target.send(data[: len(data) // 2])
                    break
                await target.send(data)
        tasks.cancel_scope.cancel()

    def hold(self, words: bytes) -> None:
        """From these words on, what a client sends waits for ``let_go``; what it sent before them is passed on."""
        self._held, self._may_pass = words, anyio.Event()

    def let_go(self) -> None:
        """Pass on what is held, and hold nothing more."""
        self._held = b""
        self._may_pass.set()

    async def cut(self, *, half: bool = False) -> None:
        """End all connections; ``half``: each in the middle of its next answer."""
        if half:
            self._half = True
            await anyio.sleep(0.05)
            self._half = False
        for pair in list(self._pairs):
            for stream in pair:
                await stream.aclose()

    @asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """No new connection is taken in this block."""
        self._refuses = True
        try:
            yield
        finally:
            self._refuses = False
