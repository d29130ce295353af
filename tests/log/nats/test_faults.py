"""A server that dies, stands still, or cannot be reached, while tasks publish and groups consume."""

from __future__ import annotations

import os
import random
from typing import Any

import anyio
import pytest

from evenflow.log import LogError
from evenflow.log._nats._faults import BUSY, CHANGED, Reply, reply_of
from tests.proxy import Proxy

from .kit import Load, Placed, as_long_as_it_takes, log_on, needs_nats, on_asyncio, own_server, soon

ROUNDS = int(os.environ.get("EVENFLOW_SERVER_KILLS", "3"))

pytestmark = [needs_nats, pytest.mark.timeout(90 + 30 * ROUNDS)]


async def go_on(load: Load, count: int) -> None:
    """Wait until so many more events were confirmed."""
    goal = len(load.stored) + count
    await soon(lambda: len(load.stored) >= goal, 60)


@as_long_as_it_takes
async def test_a_server_that_is_killed_and_restarted_loses_nothing_that_was_confirmed() -> None:
    """Twenty tasks publish and three groups consume meanwhile; everything goes on by itself."""
    chance = random.Random(1)
    with own_server() as server:
        log = log_on(server.url)
        async with log:
            load = Load(log)
            async with load.running():
                for _ in range(ROUNDS):
                    await go_on(load, chance.randrange(40, 200))
                    server.kill()
                    await anyio.sleep(chance.random() * 0.2)
                    await anyio.to_thread.run_sync(server.start)
                await go_on(load, 40)
            await load.check()
            assert not load.unknown
            assert not load.failed
            assert log.connected.value


@on_asyncio
async def test_a_server_that_stands_still_is_waited_for() -> None:
    """For longer than any answer may take: nothing fails, and nothing is done twice."""
    with own_server() as server:
        log = log_on(server.url)
        async with log:
            load = Load(log)
            async with load.running():
                await go_on(load, 40)
                server.freeze()
                await soon(lambda: not log.connected.value)
                server.thaw()
                await go_on(load, 40)
            await load.check()
            assert not load.unknown
            assert not load.failed


@as_long_as_it_takes
async def test_connections_that_are_cut_are_made_again() -> None:
    """Cut at any moment, in the middle of an answer too, then refused for a while; delayed pieces only take longer."""
    chance = random.Random(2)
    with own_server() as server:
        async with Proxy(server.port) as proxy:
            log = log_on(f"nats://127.0.0.1:{proxy.port}")
            async with log:
                load = Load(log)
                async with load.running():
                    for round_ in range(2 * ROUNDS):
                        await go_on(load, chance.randrange(20, 100))
                        proxy.delay = 0.02 * (round_ % 2)
                        await proxy.cut(half=round_ % 2 == 1)
                        if round_ % 3 == 2:
                            async with proxy.refusing():
                                await anyio.sleep(0.2)
                    proxy.delay = 0.0
                    await go_on(load, 40)
                await load.check()
                assert not load.unknown
                assert not load.failed


@on_asyncio
async def test_a_server_that_is_away_for_too_long_is_an_error_in_bounded_time() -> None:
    """For whoever publishes or asks; ``connected`` says it, and everything works once the server is back."""
    with own_server() as server:
        log = log_on(server.url, publish_timeout=1.0)
        orders: Any = log.subject("orders", Placed)
        async with log:
            await orders.publish(Placed(by=0, n=1))
            assert log.connected.value
            server.kill()
            await soon(lambda: not log.connected.value)
            for attempt in (lambda: orders.publish(Placed(by=0, n=2)), orders.end, orders.groups):
                with anyio.fail_after(30), pytest.raises(LogError) as failed:
                    await attempt()
                assert failed.value.stored is False
            await anyio.to_thread.run_sync(server.start)
            await soon(lambda: log.connected.value)
            await orders.publish(Placed(by=0, n=3))
            assert [record.event.n async for record in orders.read()] == [1, 3]


@on_asyncio
async def test_a_log_whose_server_is_away_closes_in_bounded_time_and_opens_again() -> None:
    """What waits is known not to be stored."""
    with own_server() as server:
        log = log_on(server.url, publish_timeout=1.0)
        orders: Any = log.subject("orders", Placed)
        await log.start()
        await orders.publish(Placed(by=0, n=1))
        server.kill()
        with anyio.fail_after(30):
            await log.aclose()
        with pytest.raises(LogError, match="cannot be opened"):
            await log.start()
        await anyio.to_thread.run_sync(server.start)
        async with log:
            assert [record.event.n async for record in orders.read()] == [1]


@on_asyncio
async def test_a_server_that_has_lost_confirmed_events_is_noticed_by_whoever_reads_on() -> None:
    """As after a power cut: an error, until the log is opened again, and what is left can be read then."""
    with own_server() as server:
        log = log_on(server.url)
        orders: Any = log.subject("orders", Placed)
        await log.start()
        await orders.publish(Placed(by=0, n=1))
        await anyio.to_thread.run_sync(server.keep_a_copy)
        for n in range(2, 30):
            await orders.publish(Placed(by=0, n=n))
        server.kill()
        await anyio.to_thread.run_sync(server.go_back_to_the_copy)
        await anyio.to_thread.run_sync(server.start)
        with pytest.raises(LogError, match="has lost what was stored"):
            await orders.read().to_list()
        await log.aclose()
        async with log:
            assert [record.event.n async for record in orders.read()] == [1]
            await orders.publish(Placed(by=0, n=2))
            assert [record.event.n async for record in orders.read()] == [1, 2]


@on_asyncio
async def test_each_change_of_the_connection_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is looked for in between."""
    with own_server() as server:
        log = log_on(server.url)
        async with log:
            server.kill()
            await soon(lambda: not log.connected.value)
            await anyio.sleep(0.3)
            await anyio.to_thread.run_sync(server.start)
            await soon(lambda: log.connected.value)
        assert not log.connected.value
    said = [record.getMessage() for record in caplog.records if record.name == "evenflow.log"]
    assert [message.split(" is ")[1].split(",")[0] for message in said if " is away" in message or " is back" in message] == [
        "away", "back",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer, reply",
    [
        (b'{"stream":"S","seq":12}', Reply(12)),
        (b'{"stream":"S", "seq":12}', Reply(12)),
        (b'{"stream":"S","domain":"d","seq":12}', Reply(12)),
        (b'{"stream":"S","seq":12,"duplicate": true}', Reply(12, again=True)),
        (b'{"stream":"S","seq":12,"batch":"b","count":3}', Reply(12)),
        (b'{"error":{"code":400,"err_code":10071,"description":"no"},"stream":"S","seq":0}', Reply(0, CHANGED, "no")),
        (b'{"stream":"S","seq":12,"error":{"code":503,"description":"no"}}', Reply(0, BUSY, "no")),
    ],
)
def test_an_answer_to_a_publish_is_read(answer: bytes, reply: Reply) -> None:
    """The usual one, which is not parsed, and all others."""
    assert reply_of(answer, None) == reply
    assert reply_of(answer, {"a": "b"}) == reply
