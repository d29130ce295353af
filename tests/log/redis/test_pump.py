"""Requests on one line: gathered, sent in order, withdrawn, and bounded in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow._crew import Crew
from evenflow._errors import LogError
from evenflow._loop import running_loop
from evenflow.log._redis._faults import Lost
from evenflow.log._redis._pump import Pump
from evenflow.log._request import Request
from evenflow.log._stored import Away
from tests.contract.kit import both


class FakeLine:
    """A line that is up, down, or slow, as the test says."""

    def __init__(self) -> None:
        self.is_up = True
        self.up = anyio.Event()

    async def bring_up(self) -> None:
        await self.up.wait()
        self.is_up = True

    def has_ended(self) -> bool:
        return not self.is_up


class Named(Request):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Rounds(Pump):
    """Notes each round, and answers once it may."""

    must_be_known = True

    def __init__(self, line: Any) -> None:
        super().__init__("a log", line, running_loop(), 10.0)
        self.rounds: list[list[str]] = []
        self.may_answer = anyio.Event()
        self.is_lost = False

    def _next_round(self) -> Sequence[Named]:
        taken = [*self._queue]
        self._queue.clear()
        return taken

    def nothing(self) -> Request:
        return Named("nothing")

    async def send(self, requests: Sequence[Named]) -> None:
        self.rounds.append([request.name for request in requests])
        await self.may_answer.wait()
        if self.is_lost:
            raise Lost
        for request in requests:
            request.succeed(request.name)


@asynccontextmanager
async def pumping() -> AsyncIterator[Rounds]:
    crew = Crew("test", running_loop())
    await crew.open()
    line = FakeLine()
    pump = Rounds(line)
    crew.start(pump.run, name="pump")
    try:
        yield pump
    finally:
        await crew.close()


async def ask(pump: Rounds, name: str, outcomes: list[Any]) -> None:
    try:
        outcomes.append(await pump.do(Named(name)))
    except LogError as error:
        outcomes.append(error)


@both
async def test_what_comes_while_a_round_is_on_its_way_goes_with_the_next() -> None:
    """In its order; and each gets its own outcome."""
    outcomes: list[Any] = []
    async with pumping() as pump, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, pump, "a", outcomes)
        await anyio.wait_all_tasks_blocked()
        for name in "bcd":
            tasks.start_soon(ask, pump, name, outcomes)
            await anyio.wait_all_tasks_blocked()
        assert pump.rounds == [["a"]]
        assert not pump.is_idle
        pump.may_answer.set()
    assert pump.rounds == [["a"], ["b", "c", "d"]]
    assert sorted(outcomes) == ["a", "b", "c", "d"]
    assert pump.is_idle


@both
async def test_what_is_lost_is_sent_again_before_all_others() -> None:
    """In its order."""
    outcomes: list[Any] = []
    async with pumping() as pump, anyio.create_task_group() as tasks:
        pump.is_lost = True
        pump._queue.extend((Named("a"), Named("b")))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, pump, "c", outcomes)
        await anyio.wait_all_tasks_blocked()
        before, pump.may_answer = pump.may_answer, anyio.Event()
        before.set()
        await anyio.wait_all_tasks_blocked()
        pump.is_lost = False
        pump.may_answer.set()
    assert pump.rounds == [["a", "b"], ["a", "b", "c"]]
    assert outcomes == ["c"]


@both
async def test_a_request_that_is_cancelled_in_the_queue_is_never_sent_and_one_on_its_way_is_known() -> None:
    """The cancellation of the second goes out once its outcome is there."""
    outcomes: list[Any] = []
    async with pumping() as pump, anyio.create_task_group() as tasks:
        scopes = [anyio.CancelScope() for _ in range(2)]

        async def cancelled(name: str, scope: anyio.CancelScope) -> None:
            with scope:
                await ask(pump, name, outcomes)
            outcomes.append(f"{name} is out")

        tasks.start_soon(cancelled, "a", scopes[0])
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(cancelled, "b", scopes[1])
        await anyio.wait_all_tasks_blocked()
        for scope in scopes:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert outcomes == ["b is out"]
        pump.may_answer.set()
    assert outcomes == ["b is out", "a is out"]
    assert pump.rounds == [["a"]]


@both
async def test_a_request_in_an_expired_queue_was_not_sent() -> None:
    """It ends as ``Away``; what is asked later is answered."""
    outcomes: list[Any] = []
    async with pumping() as pump, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, pump, "a", outcomes)
        await anyio.wait_all_tasks_blocked()
        pump.expire(anyio.current_time() + 9)
        assert not outcomes
        pump.expire(anyio.current_time() + 11)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [Away]
        assert outcomes[0].stored is False
        pump.may_answer.set()
        assert await pump.do(Named("b")) == "b"


@both
async def test_a_closed_pump_takes_nothing_more() -> None:
    """And whatever nobody will send any more ends."""
    outcomes: list[Any] = []
    async with pumping() as pump, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, pump, "a", outcomes)
        await anyio.wait_all_tasks_blocked()
        pump.close("it is closed")
        with pytest.raises(LogError, match="it is closed"):
            await pump.do(Named("b"))
        pump.fail_all()
        await checkpoint()
    assert [type(outcome) for outcome in outcomes] == [Away]


@both
async def test_a_connection_that_has_ended_is_found_out_while_nothing_is_asked() -> None:
    """By a request that nobody waits for."""
    async with pumping() as pump:
        await anyio.wait_all_tasks_blocked()
        pump.look()
        await anyio.wait_all_tasks_blocked()
        assert pump.rounds == []
        pump.line.has_ended = lambda: True  # type: ignore[method-assign]  # the fake one
        pump.look()
        await anyio.wait_all_tasks_blocked()
        assert pump.rounds == [["nothing"]]
        pump.may_answer.set()
