"""The server's disk is full: whoever publishes hears of it, nothing that was confirmed is lost, and it goes on by itself.

Two ways: the files of the tables cannot grow, which the server survives; and, where this machine lets us mount one, a
small disk of its own, on which the server cannot write its journal either, and ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import anyio
import asyncpg
import pytest

from evenflow import LogError
from evenflow.log import DurableSubject
from tests.conformance.kit import PATIENCE, numbers, take
from tests.servers import Postgres, postgres_programs, resize, small_disk

from .kit import Placed, ask, log_on, needs_postgres

pytestmark = needs_postgres

NOISE = Random(1).randbytes(250_000).hex()
"""The server would compress what repeats itself."""
MIB = 2**20


class Big(Placed, name="pg.big"):
    text: str = NOISE


@contextmanager
def own_server(disk: Path | None = None) -> Generator[Postgres]:
    """A server whose disk this test may fill."""
    programs = postgres_programs()
    assert programs is not None
    server = Postgres(programs, disk)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def let_files_grow_to(server: Postgres, most: str) -> None:
    """No process of this server may make a file larger."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="utf-8").split()
    for pid in (str(server.pid), *children):  # as the server's user, who may do that to its own
        subprocess.run(["prlimit", f"--fsize={most}:", "--pid", pid], check=True, user=server.user)


async def fill(orders: DurableSubject[Big]) -> tuple[list[int], LogError]:
    """Publish until it fails; returns what was confirmed, and the error."""
    confirmed: list[int] = []
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                await orders.publish(Big(n=len(confirmed)), id=f"order-{len(confirmed)}")
            except LogError as error:
                return confirmed, error
            confirmed.append(len(confirmed))


async def publish_until_stored(orders: DurableSubject[Big], n: int) -> None:
    """Publish again and again under the same id."""
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                await orders.publish(Big(n=n), id=f"order-{n}")
            except LogError:
                await anyio.sleep(0.05)
            else:
                return


def test_tables_that_cannot_grow_refuse_what_is_published_and_take_acknowledgements() -> None:
    """Publishing fails at once, and is known not to be stored; once there is room it works again."""

    async def main() -> None:
        with own_server() as server:
            log = log_on(server)
            orders = log.subject("orders", Big)
            async with log, orders.deliveries("g") as deliveries:
                await orders.publish(Big(n=-1))
                let_files_grow_to(server, str(17 * MIB))  # the files of the journal have 16
                confirmed, error = await fill(orders)
                assert "file" in str(error).lower()
                assert error.stored is False
                assert log.connected.value
                for n in (-1, *confirmed):
                    delivery = (await take(deliveries, 1))[0]
                    assert delivery.event.n == n
                    await delivery.ack()
                assert numbers([record.event async for record in orders.read()]) == [-1, *confirmed]
                let_files_grow_to(server, "unlimited")
                await orders.publish(Big(n=len(confirmed)), id=f"order-{len(confirmed)}")
                assert (await take(deliveries, 1))[0].event.n == len(confirmed)

    anyio.run(main)


def enlarge(disk: Path, server: Postgres) -> None:
    """Give the disk room, and start the server where it has ended."""
    resize(disk, 1_000 * MIB)
    if not server.is_running:
        server.start()


def test_a_server_that_ends_because_its_disk_is_full_loses_nothing_that_was_confirmed() -> None:
    """It cannot even write its journal; started again with more room, it has all, once, and publishing goes on."""

    async def main(disk: Path) -> None:
        with own_server(disk) as server:
            log = log_on(server, publish_timeout=3.0)
            orders = log.subject("orders", Big)
            async with log:
                confirmed, error = await fill(orders)
                assert confirmed
                assert error.stored is False
                assert "disk" in str(error).lower()
                with pytest.raises((asyncpg.PostgresError, OSError)), anyio.fail_after(PATIENCE):
                    while True:  # the journal needs a new file, and has no room for it
                        await ask(server, "SELECT pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()")
                with pytest.raises(LogError) as failed:
                    await orders.publish(Big(n=len(confirmed)), id=f"order-{len(confirmed)}")
                assert failed.value.stored is not True
                await anyio.to_thread.run_sync(enlarge, disk, server)
                await publish_until_stored(orders, len(confirmed))
                assert numbers([record.event async for record in orders.read()]) == [*confirmed, len(confirmed)]

    with small_disk(70 * MIB) as disk:
        anyio.run(main, disk)
