"""Queues on SQLite that a user could take for a group of a log: persist-queue, litequeue, huey's storage.

Each is used in its own way, one item at a time, as it commits by default: none of them has a way to put or to settle
many in one commit that waits for each caller. What each does when its process is killed is measured by killing one
that has settled three items and has a fourth in hand (`killed_in_hand`, in an interpreter of its own).
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTLED, IN_HAND = 3, 1
"""What a process that is killed has acknowledged, and what it has taken and not acknowledged."""


@dataclass(frozen=True, slots=True)
class OpenQueue:
    """A queue that is open.

    Attributes:
        put: store a text.
        get: take the next item, and its text; None where nothing is there.
        ack: it was handled.
    """

    put: Callable[[str], object]
    get: Callable[[], tuple[Any, str] | None]
    ack: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class SQLiteQueue:
    """One library, how it commits, and how its queue is opened in a folder."""

    name: str
    package: str
    syncs: str
    open: Callable[[str], OpenQueue]

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        try:
            importlib.import_module(self.package)
        except ImportError as error:
            return str(error)
        return None


def _persist_queue(folder: str) -> OpenQueue:
    from persistqueue import Empty, SQLiteAckQueue  # type: ignore[import-not-found]  # of the group bench

    queue = SQLiteAckQueue(folder)

    def get() -> tuple[Any, str] | None:
        try:
            taken = queue.get(block=False, raw=True)
        except Empty:
            return None
        return taken["pqid"], taken["data"]

    return OpenQueue(queue.put, get, lambda taken: queue.ack(id=taken))


def _litequeue(folder: str) -> OpenQueue:
    from litequeue import LiteQueue  # type: ignore[import-not-found]  # of the group bench

    queue = LiteQueue(f"{folder}/queue.db")

    def get() -> tuple[Any, str] | None:
        message = queue.pop()
        return None if message is None else (message.message_id, message.data)

    return OpenQueue(queue.put, get, queue.done)


def _huey(folder: str) -> OpenQueue:
    from huey.storage import SqliteStorage  # type: ignore[import-not-found]  # of the group bench

    storage = SqliteStorage(filename=f"{folder}/huey.db")

    def get() -> tuple[Any, str] | None:
        data = storage.dequeue()
        return None if data is None else (None, bytes(data).decode())

    return OpenQueue(lambda text: storage.enqueue(text.encode()), get, lambda _: None)


QUEUES = (
    SQLiteQueue("persist-queue, SQLiteAckQueue", "persistqueue", "each commit", _persist_queue),
    SQLiteQueue("litequeue", "litequeue", "at a checkpoint (NORMAL)", _litequeue),
    SQLiteQueue("huey, SqliteStorage", "huey", "each commit", _huey),
)


def after_a_kill(queue: SQLiteQueue, folder: Path, items: int = 10) -> tuple[list[int], list[int]]:
    """Kill a process that has `SETTLED` items settled and the next in hand; what another gets then.

    Returns: the numbers that another process gets, and those that its puts were confirmed for.
    """
    code = "import sys; from benchmarks.peers.sqlite_queues import killed_in_hand; killed_in_hand(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, queue.name, str(folder), str(items)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(f"{queue.name} was not killed:\n{done.stderr}")
    opened = queue.open(str(folder))
    found: list[int] = []
    while (taken := opened.get()) is not None:
        found.append(int(taken[1]))
        opened.ack(taken[0])
    return found, [int(line) for line in done.stdout.split()]


def killed_in_hand(name: str, folder: str, items: str) -> None:
    """Put, take and settle, and die with an item in hand; says each put that has returned."""
    opened = next(queue for queue in QUEUES if queue.name == name).open(folder)
    for n in range(int(items)):
        opened.put(str(n))
        sys.stdout.write(f"{n}\n")
    sys.stdout.flush()
    for _ in range(SETTLED):
        taken = opened.get()
        assert taken is not None
        opened.ack(taken[0])
    assert opened.get() is not None
    os.kill(os.getpid(), signal.SIGKILL)
