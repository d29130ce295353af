"""The mark of an opening, and how another process's change is noticed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._engine import Change, Engine, Put
from evenflow.log._nats import _marks
from evenflow.log._nats._marks import Marks
from tests.conformance.kit import append
from tests.proxy import Proxy
from tests.servers import fresh_nats_name, nats

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_whoever_waits_is_woken_once_for_each_change() -> None:
    """Closing wakes everybody with an error."""
    marks = Marks()
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
