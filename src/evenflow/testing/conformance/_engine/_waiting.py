"""Waiting for something to change, and what cancelling does."""

from __future__ import annotations

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._stored import Change, Put
from evenflow.testing.conformance._engine._kit import (
    PATIENCE,
    EngineMaker,
    append,
    event,
    on_every_engine,
    on_every_shared_engine,
    opened,
    texts,
    until_it_waits,
)


@on_every_engine
async def test_whoever_waits_is_told_of_a_change(make: EngineMaker) -> None:
    """The mark has grown by the time a change is made, and a wait that began before it ends."""
    async with opened(make) as engine:
        before = engine.mark()
        got: list[int] = []

        async def wait() -> None:
            got.append(await engine.wait(before))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
            await until_it_waits()
            await engine.commit(Change(puts={"a": Put(b"")}))
            assert engine.mark() > before
        assert len(got) == 2
        assert all(mark > before for mark in got)


@on_every_engine
async def test_a_wait_for_an_old_mark_ends_at_once(make: EngineMaker) -> None:
    """What changed between the look and the wait is not missed."""
    async with opened(make) as engine:
        before = engine.mark()
        await append(engine, "a")
        with anyio.fail_after(PATIENCE):
            assert await engine.wait(before) == engine.mark()


@on_every_shared_engine
async def test_what_another_opening_stores_ends_a_wait(make: EngineMaker) -> None:
    """Whether it was stored before the wait began or after."""
    async with opened(make) as one, opened(make) as other:
        for _ in range(3):
            mark = one.mark()
            seen = await texts(one)
            await append(other, "a")
            with anyio.fail_after(PATIENCE):
                while await texts(one) == seen:
                    mark = await one.wait(mark)


@on_every_shared_engine
async def test_whoever_waits_already_is_told_of_what_another_opening_stores(make: EngineMaker) -> None:
    """Again and again."""
    async with opened(make) as one, opened(make) as other:
        with anyio.move_on_after(0.1):  # what was stored before is looked for once
            await one.wait(one.mark())
        for _ in range(3):
            mark = one.mark()
            async with anyio.create_task_group() as tasks:
                with anyio.fail_after(PATIENCE):
                    tasks.start_soon(append, other, "a")
                    assert await one.wait(mark) > mark


@on_every_engine
async def test_reading_does_not_end_a_wait(make: EngineMaker) -> None:
    """Nor does a change that is refused: a reader that reads and waits comes to rest."""
    async with opened(make) as engine:
        await append(engine, "a", id="one")
        with anyio.fail_after(PATIENCE):
            while True:  # what another process may have stored is looked for some time later
                mark = engine.mark()
                await texts(engine)
                await engine.load(prefix="")
                with pytest.raises(Exception, match="one"):
                    await append(engine, "b", id="one")
                with anyio.move_on_after(0.1) as scope:
                    await engine.wait(mark)
                if scope.cancelled_caught:
                    break


@on_every_engine
async def test_a_wait_that_is_cancelled_changes_nothing(make: EngineMaker) -> None:
    """The next one is told as always."""
    async with opened(make) as engine:
        mark = engine.mark()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await engine.wait(mark)
        assert scope.cancelled_caught
        await append(engine, "a")
        with anyio.fail_after(PATIENCE):
            await engine.wait(mark)


@on_every_engine
async def test_closing_ends_a_wait(make: EngineMaker) -> None:
    """With an error, for nothing will ever change."""
    engine = make()
    await engine.open()
    raised: list[BaseException] = []

    async def wait() -> None:
        mark = engine.mark()
        try:
            while True:
                mark = await engine.wait(mark)
        except LogError as error:
            raised.append(error)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until_it_waits()
            await engine.close()
    assert len(raised) == 1


@on_every_engine
async def test_a_commit_in_a_cancelled_scope_is_not_made(make: EngineMaker) -> None:
    """It was cancelled before it was handed over; whether it is alone, or others commit at the same time."""
    async with opened(make) as engine:

        async def cancelled() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await append(engine, "lost")
            assert scope.cancelled_caught

        await cancelled()
        for _ in range(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(append, engine, "stored")
                tasks.start_soon(cancelled)
                tasks.start_soon(append, engine, "stored")
                tasks.start_soon(cancelled)
        assert await texts(engine) == ["stored"] * 20


@on_every_engine
async def test_a_commit_that_is_cancelled_is_made_whole_or_not_at_all_and_it_is_known(
    make: EngineMaker,
) -> None:
    """Whenever the cancellation comes; ``made`` was called for those that are stored, and for no others."""
    made: list[int] = []
    async with opened(make) as engine:

        async def publish(text: str, scope: anyio.CancelScope) -> None:
            with scope:
                await engine.commit(Change(appends=[event(text)]), made=lambda done: made.extend(done.seqs))

        for n in range(40):
            scopes = [anyio.CancelScope() for _ in range(4)]
            async with anyio.create_task_group() as tasks:
                for scope in scopes:
                    tasks.start_soon(publish, str(n), scope)
                for _ in range(n % 8):
                    await anyio.lowlevel.checkpoint()
                if n % 3 == 0:
                    await anyio.sleep(0.0001 * (n % 5))  # somewhere in the middle of the commit
                for scope in scopes[1:]:
                    scope.cancel()
        assert [row.seq for row in (await engine.read("orders", 0, 1_000)).rows] == made
        assert len(made) >= 40
