"""Heartbeat: says that a process lives, from a thread of its own."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow._crew import Crew
from evenflow._loop import running_loop
from evenflow.log._heartbeat import Heartbeat
from evenflow.testing._memory_engine import MemoryEngine
from tests.testing.kit import both


async def test_a_thread_beats_while_the_loop_is_blocked() -> None:
    """A handler that blocks the event loop for long leaves its process alive; the thread ends with the crew."""
    engine: Any = MemoryEngine()
    await engine.open()
    beats = threading.Semaphore(0)
    engine.beat = beats.release
    crew = Crew("log", running_loop())
    await crew.open()
    heartbeat = Heartbeat(engine, crew)
    heartbeat.keep(0.04)
    for _ in range(4):
        assert beats.acquire(timeout=100)  # the loop does not turn here
    thread = heartbeat._thread
    assert thread is not None
    await anyio.lowlevel.checkpoint()
    await crew.close()
    assert not thread.is_alive()
    await engine.close()


test_a_thread_beats_while_the_loop_is_blocked = pytest.mark.asyncio(test_a_thread_beats_while_the_loop_is_blocked)


@both
async def test_a_task_beats_in_virtual_time_often_enough_for_the_shortest_wait() -> None:
    """Four beats in the shortest ack_wait, and at least one a second."""
    engine: Any = MemoryEngine()
    await engine.open()
    times: list[float] = []
    engine.beat = lambda: times.append(anyio.current_time())
    crew = Crew("log", running_loop())
    await crew.open()
    heartbeat = Heartbeat(engine, crew, in_thread=False)
    heartbeat.keep(30)
    await anyio.sleep(2.5)
    assert times == [0, 1, 2]
    heartbeat.keep(2)
    await anyio.sleep(2)
    assert times[3:6] == [3, 3.5, 4]
    await crew.close()
    assert heartbeat.silences() == 0
    await anyio.sleep(3)
    assert heartbeat.silences() == 1
    await engine.close()


@both
async def test_a_page_has_a_name_that_no_other_has() -> None:
    """Pages are named after the engine's member, and are in hand from then on."""
    engine = MemoryEngine()
    heartbeat = Heartbeat(engine, Crew("log", running_loop()), in_thread=False)
    names = {heartbeat.new_page() for _ in range(3)}
    assert len(names) == 3
    assert heartbeat.pages == names
    assert all(name.startswith(engine.member) for name in names)
