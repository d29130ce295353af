"""A server that dies, is stopped, is full, or loses its data, while tasks publish and groups consume."""

from __future__ import annotations

import anyio
import pytest

from evenflow import Gap
from evenflow.log import LogError, Retain
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE
from tests.limits import limit

from .kit import Load, Placed, on_asyncio, own_server, soon
from .server import free_port


@pytest.mark.parametrize("round_", range(3))
@on_asyncio
async def test_a_server_that_is_killed_and_restarted_loses_nothing_that_was_confirmed(round_: int) -> None:
    """Twenty tasks publish and three groups consume meanwhile; everything goes on by itself."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        async with log:
            load = Load(log)
            async with load.running():
                for pause in (0.3, 0.05 * (round_ + 1), 0.2):
                    await anyio.sleep(pause)
                    server.kill()
                    await anyio.sleep(0.1)
                    await anyio.to_thread.run_sync(server.start)
                await anyio.sleep(0.3)
            await load.check()
            assert load.stored
            assert not load.unknown
            assert not load.failed
            assert log.connected.value


@pytest.mark.slow
@pytest.mark.timed
@on_asyncio
async def test_a_server_that_is_stopped_for_ten_seconds_goes_on_where_it_was() -> None:
    """Nothing is lost or known not to be stored: whatever was in doubt is asked for."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        async with log:
            load = Load(log)
            async with load.running():
                await anyio.sleep(0.3)
                server.freeze()
                await anyio.sleep(10)
                server.thaw()
                await anyio.sleep(0.5)
            await load.check()
            assert not load.unknown
            assert not load.failed
            assert load.longest < limit(20.0)


@on_asyncio
async def test_whoever_waits_for_a_dead_server_waits_no_longer_than_was_said() -> None:
    """What was on its way is not known to be stored, what waited behind it is known not to be; readers wait on."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop", publish_timeout=1.0)
        async with log:
            orders = log.subject("orders", Placed)
            async with orders.subscribe() as feed:
                await orders.publish(Placed(by=0, n=0))
                assert (await feed.receive()).n == 0
                server.freeze()
                outcomes: list[LogError] = []

                async def publish(n: int) -> None:
                    began = anyio.current_time()
                    with pytest.raises(LogError) as caught:
                        await orders.publish(Placed(by=1, n=n), id=f"id-{n}")
                    outcomes.append(caught.value)
                    assert 0.9 < anyio.current_time() - began < 20, "the default would be 30"

                async with anyio.create_task_group() as tasks:
                    for n in range(5):
                        tasks.start_soon(publish, n)
                        await anyio.sleep(0.01)
                assert {error.stored for error in outcomes} == {None, False}
                with pytest.raises(LogError):
                    await orders.read().to_list()
                server.thaw()
                await soon(lambda: log.connected.value)
                again = [await orders.publish(Placed(by=1, n=n), id=f"id-{n}") for n in range(5)]
                with anyio.fail_after(PATIENCE):
                    assert [(await feed.receive()).n for _ in range(5)] == [0, 1, 2, 3, 4]
                stored = await orders.read().to_list()
                assert [record.offset for record in stored[1:]] == again


@on_asyncio
async def test_a_log_on_a_server_that_is_not_there_is_not_opened() -> None:
    """The error names the server, and comes in bounded time."""
    log = RedisLog(f"redis://me:secret@127.0.0.1:{free_port()}/0", name="shop")
    with anyio.fail_after(PATIENCE), pytest.raises(LogError, match=r"127\.0\.0\.1") as caught:
        await log.start()
    assert "secret" not in str(caught.value)
    assert not log.connected.value


@on_asyncio
async def test_a_full_server_stores_nothing_and_takes_acknowledgements() -> None:
    """``maxmemory`` is reached: publishing fails at once, and says why; what frees memory goes on."""
    with own_server(maxmemory="8mb") as server:
        log = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        async with log:
            orders = log.subject("orders", Placed, retain=Retain(events=10))
            stored = 0
            async with orders.deliveries("g", Placed) as deliveries:
                first = await orders.publish(Placed(by=0, n=0))
                delivery = await deliveries.receive()
                assert delivery.offset == first
                with pytest.raises(LogError, match="memory") as caught:
                    for stored in range(1, 100):
                        await orders.publish(Placed(by=0, n=stored, text="x" * 200_000))
                assert caught.value.stored is False
                assert 5 < stored < 60
                assert len(await orders.read().to_list()) == stored
                await delivery.ack()
                for _ in range(stored - 1):
                    with anyio.fail_after(PATIENCE):
                        await (await deliveries.receive()).ack()

                async def is_short() -> bool:
                    return len(await orders.read().to_list()) <= 10

                await soon(is_short)
                await orders.publish(Placed(by=0, n=100))
                assert (await deliveries.receive()).event.n == 100


@on_asyncio
async def test_a_server_that_was_emptied_begins_a_new_line_and_numbers_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Offsets of what is lost are refused, a live subscriber gets what comes, and it is logged."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        async with log, log.subject("orders", Placed).subscribe() as feed:
            orders = log.subject("orders", Placed)
            old = [await orders.publish(Placed(by=0, n=n)) for n in range(5)]
            assert [(await feed.receive()).n for _ in range(5)] == [0, 1, 2, 3, 4]
            with server.client() as client:
                client.flushall()
            new = await orders.publish(Placed(by=0, n=5))
            assert new > old[-1]
            assert new.lineage != old[-1].lineage
            with anyio.fail_after(PATIENCE):
                assert (await feed.receive()).n == 5
            with pytest.raises(ValueError, match="lost"):
                await orders.read(since=old[-1]).to_list()
            assert [record.offset for record in await orders.read().to_list()] == [new]
        assert "all that it had is lost" in caplog.text


@on_asyncio
async def test_a_log_that_was_made_anew_by_another_process_is_noticed() -> None:
    """Whoever was behind is told that events are gone; nobody is put at another place silently."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        other = RedisLog(server.url, name="shop", publish_timeout=PATIENCE)
        orders, theirs = (each.subject("orders", Placed) for each in (log, other))
        async with log:
            old = [await orders.publish(Placed(by=0, n=n)) for n in range(5)]
            with server.client() as client:
                client.flushall()
            async with other:
                foreign = await theirs.publish(Placed(by=1, n=0))
                async with orders.subscribe(since=old[2], gaps=True) as feed:
                    new = await orders.publish(Placed(by=0, n=5))
                    with anyio.fail_after(PATIENCE):
                        found = [await feed.receive(), await feed.receive()]
                    assert isinstance(found[0], Gap)
                    assert found[1] == Placed(by=0, n=5)
                assert [record.offset for record in await theirs.read().to_list()] == [foreign, new]
                with pytest.raises(ValueError, match=old[0].lineage):
                    await theirs.read(since=old[0]).to_list()
