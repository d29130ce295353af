"""Processes that are killed, and several on one file: nothing confirmed is lost, and nothing needs repair."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from .kit import both_real, opened, process, select

ROUNDS = int(os.environ.get("EVENFLOW_KILL_ROUNDS", "8"))

PUBLISH = """
async def main():
    engine = SQLiteEngine(path)
    await engine.open()
    name = sys.argv[2]
    say("open")

    async def publish(task):
        for n in range(1_000_000):
            seqs = await append(engine, f"{name}/{task}/{n}/0", f"{name}/{task}/{n}/1", id=None)
            await engine.commit(Change(puts={f"{name}/{task}": Put(str(n).encode())}))
            say(*seqs, f"{name}/{task}/{n}")

    async with anyio.create_task_group() as tasks:
        for task in range(int(sys.argv[3])):
            tasks.start_soon(publish, task)

anyio.run(main)
"""


def check(path: Path, confirmed: dict[str, tuple[int, int]], records: dict[str, int]) -> None:
    """All that was confirmed is there, whole and in order."""
    assert select(path, "PRAGMA integrity_check") == [("ok",)]
    rows = select(path, "SELECT seq, data, time FROM evenflow_event ORDER BY seq")
    at = {data: seq for seq, data, _ in rows}
    assert len(at) == len(rows)
    for name, (first, second) in confirmed.items():
        assert (at[f"{name}/0"], at[f"{name}/1"]) == (first, second)
    for data, seq in at.items():
        whole, part = data.rsplit("/", 1)
        assert at[f"{whole}/{1 - int(part)}"] == seq + 1 - 2 * int(part), "half a change is there"
    assert [time for _, _, time in rows] == sorted(time for _, _, time in rows)
    stored = dict(select(path, "SELECT key, value FROM evenflow_record"))
    for key, n in records.items():
        assert int(stored[key]) >= n


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_a_process_that_is_killed_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """At random moments, in the middle of commits; the log opens again at once."""
    path, confirmed, records = tmp_path / "log.db", dict[str, tuple[int, int]](), dict[str, int]()
    for turn in range(ROUNDS):
        with process(PUBLISH, path, f"r{turn}", 8) as publisher:
            assert publisher.stdout is not None
            assert publisher.stdout.readline() == "open\n"
            for _ in range(random.randrange(1, 60)):
                note(publisher.stdout.readline(), confirmed, records)
            publisher.kill()
            for line in publisher.stdout.read().splitlines(keepends=True):
                note(line, confirmed, records)
        check(path, confirmed, records)
    assert len(confirmed) > ROUNDS


def test_several_processes_write_to_one_file_and_some_are_killed(tmp_path: Path) -> None:
    """Four of them, two of which are killed in the middle; the others go on, and the order is one."""
    path, confirmed, records = tmp_path / "log.db", dict[str, tuple[int, int]](), dict[str, int]()
    with ExitStack() as stack:
        publishers = [stack.enter_context(process(PUBLISH, path, f"p{number}", 4)) for number in range(4)]
        for publisher in publishers:
            assert publisher.stdout is not None
            assert publisher.stdout.readline() == "open\n"
        for turn in range(80):
            for number, publisher in enumerate(publishers):
                assert publisher.stdout is not None
                if turn == 40 and number < 2:
                    publisher.kill()
                note(publisher.stdout.readline(), confirmed, records)
        for publisher in publishers:
            publisher.kill()
        for publisher in publishers:
            assert publisher.stdout is not None
            for line in publisher.stdout.read().splitlines(keepends=True):
                note(line, confirmed, records)
    check(path, confirmed, records)
    assert len({name.split("/")[0] for name in confirmed}) == 4


def note(line: str, confirmed: dict[str, tuple[int, int]], records: dict[str, int]) -> None:
    """What a publisher has said; its last line may be cut."""
    if not line.endswith("\n"):
        return
    first, second, name = line.split()
    confirmed[name] = (int(first), int(second))
    key, n = name.rsplit("/", 1)
    records[key] = int(n)


@both_real
async def test_a_killed_process_needs_no_repair(tmp_path: Path) -> None:
    """Its file opens at once, also in a process that had it open all the time."""
    async with opened(tmp_path / "log.db") as engine:
        with process(PUBLISH, tmp_path / "log.db", "other", 4) as publisher:
            assert publisher.stdout is not None
            for _ in range(10):
                publisher.stdout.readline()
            publisher.kill()
        before = await engine.end("orders")
        async with opened(tmp_path / "log.db") as another:
            assert await another.end("orders") == before >= 16
