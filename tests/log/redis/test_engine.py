"""The engine's face: what it refuses, and what only this engine does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest
import trio

from evenflow import Unsupported
from evenflow.log import LogError
from evenflow.log._redis import RedisEngine
from evenflow.log._redis._engine import LOOKED_AT
from evenflow.log._stored import Append, Change, Put
from tests.conformance.kit import append, texts
from tests.limits import HANGING

from .kit import on_asyncio, own_server
from .server import fresh_name, shared


@pytest.mark.parametrize(
    "options, words",
    [
        ({"durability": "disk"}, "durability"),
        ({"keep_ids": timedelta(seconds=-1)}, "keep_ids"),
        ({"publish_timeout": 0}, "publish_timeout"),
        ({"publish_timeout": float("nan")}, "publish_timeout"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(options: dict[str, Any], words: str) -> None:
    """And not when the log is opened."""
    with pytest.raises(ValueError, match=words):
        RedisEngine("redis://localhost", **options)


def test_on_trio_it_is_unsupported() -> None:
    """redis-py knows asyncio only; nothing is connected."""
    with pytest.raises(Unsupported, match="asyncio only") as caught:
        trio.run(RedisEngine("redis://localhost:1").open)
    assert caught.value.missing == ("trio",)


@on_asyncio
async def test_it_is_opened_once_at_a_time() -> None:
    """And again after it was closed."""
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    with pytest.raises(LogError, match="open already"):
        await engine.open()
    await engine.close()
    await engine.open()
    await engine.close()


@on_asyncio
async def test_a_forked_child_refuses_and_leaves_the_connections_alone() -> None:
    """The parent goes on."""
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    opening = engine._opened()
    opening.process = os.getpid() + 1
    with pytest.raises(LogError, match="fork"):
        await append(engine, "a")
    await engine.close()
    opening.process = os.getpid()
    await opening.close()


def test_a_loop_that_ended_without_closing_leaves_no_thread_and_the_next_opens() -> None:
    """The log object may be the module's own."""
    engine = RedisEngine(shared().url, fresh_name())

    async def main(text: str) -> None:
        await engine.open()
        await append(engine, text)
        engine._opened().members.stop()
        await engine.close()

    anyio.run(main, "a")
    anyio.run(main, "b")


@on_asyncio
async def test_ids_are_forgotten_after_their_time() -> None:
    """By the server's clock; with no time at all an id counts within its change only."""
    engine = RedisEngine(shared().url, fresh_name(), keep_ids=timedelta(seconds=0.2))
    await engine.open()
    began = anyio.current_time()
    first = await append(engine, "a", id="one")
    while await append(engine, "a", id="one") == first:
        await anyio.sleep(0.01)
    assert anyio.current_time() - began >= 0.2
    assert await engine.end("orders") > first[0]
    await engine.close()
    engine = RedisEngine(shared().url, fresh_name(), keep_ids=timedelta(0))
    await engine.open()
    one, again = await append(engine, "a", "a", id="one")
    assert one == again
    assert await append(engine, "a", id="one") != [one]
    await engine.close()


@on_asyncio
async def test_the_oldest_that_are_too_many_are_found_over_several_questions() -> None:
    """However many there are."""
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    seqs = await append(engine, *("x" for _ in range(2 * LOOKED_AT + 7)))
    for events in (0, 1, 5, LOOKED_AT, len(seqs) - 1):
        assert await engine.older_than("orders", events) == seqs[-events - 1]
    assert await engine.older_than("orders", len(seqs)) == 0
    await engine.close()


@on_asyncio
async def test_what_is_new_and_what_is_due_is_one_question() -> None:
    """Each claim of a group asks for both."""
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    await engine.commit(Change(puts={"retry/a/1": Put(b"v", 1.0)}, appends=[Append("orders", "Placed", 1, b"{}")]))
    await engine.end("orders")  # connected, for that is an exchange, too
    asked, line = list[int](), engine._opened().reads.line
    exchange = line.exchange

    async def counted(commands: Sequence[Any], within: float = HANGING) -> list[Any]:
        asked.append(len(commands))
        return await exchange(commands, within)

    setattr(line, "exchange", counted)  # noqa: B010 -- only to count
    page, due = await engine.read_with_due("orders", 0, 9, "retry/a/", 2.0, 9)
    assert ([row.data for row in page.rows], list(due)) == ([b"{}"], ["retry/a/1"])
    assert len(asked) == 1
    await engine.close()


@on_asyncio
async def test_the_time_is_the_servers() -> None:
    """Also where this machine's clock is another."""
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    with shared().client() as client:
        seconds, micros = client.time()
    assert abs(engine.wall() - (seconds + micros / 1e6)) < HANGING  # a busy machine may stand still in between
    assert engine.clock() <= engine.clock()
    await engine.close()


@on_asyncio
async def test_two_logs_on_one_server_know_nothing_of_each_other() -> None:
    """Nor of what else is there."""
    with own_server() as server, server.client() as client:
        client.set("mine", "1")
        one, two = RedisEngine(server.url, "one"), RedisEngine(server.url, "two")
        await one.open()
        await two.open()
        await append(one, "a")
        await append(two, "b")
        assert (await texts(one), await texts(two)) == (["a"], ["b"])
        assert one.lineages != two.lineages
        await one.close()
        await two.close()
        assert client.get("mine") == "1"
