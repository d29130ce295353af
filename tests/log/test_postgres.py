"""PostgresLog: its options, its capabilities, and a pooler before the server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from evenflow.log import Unsupported
from evenflow.log.postgres import PostgresLog
from tests.conformance.kit import take
from tests.log.postgres.kit import Placed, ask, log_on, on_postgres
from tests.servers import Postgres, free_port


def test_what_it_can_do_follows_its_options() -> None:
    """It is the same for all servers, but for the disk."""
    log = PostgresLog("postgresql://nowhere", name="shop")
    assert log.name == "shop"
    assert log.capabilities.durable_on_power_cut
    assert not PostgresLog("postgresql://nowhere", durability="process").capabilities.durable_on_power_cut
    log.require("own_rows", "several_machines", "schedule")
    with pytest.raises(Unsupported, match="trio"):
        log.require("trio")


@pytest.mark.parametrize("wrong", [{"durability": "nothing"}, {"schema": "Shop"}, {"name": "a b"}])
def test_an_option_that_makes_no_sense_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """Before anything is connected."""
    with pytest.raises(ValueError, match=r"durability|schema|a b"):
        PostgresLog("postgresql://nowhere", **wrong)


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"publish_timeout": 0}, "publish_timeout"),
        ({"publish_timeout": "x"}, "publish_timeout"),
        ({"keep_ids": 3}, "keep_ids"),
        ({"keep_ids": timedelta(-1)}, "keep_ids"),
        ({"name": ""}, "name of a log"),
        ({"dsn": 3}, "text such as"),
    ],
)
def test_what_would_fail_later_is_refused_where_it_is_written(wrong: dict[str, Any], says: str) -> None:
    """Each was taken, and was an error at the first publish, or another log."""
    with pytest.raises((TypeError, ValueError), match=says):
        PostgresLog(**{"dsn": "postgresql://nowhere", **wrong})


@on_postgres
async def test_durability_is_set_for_each_commit(server: Postgres) -> None:
    """Whatever the session's setting is, and nothing of it stays in the session."""
    for durability, wanted in (("power", "on"), ("process", "off")):
        log = log_on(server, durability=durability, server_settings={"synchronous_commit": "local"})
        orders: Any = log.subject("orders", Placed)
        schema = log._settings["schema"]
        async with log:
            async with log.transaction() as tx:
                tx.publish(orders, Placed(n=1))
                tx.execute(f"INSERT INTO {schema}.meta SELECT 'seen', current_setting('synchronous_commit')", rows=1)
        assert await ask(server, f"SELECT value FROM {schema}.meta WHERE name = 'seen'") == [(wanted,)]


@on_postgres
async def test_connected_says_whether_the_server_is_reached(server: Postgres) -> None:
    """It is a State that one may show: true as soon as the log is open, and false once it is closed."""
    log = log_on(server)
    assert not log.connected.value
    async with log:
        assert log.connected.value
        await log.subject("orders", Placed).publish(Placed(n=1))
        assert log.connected.value
    assert not log.connected.value


def pooler_program() -> str | None:
    """Where PgBouncer is, if this machine has it."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooler(server: Postgres) -> Generator[str]:
    """The address of a PgBouncer in transaction mode, whose three sessions all clients share."""
    program = pooler_program()
    assert program is not None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="evenflow-pgbouncer-") as name:
        folder = Path(name)
        (folder / "settings").write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={server.port} dbname=postgres user=evenflow\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = transaction\n"
            "default_pool_size = 3\nmax_client_conn = 200\nunix_socket_dir =\n",
            encoding="utf-8",
        )
        user = None
        if os.getuid() == 0:  # as the server, it refuses to run as root
            user = "nobody"
            folder.chmod(0o755)
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        running = subprocess.Popen([program, "-q", str(folder / "settings")], user=user, stderr=subprocess.DEVNULL)
        try:
            while not _answers(port):
                assert running.poll() is None, "PgBouncer did not start"
            yield f"postgresql://evenflow@127.0.0.1:{port}/postgres"
        finally:
            running.terminate()
            running.wait(timeout=100)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(pooler_program() is None, reason="no PgBouncer is installed")
@on_postgres
async def test_a_pooler_in_transaction_mode_may_stand_before_the_server(server: Postgres) -> None:
    """Two processes share three sessions: they publish, consume, read, write through the outbox, and miss nothing."""
    with pooler(server) as dsn:
        log = log_on(server, dsn=dsn)
        other = log_on(server, log._settings["schema"], dsn=dsn)
        orders: Any = log.subject("orders", Placed)
        others: Any = other.subject("orders", Placed)
        async with log, other, others.subscribe() as feed, anyio.create_task_group() as tasks:

            async def publish(begin: int) -> None:
                for n in range(begin, begin + 20):
                    await (orders if n % 2 else others).publish(Placed(n=n), id=f"{n}")

            for begin in range(0, 200, 20):
                tasks.start_soon(publish, begin)
            seen = [event.n for event in await take(feed, 200)]
            assert sorted(seen) == list(range(200))
            connection = await asyncpg.connect(dsn, statement_cache_size=0)
            async with connection.transaction(), log.transaction(connection) as tx:
                tx.publish(orders, Placed(n=200))
            await connection.close()
            assert [event.n for event in await take(feed, 1)] == [200]
            got: list[int] = []
            async with orders.deliveries("billing") as deliveries:
                async for batch in deliveries.batches(50):
                    async with batch:
                        got += [delivery.event.n for delivery in batch]
                    if len(got) == 201:
                        break
            assert got == [*seen, 200]
