"""The server's disk is full: it ends, or takes no writes; nothing that was confirmed is lost, and the log goes on."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from evenflow.log import LogError
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE
from tests.servers import resize, small_disk

from .kit import Placed, on_asyncio
from .server import Server

TEXT = "x" * 100_000
MIB = 2**20


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
@on_asyncio
async def test_a_full_disk_loses_nothing_that_was_confirmed(appendfsync: str) -> None:
    """With ``always`` the server ends itself, with ``everysec`` it refuses to write; with more room all goes on."""
    with small_disk(4 * MIB) as disk:
        server = Server(disk, appendfsync=appendfsync)
        server.start()
        try:
            await _fill_and_go_on(server, disk)
        finally:
            server.kill()


async def _fill_and_go_on(server: Server, disk: Path) -> None:
    log = RedisLog(server.url, name="shop", publish_timeout=3.0)
    orders = log.subject("orders", Placed)
    async with log, orders.subscribe() as feed:
        confirmed = 0
        with anyio.fail_after(PATIENCE), pytest.raises(LogError) as failed:
            while True:
                await orders.publish(Placed(by=0, n=confirmed, text=TEXT), id=f"id-{confirmed}")
                confirmed += 1
        assert confirmed > 5
        assert failed.value.stored is not True
        await anyio.to_thread.run_sync(enlarge, disk, server)
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    await orders.publish(Placed(by=0, n=confirmed, text=TEXT), id=f"id-{confirmed}")
                except LogError:
                    await anyio.sleep(0.05)
                else:
                    break
            assert [(await feed.receive()).n for _ in range(confirmed + 1)] == [*range(confirmed + 1)]
        assert [record.event.n for record in await orders.read().to_list()] == [*range(confirmed + 1)]


def enlarge(disk: Path, server: Server) -> None:
    """Give the disk room, and start the server where it has ended."""
    resize(disk, 100 * MIB)
    assert server.process is not None
    if server.process.poll() is not None:
        server.start()
