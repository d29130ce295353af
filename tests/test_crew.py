"""Tasks that belong to one object, and to nobody's scope."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow._crew import Crew
from evenflow._loop import running_loop

from .contract.kit import both, only_asyncio, settle, turn
from .parts import run


async def opened(name: str = "subject") -> Crew:
    """A crew that may start tasks."""
    crew = Crew(name, running_loop())
    await crew.open()
    return crew


def slow_to_end(ended: list[str]) -> Callable[[], Coroutine[Any, Any, None]]:
    """Work that runs until it is cancelled, cleans up for two seconds more, and then says so."""

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            ended.append("work")

    return work


@both
async def test_closing_cancels_what_still_runs_and_waits_for_its_end() -> None:
    """Also for one that takes its time to clean up."""
    crew, ended = await opened(), list[str]()
    crew.start(slow_to_end(ended), name="slow", ended=lambda: ended.append("told"))
    await settle()
    await crew.close()
    assert ended == ["work", "told"]


@both
async def test_a_task_that_was_cancelled_before_it_began_does_nothing_and_is_told_of() -> None:
    """Closing is enough for that."""
    crew, heard = await opened(), list[str]()

    async def work() -> None:
        heard.append("began")
        await checkpoint()
        heard.append("went on")

    crew.start(work, name="work", ended=lambda: heard.append("ended"))
    await crew.close()
    assert heard in (["ended"], ["began", "ended"])


@both
async def test_a_cancelled_scope_does_not_cut_the_closing_short() -> None:
    """It is cancelled as soon as nothing runs any more."""
    ended: list[str] = []
    with anyio.move_on_after(1) as scope:
        crew = await opened()
        crew.start(slow_to_end(ended), name="slow")
        await settle()
        await crew.close()
        assert ended == ["work"]
        await checkpoint()
    assert scope.cancelled_caught


@only_asyncio
async def test_closing_survives_task_cancel_again_and_again() -> None:
    """Each interrupts the wait, none ends it; afterwards the task is cancelled."""
    import asyncio

    crew, ended = await opened(), list[str]()
    crew.start(slow_to_end(ended), name="slow")
    await settle()
    closing = asyncio.create_task(crew.close())
    for _ in range(3):
        await settle()
        closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert ended == ["work"]


@only_asyncio
async def test_a_task_that_lets_out_a_cancellation_that_was_not_its_own_was_cut_off() -> None:
    """Its owner may have to tell whoever waits for it."""
    import asyncio

    async def work() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    crew = await opened()
    member = crew.start(work, name="work")
    await settle()
    assert member.was_cut_off
    await crew.close()


@both
async def test_a_task_in_a_scope_that_was_cancelled_was_not_cut_off() -> None:
    """On trio the scope of whoever opened the crew holds its tasks too."""
    with anyio.CancelScope() as scope:
        crew = await opened()
        member = crew.start(anyio.sleep_forever, name="work")
        await settle()
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await settle()
        await crew.close()
    assert not member.was_cut_off


@pytest.mark.parametrize("begun", [True, False])
@only_asyncio
async def test_a_task_that_somebody_else_cancels_ends_alone_and_is_logged(
    begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Before its first step or after it."""
    import asyncio

    crew, heard = await opened("orders"), list[str]()
    member = crew.start(anyio.sleep_forever, name="observer a", ended=lambda: heard.append("a"))
    crew.start(anyio.sleep_forever, name="observer b", ended=lambda: heard.append("b"))
    if begun:
        await settle()
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "evenflow observer a")
    with caplog.at_level(logging.INFO, logger="evenflow.tasks"):
        task.cancel()
        await turn(3)
    assert (heard, member.was_cut_off) == (["a"], True)
    assert "observer a of orders was cancelled" in caplog.text
    assert ("before it began" in caplog.text) is not begun
    await crew.close()
    assert heard == ["a", "b"]


@both
async def test_a_context_that_was_given_is_what_the_task_sees() -> None:
    """What it sets stays there."""
    from contextvars import ContextVar, copy_context

    number: ContextVar[int] = ContextVar("number", default=0)
    context, crew, seen = copy_context(), await opened(), list[int]()
    context.run(number.set, 7)

    async def work() -> None:
        seen.append(number.get())
        number.set(8)

    crew.start(work, name="work", context=context)
    await settle()
    assert (seen, number.get()) == ([7], 0)
    await crew.close()


class Fatal(BaseException):
    """No Exception."""


@both
async def test_what_is_no_exception_cancels_the_others_and_comes_out_of_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In no group, and it is logged at once, because closing may be far away."""
    crew, ended = await opened(), list[str]()

    async def fails() -> None:
        raise Fatal

    crew.start(anyio.sleep_forever, name="other", ended=lambda: ended.append("other"))
    crew.start(fails, name="fails")
    await settle()
    assert ended == ["other"]
    assert "raised what is no Exception" in caplog.text
    with pytest.raises(Fatal):
        await crew.close()


def test_on_trio_a_crew_is_closed_in_the_task_that_opened_it() -> None:
    """Else it is refused, and nothing has changed."""

    async def main() -> None:
        crew = await opened("orders")
        refused: list[str] = []

        async def elsewhere() -> None:
            with pytest.raises(RuntimeError) as caught:
                crew.check_end()
            refused.append(str(caught.value))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(elsewhere, name="elsewhere")
            await checkpoint()
        assert "orders was entered in task" in refused[0]
        assert "'async with'" in refused[0]
        crew.check_end()
        await crew.close()

    run(main, "trio")


def test_on_trio_what_was_opened_last_is_closed_first() -> None:
    """The other order is refused, and nothing has changed."""

    async def main() -> None:
        first, second = await opened("first"), await opened("second")
        with pytest.raises(RuntimeError, match="first is left before something that was entered after it"):
            first.check_end()
        for crew in (second, first):
            crew.check_end()
            await crew.close()

    run(main, "trio")


@both
async def test_the_loop_knows_which_tasks_are_evenflows_own() -> None:
    """Only while they run are they kept."""
    crew, loop, tasks = await opened(), running_loop(), list[Any]()

    async def work() -> None:
        tasks.append(loop.current_task())
        await anyio.sleep_forever()

    crew.start(work, name="work")
    await settle()
    assert tasks[0] in loop.own
    assert loop.current_task() not in loop.own
    await crew.close()
