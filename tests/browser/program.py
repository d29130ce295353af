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
WAITING = """
import runpy, sys
import fastapi, uvicorn, uvicorn.main, uvicorn.protocols.http.auto, uvicorn.protocols.websockets.auto
import evenflow.log, evenflow.web
evenflow.web.sse
sys.stdin.readline()
runpy.run_module("uvicorn", run_name="__main__", alter_sys=True)
"""
"""Imports what takes long, then waits for a line before it begins: so a restart takes a moment."""


class Program:
    """``Program("order_board", "board:app", ORDER_BOARD=...)``; it has a process group of its own."""

    def __init__(self, folder: str, app: str, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, "PYTHONWARNINGS": "error", **environment}
        self._command = [
            sys.executable, "-c", WAITING, "--app-dir", str(EXAMPLES / folder), app, "--port", str(self.port), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._next: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Let the process that comes next import what it needs, while the present one still serves."""
        self._next = subprocess.Popen(
            self._command, env=self._environment, cwd=HERE, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    async def start(self) -> Self:
        """Start it, and wait until it listens."""
        if self._next is None:
            self.prepare()
        assert self._next is not None
        self._process, self._next = self._next, None
        assert self._process.stdin is not None
        self._process.stdin.close()  # what it waits for
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
        _kill_group(self._process)  # the workers of one that was killed

    async def end_for_good(self) -> None:
        """Kill it, and the one that would come next."""
        await self.end(signal.SIGKILL)
        if self._next is not None:
            assert self._next.stdin is not None
            self._next.kill()
            self._next.stdin.close()
            await asyncio.to_thread(self._next.wait, 20)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@asynccontextmanager
async def run(folder: str, app: str, *options: str, **environment: str) -> AsyncGenerator[Program]:
    """Run an example for the time of a block."""
    program = Program(folder, app, *options, **environment)
    try:
        yield await program.start()
    finally:
        await program.end_for_good()
