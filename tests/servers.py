"""Servers that tests start: on loopback, on a free port, with a folder of their own, stopped by who started them."""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Postgres:
    """A PostgreSQL server. It refuses to run as root: there it runs as `nobody`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="evenflow-pg-"))
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._data = self._folder / "data"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", str(self._data), "-U", "evenflow", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True, user=self._user, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=60,
        )  # fmt: skip

    @property
    def dsn(self) -> str:
        return f"postgresql://evenflow@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "", "max_connections": "200",
            "shared_buffers": "32MB",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as said:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                user=self._user, stdout=said, stderr=said, cwd=self._folder,
            )  # fmt: skip
        while subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"], check=False
        ).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill it, as a power cut would its processes: nothing is written any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()  # a smart shutdown would wait for clients
            self._process.send_signal(2)
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)


def postgres_programs() -> Path | None:
    """Where the programs of a PostgreSQL server are, if this machine has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return None if program is None else Path(program).parent


@functools.cache
def postgres() -> Postgres | None:
    """The server of this test process, started when it is first asked for; None where there is none."""
    if (programs := postgres_programs()) is None:
        return None
    server = Postgres(programs)
    server.start()
    atexit.register(server.stop)
    return server
