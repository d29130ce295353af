"""The archive of `--log`: what it tells of earlier runs, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from evenflow import Subject
from evenflow.cli._address import Refused, masked
from evenflow.cli.demo._events import MemoryUse, Noticed
from evenflow.cli.demo._kept import KeptArchive
from evenflow.log import SQLiteLog
from tests.addresses import ON_SERVERS

pytestmark = pytest.mark.asyncio


def use(percent: float) -> Noticed:
    return MemoryUse(source="memory", percent=percent, used=1, total=2)


async def one_run(file: Path | str, events: Sequence[Noticed]) -> tuple[list[str], KeptArchive]:
    """A run that ends by itself: what it says at its start, and the archive."""
    machine: Subject[Noticed] = Subject(Noticed)
    archive = KeptArchive(str(file))
    before = await archive.begin()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(archive.keep, machine.subscribe(Noticed, buffer=len(events) + 1))
        await machine.publish_many(events)
        machine.close()
    await archive.aclose()
    return before, archive


async def a_killed_run(file: Path | str, events: Sequence[Noticed]) -> None:
    """A run that stored events, and neither counted them nor said that it ended."""
    archive = KeptArchive(str(file))
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


@pytest.mark.parametrize("engine", ON_SERVERS)
async def test_the_archive_can_be_a_log_on_a_server(engine: str, tmp_path: Path) -> None:
    """One word changes; what a killed run has stored is there, and each event is counted once. No secret is shown."""
    where = ON_SERVERS[engine](tmp_path)
    await a_killed_run(where, [use(n) for n in range(5)])
    before, archive = await one_run(where, [use(50)])
    assert "has 5 events of one earlier run" in before[0]
    assert before[0].startswith(masked(where))
    assert (archive.failed, archive.on_disk(), archive.counted, archive.counted_of_before) == (None, 1, 6, 5)


async def test_an_address_that_is_none_is_a_sentence() -> None:
    """As for every command, and before anything is opened."""
    with pytest.raises(Refused, match="no log is known at carrier-pigeon://loft"):
        KeptArchive("carrier-pigeon://me:secret@loft/1")
    with pytest.raises(Refused, match="no variable 'NOWHERE_AT_ALL'"):
        KeptArchive("env:NOWHERE_AT_ALL")


@pytest.mark.parametrize(
    "where, name", [("demo.db", "demo"), ("redis://host/0", "demo"), ("redis://host/0?name=mine", "mine")]
)
async def test_its_name_is_demo_unless_its_address_has_one(where: str, name: str) -> None:
    """So that two demos on one server can be kept apart."""
    assert KeptArchive(where).logs()[0].name == name
