"""The archive of `--log`: what it tells of earlier runs, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from evenflow import Subject
from evenflow.cli.demo._events import MemoryUse, Noticed
from evenflow.cli.demo._kept import KeptArchive
from evenflow.log import SQLiteLog

pytestmark = pytest.mark.asyncio


def use(percent: float) -> Noticed:
    return MemoryUse(source="memory", percent=percent, used=1, total=2)


async def one_run(file: Path, events: Sequence[Noticed]) -> tuple[list[str], KeptArchive]:
    """A run that ends by itself: what it says at its start, and the archive."""
    machine: Subject[Noticed] = Subject(Noticed)
    archive = KeptArchive(file)
    before = await archive.begin()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(archive.keep, machine.subscribe(Noticed, buffer=len(events) + 1))
        await machine.publish_many(events)
        machine.close()
    await archive.aclose()
    return before, archive


async def a_killed_run(file: Path, events: Sequence[Noticed]) -> None:
    """A run that stored events, and neither counted them nor said that it ended."""
    archive = KeptArchive(file)
    await archive.begin()
    await archive._machine.publish_many(events)
    await archive.aclose()


async def test_a_run_says_that_a_log_is_new_and_counts_what_it_stores(tmp_path: Path) -> None:
    """Each event is stored, read back, and counted once by the historian."""
    before, archive = await one_run(tmp_path / "demo.db", [use(n) for n in range(7)])
    assert "is a new log" in before[0]
    assert (archive.failed, archive.on_disk(), archive.counted, archive.counted_of_before) == (None, 7, 7, 0)
    assert "counted 7 events" in archive.told()


async def test_a_run_after_a_killed_one_counts_what_that_has_left(tmp_path: Path) -> None:
    """What was stored and not counted is counted by the next run, and by no later one."""
    file = tmp_path / "demo.db"
    await a_killed_run(file, [use(n) for n in range(5)])
    before, archive = await one_run(file, [use(50)])
    assert "has 5 events of one earlier run" in before[0]
    assert before[0].endswith("and was killed.")
    assert (archive.on_disk(), archive.counted, archive.counted_of_before) == (1, 6, 5)
    before, archive = await one_run(file, [])
    assert "has 6 events of 2 earlier runs" in before[0]
    assert before[0].endswith("and ended.")
    assert before[1].startswith("All of them were counted")
    assert archive.counted == 0


async def test_what_the_historian_has_left_is_said_at_the_start(tmp_path: Path) -> None:
    """The number of events that the historian has to count is known before it begins."""
    file = tmp_path / "demo.db"
    await one_run(file, [use(1)])
    await a_killed_run(file, [use(n) for n in range(3)])
    before, archive = await one_run(file, [])
    assert before[1].startswith("3 of its events were not counted")
    assert archive.counted_of_before == 3


async def test_the_log_is_one_that_other_programs_can_read(tmp_path: Path) -> None:
    """It is an ordinary log with a subject named machine."""
    await one_run(tmp_path / "demo.db", [use(33)])
    log = SQLiteLog(tmp_path / "demo.db")
    async with log:
        events = [record.event async for record in log.subject("machine", MemoryUse, on_undecodable="skip").read()]
    assert [event.percent for event in events] == [33]
