"""The tasks of an operator: started in the chain's group, ended with it, and polite to everyone else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow._crew import Crew
from evenflow._loop import running_loop
from evenflow.streams import Stream, stream
from evenflow.streams._node import Run
from evenflow.streams._source import node_of
from evenflow.streams._tasks import CHECKPOINT_AFTER, OperatorTasks, TaskEngine
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Boom, Probe


def never() -> None:
    """No task is lost in these tests."""
    raise AssertionError("a task was lost")


@asynccontextmanager
async def crew() -> AsyncIterator[Crew]:
    """A crew that is open."""
    made = Crew("test", running_loop())
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def test_tasks_need_a_chain_that_was_entered() -> None:
    """The error says how."""
    with pytest.raises(RuntimeError, match="async with chain"):
        OperatorTasks(Run(None), never)


def test_stopping_waits_until_every_task_has_ended() -> None:
    """Also for one that takes its time to clean up."""

    async def main() -> None:
        ended: list[float] = []

        async def slow_to_end() -> None:
            try:
                await anyio.sleep(100)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(2)
                ended.append(anyio.current_time())

        async with crew() as group:
            tasks = OperatorTasks(Run(group), never)
            tasks.start(slow_to_end)
            tasks.start(slow_to_end)
            await anyio.sleep(1)
            await tasks.stop()
            assert len(ended) == 2
            await tasks.stop()

    on_both_loops(main)


def test_reading_returns_the_error_of_the_source_or_of_closing_it() -> None:
    """A task raises nothing: the reader gets the error."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError

    async def main() -> None:
        async def take_in(event: Any) -> None:
            seen.append(event)

        async with crew() as group:
            run = Run(group)
            tasks = OperatorTasks(run, never)
            for probe, expected in ((Probe(2), type(None)), (Probe(2, error=Boom()), Boom), (Fails(2), LookupError)):
                seen: list[Any] = []
                node = node_of(probe, "test")
                assert isinstance(await tasks.read(node, node.open(run), take_in), expected)
                assert seen == [0, 1]

    on_both_loops(main)


def test_a_source_that_was_read_to_its_end_is_closed_unless_it_may_be_started_again() -> None:
    """``retry`` and ``repeat`` keep what can be read only once."""

    async def main() -> None:
        async def take_in(_: Any) -> None:
            pass

        async with crew() as group:
            for restarts in (False, True):
                run = Run(group, restarts=restarts)
                probe = Probe(1)
                node = node_of(probe, "test")
                await OperatorTasks(run, never).read(node, node.open(run), take_in)
                assert bool(probe.closed) is not restarts

    on_both_loops(main)


def test_a_task_that_never_waits_has_a_checkpoint_now_and_then() -> None:
    """Others run after a bounded number of events."""

    async def main() -> None:
        async with anyio.create_task_group() as others, crew() as group:
            tasks = OperatorTasks(Run(group), never)
            turns: list[int] = []

            async def count_turns() -> None:
                while True:
                    await checkpoint()
                    turns.append(1)

            others.start_soon(count_turns)
            for _ in range(10 * CHECKPOINT_AFTER):
                await tasks.checkpoint_now_and_then()
            assert 5 <= len(turns) <= 11
            others.cancel_scope.cancel()

    on_both_loops(main)


def test_stopping_an_engine_wakes_its_reader() -> None:
    """It gets anyio's error for what was closed here."""

    async def main() -> None:
        async with anyio.create_task_group() as others, crew() as group:
            engine: TaskEngine[int] = TaskEngine(Run(group))

            async def read() -> None:
                with pytest.raises(anyio.ClosedResourceError):
                    await engine.pull()

            others.start_soon(read)
            await anyio.sleep(1)
            await engine.stop()

    on_both_loops(main)


def two_at_once(_: int) -> Stream[str]:
    return marbles("-a-b").merge(marbles("-c"))


async def reads_itself(number: int) -> list[str]:
    return await two_at_once(number).to_list()


async def yields_itself(number: int) -> AsyncIterator[str]:
    async with two_at_once(number) as events:
        async for event in events:
            yield event  # noqa: ASYNC119 -- the test closes the generator


@pytest.mark.parametrize(
    "make",
    [
        lambda source: source.map(reads_itself, concurrency=2),
        lambda source: source.map(reads_itself),
        lambda source: source.flat_map(yields_itself),
        lambda source: source.concat_map(yields_itself),
        lambda source: source.flat_map(reads_itself, concurrency=2),
    ],
    ids=["map at once", "map", "flat_map of generators", "concat_map of generators", "flat_map"],
)
def test_cancelling_chains_in_the_functions_of_a_chain_logs_no_error(
    make: Callable[[Stream[int]], Stream[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """A time limit around a chain that runs other chains is no failure of a task, on either loop."""

    async def main() -> None:
        with anyio.move_on_after(5) as scope:
            await make(stream([1, 2, 3])).to_list()
        assert scope.cancelled_caught

    on_both_loops(main)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
