"""A file system of one megabyte that is full, and a directory that is read-only: for real, where this machine allows."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .kit import run_process, select

FULL = """
from evenflow import Event
from evenflow.log import LogError, SQLiteLog


class Made(Event):
    n: int
    text: str = ""


async def main():
    log = SQLiteLog(path)
    subject = log.subject("made", Made)
    filler = path.with_name("filler")
    async with log:
        confirmed, refused = [], []
        for n in range(200):
            with anyio.fail_after(20):
                try:
                    await subject.publish(Made(n=n, text="x" * 20_000), id=str(n))
                except LogError as error:
                    assert error.stored is False, error
                    assert "full" in str(error), error
                    refused.append(n)
                else:
                    confirmed.append(n)
            if len(refused) == 3:
                break
        assert refused and confirmed
        assert [record.event.n for record in await subject.read().to_list()] == confirmed
        filler.unlink()
        with anyio.fail_after(20):
            for n in refused:
                while True:
                    try:
                        await subject.publish(Made(n=n, text="x"), id=str(n))
                    except LogError:
                        continue
                    break
        assert [record.event.n for record in await subject.read().to_list()] == [*confirmed, *refused]
    say(len(confirmed), len(refused))


Path(path).with_name("filler").write_bytes(b"x" * 1_500_000)
anyio.run(main)
"""

READ_ONLY = """
from evenflow import Event
from evenflow.log import LogError, SQLiteLog


class Made(Event):
    n: int


async def main():
    os.setuid(65_534)
    log = SQLiteLog(path)
    subject = log.subject("made", Made)
    for _ in range(2):
        try:
            async with log:
                raise AssertionError("it was opened")
        except LogError as error:
            assert error.stored is False
            assert str(path) in str(error) or str(path.parent) in str(error), error
            say(str(error).replace(chr(10), " "))


anyio.run(main)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_file_system_is_told_and_the_log_goes_on_once_there_is_room(small_disk: Path) -> None:
    """Nothing that was confirmed is lost, what was refused is not there, and reading goes on meanwhile."""
    path = small_disk / "log.db"
    confirmed, refused = map(int, run_process(FULL, path).split())
    assert (confirmed > 5, refused) == (True, 3)
    assert select(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("what", ["the directory", "the file"])
def test_what_may_not_be_written_is_told_when_it_is_opened(what: str) -> None:
    """With the path and the way out, and what was there stays as it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755 if what == "the directory" else 0o777)
        path = folder / "log.db"
        if what == "the file":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("CREATE TABLE mine (n)")
            path.chmod(0o444)
        before = path.read_bytes() if path.exists() else None
        said = run_process(READ_ONLY, path).splitlines()
        assert len(said) == 2
        assert all("allow this user to write" in line for line in said), said
        assert (path.read_bytes() if path.exists() else None) == before
