"""Three servers that keep one stream: the leader is killed while tasks publish and groups consume."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from tests.servers import Nats, free_port

from .kit import Load, Placed, as_long_as_it_takes, log_on, needs_nats, on_asyncio, soon

ROUNDS = int(os.environ.get("EVENFLOW_SERVER_KILLS", "1"))

pytestmark = [needs_nats, pytest.mark.timeout(90 + 60 * ROUNDS)]


@contextmanager
def three_servers() -> Generator[dict[str, Nats]]:
    """A cluster, by the names of its servers."""
    routes = [free_port() for _ in range(3)]
    others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = {
        f"n{number}": Nats(
            f"server_name: n{number}",
            f'cluster: {{name: c, listen: "127.0.0.1:{port}", routes: [{others}]}}',
        )
        for number, port in enumerate(routes)
    }
    try:
        for server in servers.values():
            server.start()
        yield servers
    finally:
        for server in servers.values():
            server.stop()


async def leader_of(log: Any) -> str:
    """The name of the server that leads the log's stream."""
    api = log._openings.open().engine._opened().api

    async def ask() -> str:
        return (await api.ask("STREAM.INFO"))["cluster"].get("leader", "")

    return await log._openings.open().engine._opened().reads.patiently(ask)


@as_long_as_it_takes
async def test_the_leader_of_a_cluster_is_killed_while_tasks_publish() -> None:
    """Nothing is lost that was confirmed, nothing is twice, and everything goes on with the two that are left."""
    with three_servers() as servers:
        log = log_on(",".join(server.url for server in servers.values()), replicas=3, publish_timeout=25.0)
        async with log:
            load = Load(log, tasks=10, groups=("a", "b"))
            async with load.running():
                for _ in range(ROUNDS):
                    await _go_on(load)
                    server = servers[await leader_of(log)]
                    server.kill()
                    await _go_on(load)
                    await anyio.to_thread.run_sync(server.start)
                await _go_on(load)
            await load.check()
            assert not load.unknown
            assert not load.failed


async def _go_on(load: Load) -> None:
    goal = len(load.stored) + 40
    await soon(lambda: len(load.stored) >= goal, 60)


@on_asyncio
async def test_what_a_process_has_stored_it_reads_at_once() -> None:
    """Although the server that answers may be a follower that is behind: an event, and the records of a group."""
    with three_servers() as servers:
        log = log_on(",".join(server.url for server in servers.values()), replicas=3)
        orders = log.subject("orders", Placed)
        async with log:
            for n in range(60):
                await orders.publish(Placed(by=0, n=n))
                assert (await orders.read().to_list())[-1].event.n == n
                if n % 20 == 0:
                    async with orders.deliveries(f"g{n}") as deliveries:
                        async with await deliveries.receive() as delivery:
                            assert delivery.event.n == 0
                    assert f"g{n}" in [group.name for group in await orders.groups()]
