"""An example under uvicorn in its own process, which can be ended and started again on the same port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from tests.browser.kit import until
from tests.examples.running import EXAMPLES
from tests.servers import free_port

HERE = Path(__file__).parent


class Program:
    """``Program("order_board", "board:app", ORDER_BOARD=...)``; it has a process group of its own."""

    def __init__(self, folder: str, app: str, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, "PYTHONWARNINGS": "error", **environment}
        self._command = [
            sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES / folder), app, "--port", str(self.port), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Self:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 -- started in milliseconds, and outlives this task
            self._command, env=self._environment, cwd=HERE, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await until(self._listens, seconds=30)
        return self

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the program ended before it listened"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait until it has ended."""
        assert self._process is not None
        self._process.send_signal(how)
        await asyncio.to_thread(self._process.wait, 20)
        with suppress(ProcessLookupError):  # the workers of one that was killed
            os.killpg(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def run(folder: str, app: str, *options: str, **environment: str) -> AsyncGenerator[Program]:
    """Run an example for the time of a block."""
    program = Program(folder, app, *options, **environment)
    try:
        yield await program.start()
    finally:
        await program.end(signal.SIGKILL)
