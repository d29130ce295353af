"""Python programs in processes of their own, which begin with evenflow imported: a third of a second less for each.

One process a worker imports evenflow, and forks for each program. A program has a folder, an environment, streams and an
exit code of its own, and imports what else it needs. Where the start of Python is the point, or that hashes differ from
process to process, tests start Python.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HANGING = 100.0
"""Seconds after which a program hangs."""
SERVER = """
import json, os, runpy, socket, sys
import anyio, anyio._backends._asyncio, argparse, pydantic, sqlite3
import evenflow, evenflow.log, evenflow.cli, evenflow.streams

asked = socket.socket(fileno=int(sys.argv[1]))


def program(folder, environment, module, arguments, streams):
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    os.chdir(folder)
    sys.path[0] = ""
    if module is None:
        sys.argv = arguments
        assert arguments.pop(0) == "-c"
        exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


while True:
    words, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    if not words:
        break
    pid = os.fork()
    if not pid:
        asked.close()
        program(*json.loads(words), streams)
        break
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(pid, 0)
    asked.send(str(os.waitstatus_to_exitcode(status)).encode())
"""


class Forks:
    """The process that has imported evenflow."""

    def __init__(self) -> None:
        self._asks, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen([sys.executable, "-c", SERVER, str(other.fileno())], pass_fds=[other.fileno()])
        other.close()
        self._asks.settimeout(HANGING)
        atexit.register(self.stop)

    def stop(self) -> None:
        self._asks.close()
        self._process.wait()

    def run(
        self, folder: Path, module: str | None, arguments: tuple[str, ...], given: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a module, or what follows ``-c``, to its end."""
        with _file() as read, _file() as said, _file() as complained:
            read.write(given)
            read.seek(0)
            words = json.dumps([str(folder), dict(os.environ), module, arguments]).encode()
            socket.send_fds(self._asks, [words], [each.fileno() for each in (read, said, complained)])
            try:
                code = int(self._asks.recv(100))
            except TimeoutError:
                self._process.kill()
                raise
            said.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(arguments, code, said.read(), complained.read())


def _file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


@functools.cache
def _forks() -> Forks:
    return Forks()


def run(folder: Path, module: str | None, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` returns for `python -m module arguments`, or for `python -c program`, in a folder."""
    return _forks().run(folder, module, arguments, given)
