"""Turns: who decides next, where several processes would."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio import create_task_group, fail_after, sleep

from evenflow.log import Deliveries, SQLiteLog
from evenflow.log._sqlite import SQLiteEngine, _turns
from evenflow.log._sqlite._lock import WriteLock
from evenflow.log._sqlite._turns import Turns
from evenflow.log._stored import Change, Done, Outdated
from tests.log.events import Ordered

from .kit import both_real, process

HOLD = """
from evenflow.log._sqlite._lock import WriteLock
from evenflow.log._sqlite._turns import Turns

async def hold():
    async with Turns(WriteLock(path, 5)).turn("a"):
        say("held")
        sys.stdin.readline()
    say("free")
    sys.stdin.readline()

anyio.run(hold)
"""


async def wait_for(turns: Turns, name: str) -> list[float]:
    """Have this turn; returns how long each sleep was that it took."""
    waits: list[float] = []
    with pytest.MonkeyPatch.context() as patch:

        async def slept(seconds: float) -> None:
            waits.append(seconds)
            await sleep(seconds)

        patch.setattr(_turns, "sleep", slept)
        async with turns.turn(name):
            pass
    return waits


@both_real
async def test_another_process_waits_for_its_turn_but_not_for_long(tmp_path: Path, monkeypatch: Any) -> None:
    """After a moment it goes on without, and does not wait again for a while; another name is free."""
    lock = WriteLock(tmp_path / "log.db", 5)
    turns = Turns(lock)
    with process(HOLD, tmp_path / "log.db") as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        monkeypatch.setattr(_turns, "LONGEST_WAIT", 0.01)
        assert await wait_for(turns, "b") == []
        with lock.held():  # whoever writes needs no turn
            assert len(await wait_for(turns, "a")) > 1
        assert await wait_for(turns, "a") == []
        turns.not_before.clear()
        monkeypatch.setattr(_turns, "LONGEST_WAIT", 60)
        async with create_task_group() as group:
            group.start_soon(wait_for, turns, "a")
            await sleep(0.01)
            other.stdin.write("\n")
            other.stdin.flush()
        assert turns.not_before == {}
        assert other.stdout.readline() == "free\n"
    lock.close()


@both_real
async def test_a_turn_ends_with_its_process(tmp_path: Path, monkeypatch: Any) -> None:
    """The kernel unlocks the byte."""
    monkeypatch.setattr(_turns, "LONGEST_WAIT", 60)
    lock = WriteLock(tmp_path / "log.db", 5)
    with process(HOLD, tmp_path / "log.db") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        other.kill()
        await wait_for(Turns(lock), "a")
    lock.close()


@both_real
async def test_two_readers_of_one_group_do_not_claim_for_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """While one claims the others wait, so that nothing is read twice."""
    monkeypatch.setattr(_turns, "LONGEST_WAIT", 60)
    outdated: list[Change] = []
    commit = SQLiteEngine.commit

    async def watched(self: SQLiteEngine, change: Change, /, *, made: Any = None) -> Done:
        try:
            return await commit(self, change, made=made)
        except Outdated:
            outdated.append(change)
            raise

    log = SQLiteLog(tmp_path / "log.db")
    orders = log.subject("orders", Ordered)
    left = 600

    async def read(deliveries: Deliveries[Ordered]) -> None:
        nonlocal left
        async for batch in deliveries.batches(20):
            async with batch:
                left -= len(batch)
            if not left:
                group.cancel_scope.cancel()

    monkeypatch.setattr(SQLiteEngine, "commit", watched)
    async with log, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(orders.deliveries("g", buffer=20)) for _ in range(3)]
        await orders.publish_many(Ordered(n=n) for n in range(left))
        with fail_after(60):
            async with create_task_group() as group:
                for reader in readers:
                    group.start_soon(read, reader)
        assert left == 0
        assert len(outdated) <= 1  # the first to join may not know of the others yet
