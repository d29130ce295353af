"""An application under uvicorn in the loop of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn


class QuietServer(uvicorn.Server):
    """Leaves the signals to whoever runs the tests, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncGenerator[str]:
    """Serve an ASGI application in this loop, on a free port; gives its address."""
    settings = {"log_level": "warning", "lifespan": "off", "timeout_graceful_shutdown": 1, "ws": "none", **options}
    server = QuietServer(uvicorn.Config(app, port=0, **settings))
    task = asyncio.create_task(server.serve())
    try:
        await server.listens.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
