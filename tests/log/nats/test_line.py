"""One connection of the loop's, which is made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from evenflow.log._nats._faults import Lost
from evenflow.log._nats._line import Line
from evenflow.log._nats._servers import Servers
from tests.servers import nats

from .kit import needs_nats, on_asyncio, own_server, soon

pytestmark = needs_nats


@asynccontextmanager
async def running(url: str, told: list[bool]) -> AsyncGenerator[Line]:
    """A line with its tasks."""
    line = Line(Servers([url], {}), "log", told.append)
    tasks = [asyncio.ensure_future(line.keep_up()), asyncio.ensure_future(line.keep_sending())]
    try:
        await line.until_up()
        yield line
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        line.end()
        await line.close()


@on_asyncio
async def test_each_question_gets_its_own_answer() -> None:
    """Also where others were given up in between."""
    async with running(nats().url, []) as line:

        async def ask(number: int) -> None:
            with anyio.move_on_after(0.001 * (number % 3)):
                (answer,) = await line.ask("$JS.API.INFO")
                assert b"account_info" in answer.data

        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(ask, number)
        assert len(await line.ask("$JS.API.INFO")) == 1
        assert not line._waiting


@on_asyncio
async def test_what_is_sent_is_what_the_clients_own_publish_sends() -> None:
    """With headers and without, empty, with an answer or none."""
    heard: list[tuple[Any, ...]] = []
    async with running(nats().url, []) as line:

        async def hear(message: Any) -> None:
            heard.append((message.data, message.headers, bool(message.reply)))

        await line.client.subscribe("check.line", cb=hear)
        cases: list[tuple[bytes, dict[str, str] | None, str | None]] = [
            (b"", None, None), (b"x\r\ny", None, "7"), ("ü".encode(), {"a": "1", "ce-b": "x%20y"}, "7"), (b"", {"a": "b"}, None),
        ]  # fmt: skip
        for data, headers, token in cases:
            line.post("check.line", data, headers, token)
        await soon(lambda: len(heard) == len(cases))
        for data, headers, token in cases:
            await line.client.publish("check.line", data, "r" if token else "", headers)
        await soon(lambda: len(heard) == 2 * len(cases))
    assert heard[: len(cases)] == heard[len(cases) :]


@on_asyncio
async def test_a_client_with_other_insides_sends_and_hears_the_same() -> None:
    """It is asked to publish, and the answer comes by its own task."""
    async with running(nats().url, []) as line:
        inside: Any = line.client
        inside._answers = -1

        class Other:
            """What a client has that sends in another way."""

            def __getattr__(self, name: str) -> Any:
                if name == "_send_command":
                    raise AttributeError(name)
                return getattr(inside, name)

        line._client = Other()
        (answer,) = await line.ask("$JS.API.INFO", headers={"a": "1"})
        assert b"account_info" in answer.data
        heard = list[Any]()

        async def hear(message: Any) -> None:
            heard.append((message.data, message.headers))

        await line.client.subscribe("check.insides", cb=hear)
        line.post("check.insides", b"x", b"NATS/1.0\r\na: 1\r\nce-b: x%20y\r\n\r\n")
        await soon(lambda: bool(heard))
        assert heard == [(b"x", {"a": "1", "ce-b": "x%20y"})]


@on_asyncio
async def test_whoever_waits_for_an_answer_is_told_that_the_connection_is_gone() -> None:
    """And it is made anew by itself, which is told."""
    told: list[bool] = []
    async with running(nats().url, told) as line:
        waiting = asyncio.ensure_future(line.ask("$JS.API.INFO"))
        await asyncio.sleep(0)
        line.drop("a test")
        with pytest.raises(Lost, match="a test"):
            await waiting
        with pytest.raises(Lost):
            line.post("x", b"")
        await line.until_up()
        assert line.made == 2
        assert told == [True, False, True]


@on_asyncio
async def test_a_connection_that_has_ended_keeps_nobody_busy() -> None:
    """Whoever waits for it sleeps, and goes on once the server is back."""
    with own_server() as server:
        told: list[bool] = []
        async with running(server.url, told) as line:
            server.kill()
            await soon(lambda: not line.is_up)
            waiting = asyncio.ensure_future(line.until_up())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await asyncio.to_thread(server.start)
            await waiting
            assert told == [True, False, True]


@on_asyncio
async def test_a_server_that_gives_no_answer_is_away() -> None:
    """In the time that was said."""
    with own_server() as server:
        async with running(server.url, []) as line:
            server.freeze()
            with pytest.raises(Lost, match="no answer within"):
                await line.ask("$JS.API.INFO", within=0.1)
            assert not line.is_up
            server.thaw()
