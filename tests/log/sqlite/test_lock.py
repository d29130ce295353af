"""One writer over all processes, and what the one that waits too long is told."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from pathlib import Path
from time import monotonic

import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite._lock import WriteLock
from tests.limits import limit

from .kit import append, both_real, opened, process, texts

HOLD = """
from evenflow.log._sqlite._lock import WriteLock
lock = WriteLock(path, 5)
with lock.held():
    say("held")
    sys.stdin.readline()
say("free")
sys.stdin.readline()
"""


@pytest.mark.timed
def test_whoever_waits_too_long_learns_who_holds_it(tmp_path: Path) -> None:
    """Host, process and since when; another process can have it once it is free."""
    lock = WriteLock(tmp_path / "log.db", 0.05)
    with process(HOLD, tmp_path / "log.db") as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        began = monotonic()
        who = f"process {other.pid} on {socket.gethostname()}, since 20"
        with pytest.raises(LogError, match=who) as caught, lock.held():
            pass
        assert monotonic() - began < limit(5)
        assert caught.value.stored is False
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "free\n"
        with lock.held():
            pass
    lock.close()


def test_a_process_that_dies_holds_nothing(tmp_path: Path) -> None:
    """The kernel unlocks the file."""
    lock = WriteLock(tmp_path / "log.db", 5)
    with process(HOLD, tmp_path / "log.db") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        other.kill()
        with lock.held():
            pass
    lock.close()


def test_locks_of_one_process_take_turns(tmp_path: Path) -> None:
    """Two engines of one process exclude one another, and closing one leaves the other's lock alone."""
    one, other = WriteLock(tmp_path / "log.db", 5), WriteLock(tmp_path / "log.db", 5)
    inside: list[int] = []
    most: list[int] = []

    def work(lock: WriteLock) -> None:
        for _ in range(200):
            with lock.held():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work, args=(lock,)) for lock in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (400, 1)
    with one.held():
        other.close()
        other.close()
        child = os.fork()
        if not child:
            descriptor = os.open(tmp_path / "log.db-evenflow-lock", os.O_RDWR)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os._exit(3)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    one.close()


def test_a_lock_file_that_somebody_deletes_is_made_again(tmp_path: Path) -> None:
    """Nobody holds the lock of a file that others cannot find."""
    one = WriteLock(tmp_path / "log.db", 5)
    (tmp_path / "log.db-evenflow-lock").unlink()
    with one.held():
        with process(HOLD, tmp_path / "log.db") as other:
            assert (tmp_path / "log.db-evenflow-lock").stat().st_ino == os.fstat(one._file.descriptor).st_ino  # type: ignore[union-attr]  # it is open
            assert other.poll() is None
    one.close()


@both_real
async def test_a_log_that_waits_too_long_is_not_stored_and_goes_on_later(tmp_path: Path) -> None:
    """A write is refused with the holder's name, and reading needs no lock."""
    path = tmp_path / "log.db"
    async with opened(path, busy_timeout=0.05) as engine:
        await append(engine, "a")
        with process(HOLD, path) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(LogError, match=f"process {other.pid}") as caught:
                await append(engine, "lost")
            assert caught.value.stored is False
            assert await texts(engine) == ["a"]
        await append(engine, "b")
        assert await texts(engine) == ["a", "b"]


@pytest.mark.timed
def test_a_process_that_writes_all_the_time_lets_others_in(tmp_path: Path) -> None:
    """Whoever waits has its turn within a moment, each time."""
    lock = WriteLock(tmp_path / "log.db", 5)
    busy = """
    from evenflow.log._sqlite._lock import WriteLock
    lock = WriteLock(path, 5)
    say("begins")
    while True:
        with lock.held():
            until = time.monotonic() + 0.002
            while time.monotonic() < until:
                pass
    """
    with process(busy, tmp_path / "log.db") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begins\n"
        waits: list[float] = []
        for _ in range(30):
            began = monotonic()
            with lock.held():
                waits.append(monotonic() - began)
        assert sorted(waits)[15] < limit(0.1)
    lock.close()
