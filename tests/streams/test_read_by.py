"""Who reads an operator: the tasks that have read it, while they exist."""

from __future__ import annotations

import gc

import anyio
import anyio.lowlevel

from evenflow.streams._node import Run
from evenflow.streams._read_by import ReadBy

from .drawing import on_both_loops


def note(read_by: ReadBy) -> None:
    """Read, as an operator does."""
    if not read_by.known.cr_running:
        read_by.note()


def test_each_task_that_reads_is_known_once() -> None:
    """However often it reads, and in whatever turn."""

    async def main() -> None:
        read_by = ReadBy(Run(None))
        turns: list[int] = []

        async def read() -> None:
            for _ in range(3):
                note(read_by)
                turns.append(len(read_by.takers().tasks))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(read)
        assert turns == [1, 2, 2, 2, 2, 2]

    on_both_loops(main)


def test_a_task_that_is_gone_is_forgotten() -> None:
    """Nothing keeps it alive, and the next may read."""

    async def main() -> None:
        read_by = ReadBy(Run(None))

        async def read() -> None:
            note(read_by)

        for _ in range(2):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
            gc.collect()
            assert not read_by.takers().tasks
            assert not read_by.known.cr_running

    on_both_loops(main)


def test_a_task_that_waits_for_nobody_has_no_takers() -> None:
    """Only while it waits does it matter who reads."""

    async def main() -> None:
        read_by = ReadBy(Run(None))
        note(read_by)
        assert len(read_by.takers_if(True).tasks) == 1
        assert not read_by.takers_if(False).tasks

    on_both_loops(main)


def test_what_a_sink_or_a_task_of_an_operator_reads_is_private() -> None:
    """So is what is started again for them."""
    run = Run(None)
    again = run.again_and_again()
    assert not ReadBy(again).takers().private
    assert not ReadBy().takers().private
    run.private = True
    assert ReadBy(again).takers().private
    assert ReadBy(Run(None, restarts=True).in_task()).takers().private
    assert Run(None, restarts=True).in_task().restarts
