"""Each system call that can fail, in a process whose calls are made to: the error goes to whoever it concerns.

Nothing that was confirmed is lost, nothing that was refused is there twice, and the log goes on by itself.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from .kit import run_process, select

PROGRAM = """
import ctypes, errno, logging
from evenflow import Event
from evenflow.log import LogError, SQLiteLog

library = ctypes.CDLL(None)
call = (ctypes.c_char * 16).in_dll(library, "fault_call")
number, skip, count = (ctypes.c_int.in_dll(library, name) for name in ("fault_errno", "fault_skip", "fault_count"))


class Made(Event):
    n: int
    text: str = ""


async def until(condition):
    with anyio.fail_after(90):
        while not condition():
            await anyio.sleep(0.01)


async def main():
    log = SQLiteLog(path, busy_timeout=0.5)  # what cannot be locked is busy to SQLite
    subject = log.subject("made", Made)
    confirmed, unsure, handled = [], [], []

    @subject.consumer("g", concurrency=2, buffer=4)
    async def handle(made: Made):
        handled.append(made.n)

    async def publish(n):
        with anyio.fail_after(90):
            try:
                await subject.publish(Made(n=n, text="x" * 3_000), id=str(n))
            except LogError:
                unsure.append(n)
            else:
                confirmed.append(n)

    async with log:
        await publish(0)
        await until(lambda: handled == [0])
        next_n = 1
        # SQLite asks for ten seconds before it says that locks do not work
        for skipped in (0,) if sys.argv[2] == "lock" else (0, 1, 3):
            number.value, skip.value, before = int(sys.argv[3]), skipped, count.value
            call.value = sys.argv[2].encode()
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    for n in range(next_n, next_n + 4):
                        tasks.start_soon(publish, n)
                next_n += 4
            with anyio.fail_after(90):
                try:
                    await subject.read().to_list()
                except LogError:
                    pass
            call.value = b""
            with anyio.fail_after(90):
                while unsure:
                    again, unsure[:] = list(unsure), []
                    for n in again:
                        await publish(n)
                    if unsure:
                        await anyio.sleep(0.05)
            await until(lambda: set(handled) >= set(range(next_n)))
        stored = [record.event.n for record in await subject.read().to_list()]
        assert sorted(stored) == sorted(confirmed) == list(range(next_n)), (stored, confirmed)
        with anyio.fail_after(90):
            while any(group.due or group.in_hand for group in await subject.groups()):
                await anyio.sleep(0.01)
    # the file can be opened while calls fail, or cannot be, and says so; afterwards it can
    call.value, skip.value = sys.argv[2].encode(), 0
    with anyio.fail_after(90):
        try:
            async with log.opened(consumers=False):
                pass
        except LogError:
            pass
    call.value = b""
    async with log.opened(consumers=False):
        assert len(await subject.read().to_list()) == next_n
    say(count.value, len(handled))


logging.disable(logging.CRITICAL)
anyio.run(main)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes system calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, which the library that makes system calls fail needs")
    made = tmp_path_factory.mktemp("library") / "faults.so"
    source = Path(__file__).with_name("faulty.c")
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the library that makes system calls fail cannot be made here: {done.stderr[:200]}")
    return made


@pytest.mark.parametrize(
    "call, error",
    [
        ("write", errno.EIO),
        ("write", errno.ENOSPC),
        ("sync", errno.EIO),
        ("truncate", errno.EIO),
        ("read", errno.EIO),
        ("lock", errno.ENOLCK),
        ("open", errno.EMFILE),
        ("open", errno.EACCES),
        ("mmap", errno.ENOMEM),
        ("unlink", errno.EACCES),
    ],
)
def test_a_system_call_that_fails_is_told_and_the_log_goes_on(
    call: str, error: int, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published again with their ids all events are there once; each is handled; the file is sound."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    path = tmp_path / "faulty.db"
    failures, handled = map(int, run_process(PROGRAM, path, call, error).split())
    monkeypatch.delenv("LD_PRELOAD")
    assert failures or call in ("mmap", "unlink"), "the fault was never met"
    assert handled >= 13
    assert select(path, "PRAGMA integrity_check") == [("ok",)]
