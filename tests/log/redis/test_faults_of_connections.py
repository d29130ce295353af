"""Connections that are cut, slow, or swallow answers."""

from __future__ import annotations

import anyio
import pytest

from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE

from .kit import Load, Placed, Proxy, on_asyncio, own_server, soon


@on_asyncio
async def test_a_connection_that_is_cut_again_and_again_loses_nothing_and_stores_nothing_twice() -> None:
    """Wherever it is cut: what was in doubt is asked for, by the number of its batch."""
    with own_server() as server:
        async with Proxy(server).running() as proxy:
            log = RedisLog(proxy.url, name="shop", publish_timeout=PATIENCE)
            async with log:
                load = Load(log)
                async with load.running():
                    for n in range(25):
                        await anyio.sleep(0.03 + 0.007 * (n % 5))
                        proxy.cut()
                    await anyio.sleep(0.3)
                await load.check()
                assert load.stored
                assert not load.unknown
                assert not load.failed


@on_asyncio
async def test_an_answer_that_is_lost_does_not_store_an_event_twice() -> None:
    """The server stores it, the answer is swallowed, the connection is cut: the publish returns once it is asked for."""
    with own_server() as server:
        async with Proxy(server).running() as proxy:
            log = RedisLog(proxy.url, name="shop", publish_timeout=PATIENCE)
            async with log:
                orders = log.subject("orders", Placed)
                await orders.publish(Placed(by=0, n=0))
                offsets = []

                async def publish() -> None:
                    offsets.append(await orders.publish(Placed(by=0, n=1)))

                async def is_stored() -> bool:
                    with server.client() as client:
                        return client.xlen("evenflow:{shop}:events:orders") == 2

                async with anyio.create_task_group() as tasks:
                    proxy.swallows = True
                    tasks.start_soon(publish)
                    await soon(is_stored)
                    assert not offsets
                    proxy.cut()
                    proxy.swallows = False
                records = await orders.read().to_list()
                assert [record.event.n for record in records] == [0, 1]
                assert offsets == [records[1].offset]


@on_asyncio
async def test_a_slow_connection_only_takes_longer() -> None:
    """Every piece is held back in both directions; and what is sent comes in halves."""
    with own_server() as server:
        async with Proxy(server).running() as proxy:
            proxy.delay = 0.05
            log = RedisLog(proxy.url, name="shop", publish_timeout=PATIENCE)
            async with log:
                load = Load(log, tasks=3, groups=("a",))
                async with load.running():
                    await anyio.sleep(0.5)
                await load.check()
                assert not load.unknown
                assert not load.failed


@on_asyncio
async def test_each_change_of_the_connection_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """``connected`` tells it too; several lines of one log are one connection for whoever reads the log."""
    with own_server() as server:
        async with Proxy(server).running() as proxy:
            log = RedisLog(proxy.url, name="shop")
            assert not log.connected.value
            async with log:
                await log.subject("orders", Placed).publish(Placed(by=0, n=0))
                assert log.connected.value
                server.kill()
                await soon(lambda: not log.connected.value)
                await anyio.sleep(1)
                await anyio.to_thread.run_sync(server.start)
                await soon(lambda: log.connected.value)
                await log.subject("orders", Placed).publish(Placed(by=0, n=1))
            assert not log.connected.value
    said = [record.getMessage() for record in caplog.records if record.name == "evenflow.log"]
    assert [message.split(" is ")[1].split(",")[0] for message in said if " is away" in message or " is back" in message] == [
        "away", "back",
    ]  # fmt: skip


@on_asyncio
async def test_a_cancelled_reader_leaves_no_answer_for_the_next() -> None:
    """Questions that are cancelled on their way are answered to nobody: each one gets its own answer."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop")
        async with log:
            orders = log.subject("orders", Placed)
            offsets = [await orders.publish(Placed(by=0, n=n)) for n in range(20)]

            async def one(n: int) -> None:
                with anyio.move_on_after(0.0002 * (n % 7)):
                    await orders.read().to_list()
                found = await orders.read(since=offsets[n % 19]).to_list()
                assert found[0].offset == offsets[n % 19 + 1]

            async with anyio.create_task_group() as tasks:
                for n in range(200):
                    tasks.start_soon(one, n)
