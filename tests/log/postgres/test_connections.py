"""Connections: kept, made again when they are lost, and bounded."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from evenflow import LogError
from evenflow.log._postgres import _connections
from evenflow.log._postgres._connections import MOST, Connections, described, masked
from evenflow.log._postgres._prepared import Session
from tests.conformance.kit import PATIENCE
from tests.servers import Postgres

from .kit import ask, on_postgres, opened


def connections(server: Postgres, patience: float = 5.0, told: list[bool] | None = None) -> Connections:
    return Connections(server.dsn, {}, patience, (told if told is not None else []).append)


async def one(session: Session) -> int:
    found: int = await session.fetchval("SELECT 1")
    return found


async def pid_of(session: Session) -> int:
    found: int = session.connection.get_server_pid()
    return found


@pytest.mark.parametrize(
    "dsn, shown",
    [
        ("postgresql://shop:secret@db.internal:5432/shop?password=secret", "postgresql://db.internal:5432/shop"),
        ("postgresql://db.internal", "postgresql://db.internal"),
        ("host=db password=secret", "PostgreSQL"),
    ],
)
def test_an_address_in_an_error_has_no_secret(dsn: str, shown: str) -> None:
    """Neither the password nor the parameters."""
    assert masked(dsn) == shown


def test_an_error_is_never_described_by_nothing() -> None:
    """A timeout has no words of its own."""
    assert described(TimeoutError()) == "TimeoutError"
    assert described(OSError("refused")) == "OSError: refused"


@on_postgres
async def test_a_connection_is_used_again(server: Postgres) -> None:
    """After a use that succeeded, and after one that the server refused."""
    pool = connections(server)
    pids = set()
    for _ in range(3):
        async with pool.one() as session:
            pids.add(session.connection.get_server_pid())
        with pytest.raises(LogError, match=r"refused: .*nowhere"):
            await pool.read(lambda session: session.fetch("SELECT * FROM nowhere"))
    assert len(pids) == 1
    await pool.close()


@on_postgres
async def test_a_connection_whose_use_was_cancelled_is_closed(server: Postgres) -> None:
    """Nobody gets the rest of another's answer."""
    pool = connections(server)
    async with pool.one() as session:
        pid = session.connection.get_server_pid()
    with anyio.move_on_after(0.05):
        await pool.read(lambda session: session.fetchval("SELECT pg_sleep(30)"))
    assert session.connection.is_closed()
    async with pool.one() as other:
        assert other.connection.get_server_pid() != pid
        assert await one(other) == 1
    await pool.close()


@on_postgres
async def test_many_who_read_share_a_few_connections(server: Postgres) -> None:
    """The others wait for their turn, and all are served."""
    pool = connections(server)
    at_once, most = 0, 0

    async def work(session: Session) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        found = await one(session)
        at_once -= 1
        return found

    assert await asyncio.gather(*(pool.read(work) for _ in range(50))) == [1] * 50
    assert most <= MOST
    await pool.close()


@on_postgres
async def test_reading_goes_on_after_its_connection_was_ended(server: Postgres) -> None:
    """Whoever reads does not learn of it; ``connected`` does."""
    told: list[bool] = []
    pool = connections(server, told=told)
    pids = []

    async def work(session: Session) -> int:
        pids.append(session.connection.get_server_pid())
        if len(pids) == 1:
            await ask(server, "SELECT pg_terminate_backend($1)", pids[0])
        return await one(session)

    assert await pool.read(work) == 1
    assert len(set(pids)) == 2
    assert told == [False, True]
    await pool.close()


@on_postgres
async def test_an_answer_that_does_not_come_is_waited_for_a_bounded_time(server: Postgres) -> None:
    """Then it is an error with the address and the time."""
    pool = connections(server, patience=0.3)
    with anyio.fail_after(PATIENCE), pytest.raises(LogError, match=r"127\.0\.0\.1.* 0.3 seconds") as failed:
        await pool.read(lambda session: session.fetchval("SELECT pg_sleep(30)"))
    assert failed.value.stored is False
    await pool.close()


@on_postgres
async def test_what_comes_back_after_closing_is_closed(server: Postgres) -> None:
    """No connection outlives the log."""
    pool = connections(server)
    async with pool.one() as session:
        await pool.close()
        assert not session.connection.is_closed()
    assert session.connection.is_closed()


@on_postgres
async def test_whoever_finds_all_in_use_takes_the_first_that_is_free_soon(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of those who wait is cancelled, and leaves it to the next; none is made for them."""
    monkeypatch.setattr(_connections, "SOON", PATIENCE)
    pool = connections(server)
    async with pool.one() as session:
        gone, stays = asyncio.ensure_future(pool.read(pid_of)), asyncio.ensure_future(pool.read(pid_of))
        await anyio.wait_all_tasks_blocked()
        gone.cancel()
        await anyio.wait_all_tasks_blocked()
    assert await stays == session.connection.get_server_pid()
    assert gone.cancelled()
    await pool.close()


@on_postgres
async def test_whoever_is_cancelled_as_it_gets_one_gives_it_on(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is free again, and is not closed."""
    monkeypatch.setattr(_connections, "SOON", PATIENCE)
    pool = connections(server)
    async with pool.one() as session:
        gone = asyncio.ensure_future(pool.read(pid_of))
        await anyio.wait_all_tasks_blocked()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await pool.read(pid_of) == session.connection.get_server_pid()
    await pool.close()


@on_postgres
async def test_another_is_made_where_none_is_free_soon(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long read keeps nobody waiting."""
    monkeypatch.setattr(_connections, "SOON", 0)
    pool = connections(server)
    async with pool.one() as session:
        assert await pool.read(pid_of) != session.connection.get_server_pid()
    assert len({await pool.read(pid_of) for _ in range(3)}) == 1
    await pool.close()


@on_postgres
async def test_an_open_log_has_a_connection_for_its_first_reader(server: Postgres) -> None:
    """It does not wait for one to be made."""
    async with opened(server) as engine:
        pool = engine.opened().connections
        pool._dsn = "postgresql://nobody@127.0.0.1:1/nowhere"
        assert await engine.end("orders") == 0
