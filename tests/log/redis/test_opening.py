"""What runs between open and close."""

from __future__ import annotations

import logging
import threading

import anyio
import pytest

from evenflow.log import LogError
from evenflow.log._redis import RedisEngine
from evenflow.log._redis._marks import BLOCK
from evenflow.log._stored import Change
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE, append, texts
from tests.limits import limit

from .kit import Placed, on_asyncio, own_server, soon
from .server import fresh_name, shared


def beats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("evenflow.log beats")]


@on_asyncio
async def test_closing_leaves_no_thread_no_connection_and_no_member() -> None:
    """The member is known to have left; its connections are gone."""
    engine, name = RedisEngine(shared().url, fresh_name()), ""
    with shared().client() as client:
        await engine.open()
        await append(engine, "a")
        await soon(lambda: len(client.client_list()) >= 4)
        name = f"evenflow:{{{engine._settings.log}}}:member:{engine.member}"
        assert client.hget(name, "closed") == "0"
        await engine.close()
        assert beats() == []
        assert client.hget(name, "closed") == "1"
        assert client.ttl(name) > 3_600
        await soon(lambda: len(client.client_list()) == 1)


@on_asyncio
async def test_closing_while_the_server_is_away_is_bounded() -> None:
    """What was on its way is not known to be stored."""
    with own_server() as server:
        engine = RedisEngine(server.url, "shop", publish_timeout=1.0)
        await engine.open()
        raised: list[LogError] = []

        async def publish() -> None:
            with pytest.raises(LogError) as caught:
                await append(engine, "a")
            raised.append(caught.value)

        async with anyio.create_task_group() as tasks:
            server.freeze()
            tasks.start_soon(publish)
            await anyio.sleep(0.1)
            with anyio.fail_after(PATIENCE):
                await engine.close()
        assert [error.stored for error in raised] == [None]
        server.thaw()


@on_asyncio
async def test_a_cancelled_opening_leaves_nothing() -> None:
    """Wherever it was."""
    with own_server() as server:
        server.freeze()
        engine = RedisEngine(server.url, "shop")
        with anyio.move_on_after(0.2) as scope:
            await engine.open()
        assert scope.cancelled_caught
        assert beats() == []
        server.thaw()
        await engine.open()
        await engine.close()


@on_asyncio
async def test_what_waits_for_a_server_that_comes_back_is_stored_and_read() -> None:
    """Publishing waits, a subscriber goes on by itself, and an idle one notices."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop")
        orders = log.subject("orders", Placed)
        async with log, orders.subscribe() as feed:
            await orders.publish(Placed(by=0, n=0))
            server.kill()
            await soon(lambda: not log.connected.value)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(orders.publish, Placed(by=0, n=1))
                await anyio.sleep(0.2)
                await anyio.to_thread.run_sync(server.start)
            with anyio.fail_after(PATIENCE):
                assert [(await feed.receive()).n for _ in range(2)] == [0, 1]
            async with RedisLog(server.url, name="shop") as other:
                await other.subject("orders", Placed).publish(Placed(by=1, n=2))
            with anyio.fail_after(PATIENCE):
                assert (await feed.receive()).n == 2


@pytest.mark.timed
@on_asyncio
async def test_an_idle_subscriber_hears_of_another_process_soon_and_asks_seldom() -> None:
    """Within a moment; while nothing happens the server gets a few commands a second at most."""
    with own_server() as server, server.client() as client:
        log, other = (RedisLog(server.url, name="shop") for _ in range(2))
        orders, theirs = (each.subject("orders", Placed) for each in (log, other))
        async with log, other, orders.subscribe() as feed:
            await theirs.publish(Placed(by=0, n=0))
            await feed.receive()
            await anyio.sleep(0.5)
            before, began = client.info("stats")["total_commands_processed"], anyio.current_time()
            await anyio.sleep(2)
            idle = client.info("stats")["total_commands_processed"] - before
            assert idle < 15 * (anyio.current_time() - began)
            latencies = []
            for n in range(20):
                await anyio.sleep(0.03)
                began = anyio.current_time()
                await theirs.publish(Placed(by=0, n=n))
                await feed.receive()
                latencies.append(anyio.current_time() - began)
            assert sorted(latencies)[10] < limit(BLOCK / 2), "it was heard, and not found at the next look"


@on_asyncio
async def test_a_server_that_hangs_is_noticed_while_nobody_asks_it() -> None:
    """Within seconds; and so is that it goes on."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop")
        async with log:
            server.freeze()
            await soon(lambda: not log.connected.value)
            server.thaw()
            await soon(lambda: log.connected.value)


@on_asyncio
async def test_scripts_that_the_server_has_forgotten_are_loaded_again(caplog: pytest.LogCaptureFixture) -> None:
    """``SCRIPT FLUSH``: nobody but the log notices."""
    caplog.set_level(logging.INFO)
    engine = RedisEngine(shared().url, fresh_name())
    await engine.open()
    await append(engine, "a")
    with shared().client() as client:
        client.script_flush()
    await append(engine, "b")
    assert list(await engine.load(prefix="")) == []
    assert await texts(engine) == ["a", "b"]
    await engine.commit(Change())
    await engine.close()
