"""A cluster of servers, and a user who may do little."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from redis.crc import key_slot

from evenflow.log import LogError, Retain
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE

from .kit import Placed, Proxy, on_asyncio, own_server, soon
from .server import Server, free_port

SLOTS = 16_384


@contextmanager
def cluster(folder: Path, slot: int) -> Iterator[list[Server]]:
    """Two servers, of which the second has this slot, and the first all others."""
    servers = [Server(folder / name, cluster_enabled="yes", cluster_port=str(free_port())) for name in "ab"]
    try:
        for server in servers:
            server.folder.mkdir()
            server.start()
        first, second = servers
        with first.client() as client:
            for begin, end in ((0, slot - 1), (slot + 1, SLOTS - 1)):
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end)
        with second.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTS", slot)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port, first.settings["cluster_port"])
        yield servers
    finally:
        for server in servers:
            server.kill()


async def until_it_works(servers: list[Server]) -> None:
    def works() -> bool:
        found = []
        for server in servers:
            with server.client() as client:
                found.append(client.execute_command("CLUSTER", "INFO"))
        return all("cluster_state:ok" in str(info) or "'cluster_state': 'ok'" in str(info) for info in found)

    await soon(works)


@on_asyncio
async def test_on_a_cluster_the_log_is_found_wherever_it_is(tmp_path: Path) -> None:
    """Any server of the cluster may be named; all keys of the log are on the one that has its slot."""
    slot = key_slot(b"shop")
    with cluster(tmp_path, slot) as servers:
        await until_it_works(servers)
        log = RedisLog(servers[0].url, name="shop", publish_timeout=PATIENCE)
        orders = log.subject("orders", Placed, retain=Retain(events=100))
        async with log, orders.subscribe() as feed, orders.deliveries("g", ordered_by=Placed.by) as deliveries:
            for n in range(5):
                await orders.publish(Placed(by=n % 2, n=n), id=f"id-{n}")
            for _ in range(5):
                await (await deliveries.receive()).ack()
            with anyio.fail_after(PATIENCE):
                assert [(await feed.receive()).n for _ in range(5)] == [0, 1, 2, 3, 4]
            await log.statistics()
        with servers[0].client() as client:
            assert client.dbsize() == 0
        with servers[1].client() as client:
            assert {key_slot(key.encode()) for key in client.keys("*")} == {slot}


@on_asyncio
async def test_a_user_who_may_only_do_what_is_written_in_the_docs_can_have_a_log() -> None:
    """The line of ``docs/reference/engines.md``; a user with less is refused when the log is opened."""
    [line] = [text for text in ENGINES.read_text().splitlines() if "ACL SETUSER" in text]
    command = line.partition("`ACL ")[2].partition("`")[0].split()
    with own_server() as server:
        with server.client() as client:
            client.execute_command("ACL", *command)
            client.execute_command("ACL", "SETUSER", "poor", "on", ">secret", "~other:*", "+@all")
        log = RedisLog(f"redis://shop:secret@127.0.0.1:{server.port}", name="shop")
        orders = log.subject("orders", Placed, retain=Retain(events=2))
        async with log, orders.subscribe() as feed, orders.deliveries("g") as deliveries:
            for n in range(5):
                await orders.publish(Placed(by=0, n=n), id=f"id-{n}")
                assert (await feed.receive()).n == n
                await (await deliveries.receive()).ack()
            await log.statistics()
            await soon(lambda: _is_short(log))
        with pytest.raises(LogError) as caught:
            await RedisLog(f"redis://poor:secret@127.0.0.1:{server.port}", name="shop").start()
        assert "secret" not in str(caught.value)


ENGINES = Path(__file__).parents[3] / "docs" / "reference" / "engines.md"


async def _is_short(log: RedisLog) -> bool:
    return (await log.statistics()).events == 2


@on_asyncio
async def test_tls_is_spoken_and_checked(tmp_path: Path) -> None:
    """With the authority that the URL names; without it the log is not opened."""
    made = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out",
        "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]  # fmt: skip
    try:
        await anyio.run_process(made, cwd=tmp_path)
    except FileNotFoundError:
        pytest.skip("unavoidable: there is no openssl to make a certificate with")
    certificate = tmp_path / "cert.pem"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    with own_server() as server:
        async with Proxy(server, context).running() as proxy:
            log = RedisLog(f"rediss://localhost:{proxy.port}/0?ssl_ca_certs={certificate}", name="shop")
            orders = log.subject("orders", Placed)
            async with log, orders.deliveries("g") as deliveries:
                for n in range(20):
                    await orders.publish(Placed(by=0, n=n, text="x" * 50_000))
                    await (await deliveries.receive()).ack()
                proxy.cut()
                await orders.publish(Placed(by=0, n=20))
                assert (await deliveries.receive()).event.n == 20
            with pytest.raises(LogError, match="cannot connect"):
                await RedisLog(f"rediss://localhost:{proxy.port}/0", name="shop").start()
