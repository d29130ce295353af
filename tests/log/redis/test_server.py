"""What a server must be like."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import LogError
from evenflow.log._redis._server import check
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE

from .kit import on_asyncio, own_server
from .server import Server


class InfoLine:
    """Answers with these settings."""

    address: Any = None

    def __init__(self, info: str, config: Any = ()) -> None:
        self.replies = [info.encode(), 0, config]

    async def exchange(self, commands: list[Any]) -> list[Any]:
        return self.replies[: len(commands)]


@pytest.mark.parametrize(
    "info, found",
    [
        ("redis_version:6.0.16\r\n", "Redis 6.0.16"),
        ("redis_version:5.0.7\r\n", "6.2 or later"),
        ("", "of an unknown version"),
        ("redis_version:6.2.0\r\nmaxmemory_policy:volatile-ttl\r\n", "maxmemory-policy volatile-ttl"),
        ("redis_version:7.0.0\r\nmaxmemory_policy:allkeys-lru\r\n", "noeviction"),
        ("redis_version:7.0.0\r\nrole:slave\r\n", "replica"),
    ],
)
@on_asyncio
async def test_a_server_that_cannot_keep_a_log_is_refused(info: str, found: str) -> None:
    """With what was found, and the way out."""
    line: Any = InfoLine(info)
    with pytest.raises(LogError, match=found):
        await check(line, "log shop", "server", "meta")


@pytest.mark.parametrize("version", ["6.2.0", "6.10.1", "7.2.4", "8.0.0", "10.0"])
@on_asyncio
async def test_a_later_server_is_taken(version: str) -> None:
    """Valkey says 7.2.4 there, whatever it is."""
    line: Any = InfoLine(f"redis_version:{version}\r\nmaxmemory_policy:noeviction\r\nrole:master\r\n")
    await check(line, "log shop", "server", "meta")


@on_asyncio
async def test_a_server_that_evicts_is_refused_at_opening() -> None:
    """Each policy but noeviction."""
    with own_server(maxmemory_policy="allkeys-lru") as server:
        log = RedisLog(server.url, name="shop")
        with pytest.raises(LogError, match="allkeys-lru"):
            await log.start()
        with server.client() as client:
            assert client.keys() == []


@on_asyncio
async def test_durability_on_a_power_cut_is_what_the_server_is_set_to() -> None:
    """``appendfsync always`` or refused; capabilities say what was asked for."""
    with own_server(appendfsync="everysec") as server:
        log = RedisLog(server.url, name="shop", durability="power")
        assert log.capabilities.durable_on_power_cut
        with pytest.raises(LogError, match="appendfsync everysec"):
            await log.start()
        with server.client() as client:
            client.config_set("appendfsync", "always")
        async with log:
            pass
        log = RedisLog(server.url, name="shop")
        assert not log.capabilities.durable_on_power_cut
        async with log:
            pass


@on_asyncio
async def test_a_replica_is_refused_and_a_failover_to_it_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """What the replica had not got is lost, and known to be; numbers go on above it, and offsets of it are refused."""
    with own_server() as server:
        replica = Server(tmp_path_factory.mktemp("replica"), replicaof=f"127.0.0.1 {server.port}")
        replica.start()
        try:
            await _fail_over(server, replica, caplog)
        finally:
            replica.kill()


async def _fail_over(server: Server, replica: Server, caplog: pytest.LogCaptureFixture) -> None:
    from .kit import Placed, Proxy, soon

    with pytest.raises(LogError, match="replica"):
        await RedisLog(replica.url, name="shop").start()
    async with Proxy(server).running() as proxy:
        log = RedisLog(proxy.url, name="shop", publish_timeout=PATIENCE)
        async with log:
            orders = log.subject("orders", Placed)
            kept = [await orders.publish(Placed(by=0, n=n)) for n in range(3)]

            def has_all() -> bool:
                with replica.client() as client:
                    return bool(client.xlen("evenflow:{shop}:events:orders") == 3)

            await soon(has_all)
            with replica.client() as client:
                client.replicaof("no", "one")
            lost = [await orders.publish(Placed(by=0, n=n)) for n in range(3, 5)]
            proxy.turn_to(replica)
            new = await orders.publish(Placed(by=0, n=5))
            assert new > lost[-1]
            records = await orders.read().to_list()
            assert [record.offset for record in records] == [*kept, new]
            assert [record.event.n for record in await orders.read(since=kept[-1]).to_list()] == [5]
            with pytest.raises(ValueError, match="lost"):
                await orders.read(since=lost[-1]).to_list()
    assert "has lost events" in caplog.text
