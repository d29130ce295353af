"""The threads that read: each has a connection of its own, opened ``mode=ro``.

Rule 1: two threads, so that somebody who reads long history holds up nobody who loads a record.
Rule 2: a connection that has failed is closed, and the next read opens another one.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

from ._connect import connect_reader
from ._faults import log_error
from ._jobs import Job, JobQueue
from ._process import keep_for_ever

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._files import FileIdentity
    from ._jobs import Waiting

THREADS: Final = 2
_LOOK: Final = 5.0
"""Seconds after which an idle thread looks whether its loop still lives."""


class Readers:
    """The threads that read; they begin with the first read.

    Attributes:
        queue: takes jobs, whose ``work`` is called with a connection.
    """

    def __init__(
        self,
        path: Path,
        identity: FileIdentity,
        timeout: float,
        waiting: Waiting,
        loop_has_ended: Callable[[], bool],
    ) -> None:
        self.queue = JobQueue()
        self._path = path
        self._identity = identity
        self._timeout = timeout
        self._waiting = waiting
        self._loop_has_ended = loop_has_ended
        self._threads: list[Thread] = []
        self._connections: dict[int, sqlite3.Connection] = {}

    def start(self) -> None:
        """Have the threads run. In the loop."""
        if self._threads:
            return
        name = f"evenflow.log reader {self._path}"
        self._threads = [
            Thread(target=self._run, args=(number,), name=f"{name} {number}", daemon=True) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """In another thread: wait until all have let go of the file."""
        for thread in self._threads:
            thread.join(self._timeout)

    def forked(self) -> None:
        """In a child process: the connections are the parent's."""
        for connection in self._connections.values():
            keep_for_ever(connection)

    def _run(self, number: int) -> None:
        while (jobs := self.queue.take(_LOOK, most=1)) is not None:
            for job in jobs:
                self._do(job, number)
                self._waiting.deliver([job])
            if not jobs and self._loop_has_ended():
                break
        self._drop(number)

    def _do(self, job: Job, number: int) -> None:
        try:
            self._identity.check()
            connection = self._connections.get(number)
            if connection is None:
                connection = self._connections[number] = connect_reader(self._path, self._timeout)
            job.succeed(job.work(connection))
        except (sqlite3.Error, OSError, MemoryError) as error:
            self._drop(number)
            job.fail(log_error(error, "reading", str(self._path)))
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the caller
            job.fail(error)

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
