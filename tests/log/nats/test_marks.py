"""The mark of an opening, and how another process's change is noticed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest

from evenflow._errors import LogError
from evenflow._loop import running_loop
from evenflow.log._engine import Engine
from evenflow.log._nats import _marks
from evenflow.log._nats._marks import Marks
from evenflow.log._stored import Change, Put
from tests.conformance.kit import append
from tests.proxy import Proxy
from tests.servers import fresh_nats_name, nats

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of these tests say when somebody looks."""
    monkeypatch.setattr(_marks, "SECOND_LOOK", 1e6)


def deaf(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> anyio.Event:
    """As in a cluster whose other servers have not heard of a subscription yet: set once that is made."""
    client, made = engine._opened().line.client, anyio.Event()  # type: ignore[attr-defined]  # of this engine alone
    subscribe = client.subscribe

    async def nowhere(_subject: str, **options: Any) -> Any:
        made.set()
        return await subscribe("nobody.says.anything.here", **options)

    monkeypatch.setattr(client, "subscribe", nowhere)
    return made


@on_asyncio
async def test_whoever_waits_is_woken_once_for_each_change() -> None:
    """Closing wakes everybody with an error."""
    marks = Marks(running_loop())
    waiting = asyncio.ensure_future(marks.wait(0))
    await asyncio.sleep(0)
    marks.changed()
    assert await waiting == 1
    waiting = asyncio.ensure_future(marks.wait(1))
    await asyncio.sleep(0)
    marks.close("closed")
    with pytest.raises(LogError, match="closed"):
        await waiting


@on_asyncio
async def test_a_busy_log_costs_an_idle_reader_few_bytes() -> None:
    """It is told that something was stored, not what, and not each time."""
    name = fresh_nats_name()
    async with opened(log=name) as writer, opened(log=name) as idle:
        await _until_quiet(idle)
        waiting = asyncio.ensure_future(_wait_for_ever(idle))
        await asyncio.sleep(0.1)
        client = idle._opened().line.client
        before, stored = client.stats["in_bytes"], 0
        for _ in range(20):
            await append(writer, *["x" * 5_000] * 50)
            stored += 250_000
        assert client.stats["in_bytes"] - before < stored / 50
        waiting.cancel()


async def _until_quiet(engine: Engine) -> None:
    """Wait until the engine hears, and has looked at what was stored before."""
    while True:
        with anyio.move_on_after(0.5) as scope:
            await engine.wait(engine.mark())
        if scope.cancelled_caught:
            return


async def _wait_for_ever(engine: Engine) -> None:
    while True:
        await engine.wait(engine.mark())


@on_asyncio
async def test_pages_wake_nobody_in_another_process() -> None:
    """They change with each settlement; any other record does wake."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        for _ in range(10):  # where the machine stands still something else may wake it, though not each time
            await _until_quiet(one)
            mark = one.mark()
            await other.commit(Change(puts={"page/a/b/c": Put(b"")}))
            with anyio.move_on_after(0.2) as quiet:
                await one.wait(mark)
            if quiet.cancelled_caught:
                break
        assert quiet.cancelled_caught
        await other.commit(Change(puts={"group/a/b": Put(b"")}))
        with anyio.fail_after(30):
            assert await one.wait(mark) > mark


@on_asyncio
async def test_whoever_waits_looks_again_only_once_the_server_says_what_it_stores() -> None:
    """What is stored after the look and before the subscription would be said to nobody."""
    async with Proxy(nats().port) as proxy, opened(f"nats://127.0.0.1:{proxy.port}") as one:
        proxy.hold(b"SUB " + one._opened().names.heard.encode())
        mark = one.mark()
        with anyio.move_on_after(0.3) as too_early:
            await one.wait(mark)
        assert too_early.cancelled_caught
        proxy.let_go()
        with anyio.fail_after(30):
            assert await one.wait(mark) > mark


@on_asyncio
async def test_an_error_that_nobody_expects_is_logged_and_it_goes_on_hearing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The tasks beside it go on too."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        client, raised = one._opened().line.client, list[str]()
        subscribe = client.subscribe

        async def fail_once(*arguments: Any, **options: Any) -> Any:
            if not raised:
                raised.append("once")
                raise RuntimeError("of another kind")
            return await subscribe(*arguments, **options)

        monkeypatch.setattr(client, "subscribe", fail_once)
        with caplog.at_level(logging.ERROR, "evenflow.log"), anyio.fail_after(30):
            await one.wait(one.mark())
            mark = one.mark()
            await append(other, "a")
            assert await one.wait(mark) > mark
        assert raised
        assert ["of another kind" in record.getMessage() for record in caplog.records] == [True]


@on_asyncio
async def test_a_connection_on_which_asking_to_hear_takes_too_long_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it is asked again."""
    monkeypatch.setattr(_marks, "REPLY", 0.05)
    async with opened() as one:
        line = one._opened().line
        made, client = line.made, line.client

        async def hang(*_arguments: Any, **_options: Any) -> Any:
            await asyncio.Event().wait()

        monkeypatch.setattr(client, "subscribe", hang)
        with anyio.fail_after(30):
            await one.wait(one.mark())
            await line.until_up()
        assert line.made > made


@on_asyncio
async def test_whoever_waits_looks_a_second_time_a_while_after_the_subscription(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is said by a server of a cluster that has not heard of the subscription yet is heard by nobody."""
    monkeypatch.setattr(_marks, "LONGEST", 1e6)
    monkeypatch.setattr(_marks, "SECOND_LOOK", 0.05)
    async with opened() as one:
        made = deaf(one, monkeypatch)
        mark = await one.wait(one.mark())
        assert made.is_set()
        with anyio.fail_after(30):
            assert await one.wait(mark) > mark


@on_asyncio
async def test_there_is_no_third_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle process asks for nothing."""
    monkeypatch.setattr(_marks, "SECOND_LOOK", 0.05)
    async with opened() as one:
        mark = await one.wait(await one.wait(one.mark()))
        with anyio.move_on_after(0.3) as idle:
            await one.wait(mark)
        assert idle.cancelled_caught


@on_asyncio
async def test_whoever_waits_for_some_subjects_is_told_of_these_alone() -> None:
    """Unless somebody else waits for something else: then this is listened to, too."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        marks, names = one._opened().marks, one._opened().names
        placed, shipped = (frozenset({names.heard_of(names.event("orders", kind))}) for kind in ("Placed", "Shipped"))
        mark = await marks.wait(0, placed)
        await append(other, "a", type="Shipped")
        with anyio.move_on_after(0.2) as quiet:
            await marks.wait(mark, placed)
        assert quiet.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(marks.wait, mark, placed)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(30):
                mark = await marks.wait(mark, shipped)  # it listens anew, and whoever waits looks again
            while True:
                await append(other, "a", type="Shipped")
                with anyio.move_on_after(1):
                    mark = await marks.wait(mark, shipped)
                    break


@on_asyncio
async def test_more_subjects_than_a_server_should_be_asked_for_are_all_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And so it is where somebody waits for all; what was waited for a moment ago counts."""
    marks = Marks(running_loop())
    assert marks.awaited(2) is None
    async with anyio.create_task_group() as tasks:
        for subjects in ("a", "ab", "c"):
            tasks.start_soon(marks.wait, 0, frozenset(subjects))
        await anyio.wait_all_tasks_blocked()
        assert marks.awaited(3) == frozenset("abc")
        assert marks.awaited(2) is None
        marks.changed()
    assert marks.awaited(3) == frozenset("abc"), "they wait again soon"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(marks.wait, 1)
        await anyio.wait_all_tasks_blocked()
        assert marks.awaited(3) is None
        marks.changed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(marks.wait, 2, frozenset("d"))
        await anyio.wait_all_tasks_blocked()
        monkeypatch.setattr(_marks, "RECENT", -1.0)
        assert marks.awaited(3) == frozenset("d"), "nobody else has waited lately"
        marks.changed()
