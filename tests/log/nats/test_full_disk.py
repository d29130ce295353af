"""The server's disk is full: whoever publishes hears of it in bounded time, and nothing that was confirmed is lost.

Two ways: the server refuses beyond the share of the disk that it has set itself; or, told that it may have more than
there is, it cannot write, and gives no answer. It writes nothing more until it is started anew, with more room.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from evenflow.log import LogError
from tests.conformance.kit import PATIENCE
from tests.servers import Nats, resize, small_disk

from .kit import Placed, log_on, needs_nats, on_asyncio

pytestmark = needs_nats

TEXT = "x" * 100_000
MIB = 2**20


@pytest.mark.parametrize("jetstream, stored", [("", (False,)), ("max_file_store: 1GB", (False, None))])
@on_asyncio
async def test_a_full_disk_loses_nothing_that_was_confirmed(jetstream: str, stored: tuple[bool | None, ...]) -> None:
    """With more room and the server started anew all goes on by itself, and what was not known is there once."""
    with small_disk(4 * MIB) as disk:
        server = Nats(folder=disk, jetstream=jetstream)
        server.start()
        try:
            await _fill_and_go_on(server, disk, stored)
        finally:
            server.stop()


async def _fill_and_go_on(server: Nats, disk: Path, stored: tuple[bool | None, ...]) -> None:
    log = log_on(server.url, publish_timeout=2.0)
    orders = log.subject("orders", Placed)
    async with log, orders.subscribe() as feed, orders.deliveries("billing", since="start") as deliveries:
        confirmed = 0
        with anyio.fail_after(PATIENCE), pytest.raises(LogError) as failed:
            while True:
                await orders.publish(Placed(by=0, n=confirmed, text=TEXT))
                confirmed += 1
        assert confirmed > 5
        assert failed.value.stored in stored
        with anyio.fail_after(PATIENCE), pytest.raises(LogError) as failed:  # of several messages, which is another way
            await orders.publish(Placed(by=0, n=confirmed, text=TEXT), id="last")
        assert failed.value.stored in stored
        assert len(await orders.read().to_list()) == confirmed, "reading needs no room"
        await anyio.to_thread.run_sync(_enlarge, server, disk)
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    await orders.publish(Placed(by=0, n=confirmed, text=TEXT), id="last")
                except LogError:
                    await anyio.sleep(0.05)
                else:
                    break
            assert [(await feed.receive()).n for _ in range(confirmed + 1)] == [*range(confirmed + 1)]
            for n in range(confirmed + 1):
                async with await deliveries.receive() as delivery:
                    assert delivery.event.n == n
        assert [record.event.n for record in await orders.read().to_list()] == [*range(confirmed + 1)]


def _enlarge(server: Nats, disk: Path) -> None:
    """Give the disk room, and start the server anew."""
    resize(disk, 100 * MIB)
    server.kill()
    server.start()
