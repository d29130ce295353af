"""Sessions: statements that are prepared once on each, and none where a pooler does not keep them."""

from __future__ import annotations

import anyio
import asyncpg
import pytest

from evenflow.log._postgres._driver import UNPREPARED
from evenflow.log._postgres._prepared import Habits, Session, name_of
from tests.conformance.kit import PATIENCE, append, texts
from tests.servers import Postgres

from .kit import on_postgres, opened

NAMES = "SELECT name FROM pg_prepared_statements"
MORE = "SELECT $1::bigint + 1 AS more"


async def session_on(server: Postgres, habits: Habits) -> Session:
    return Session(await asyncpg.connect(server.dsn, statement_cache_size=0), habits)


@on_postgres
async def test_a_statement_is_prepared_once_for_each_connection(server: Postgres) -> None:
    """Under a name that says its text; before it is needed too."""
    habits = Habits()
    for early in (True, False):
        session = await session_on(server, habits)
        if early:
            await session.prepare(MORE)
        assert [await session.fetchval(MORE, n) for n in range(3)] == [1, 2, 3]
        assert [row["name"] for row in await session.connection.fetch(NAMES)] == [name_of(MORE)]
        await session.connection.close()
    assert name_of(MORE) != name_of("SELECT $1::bigint + 2 AS more")


@on_postgres
async def test_what_is_asked_is_all_rows_or_the_first(server: Postgres) -> None:
    """Or its first value; None where there is none."""
    session = await session_on(server, Habits())
    series = "SELECT n, n * 2 AS twice FROM generate_series(1, $1::int) AS n"
    assert [tuple(row) for row in await session.fetch(series, 2)] == [(1, 2), (2, 4)]
    assert tuple(await session.fetchrow(series, 2)) == (1, 2)
    assert await session.fetchval(series, 2) == 1
    assert await session.fetchrow(series, 0) is None
    assert await session.fetchval(series, 0) is None
    await session.connection.close()


async def lose(session: Session, what: str) -> None:
    """The session has not kept the statement, or has one of that name from somebody else."""
    if what == "is gone":
        await session.fetchval(MORE, 1)
        await session.connection.execute("DEALLOCATE ALL")
    else:
        await session.connection.execute(f"PREPARE {name_of(MORE)} (bigint) AS {MORE}")


@pytest.mark.parametrize("what", ["is gone", "is another's"])
@on_postgres
async def test_a_session_that_does_not_keep_it_is_asked_without(server: Postgres, what: str) -> None:
    """Whoever asks does not notice; from then on no session of the opening is asked to keep anything."""
    habits = Habits()
    session, other = await session_on(server, habits), await session_on(server, habits)
    await lose(session, what)
    assert await session.fetchval(MORE, 1) == 2
    assert not session.keeps
    assert await other.fetchval(MORE, 2) == 3
    assert await other.connection.fetch(NAMES) == []
    await session.connection.close()
    await other.connection.close()


@on_postgres
async def test_what_nobody_keeps_is_asked_in_a_transaction(server: Postgres) -> None:
    """So that a pooler asks the session that was sent the text."""
    habits = Habits()
    session = await session_on(server, habits)
    sent: list[str] = []
    session.connection.add_query_logger(lambda query: sent.append(query.query))
    for habits.keep in (True, False):
        assert await session.fetchval(MORE, 1) == 2
    with anyio.fail_after(PATIENCE):
        while len(sent) < 3:  # it is told by the loop
            await anyio.lowlevel.checkpoint()
    assert sent == ["BEGIN;", MORE, "COMMIT;"], "what is prepared is not told of"
    await session.connection.close()


@pytest.mark.parametrize("what", ["is gone", "is another's"])
@on_postgres
async def test_within_a_transaction_it_is_an_error_once(server: Postgres, what: str) -> None:
    """For the transaction has failed: whoever has begun it begins anew."""
    session = await session_on(server, Habits())
    await lose(session, what)
    with pytest.raises(UNPREPARED):
        await session.within(MORE, 1)
    assert not session.keeps
    assert [row["more"] for row in await session.within(MORE, 1)] == [2]
    await session.connection.close()


@on_postgres
async def test_a_name_that_is_taken_is_no_error_before_it_is_needed(server: Postgres) -> None:
    """It is known from then on."""
    session = await session_on(server, Habits())
    await lose(session, "is another's")
    await session.prepare(MORE)
    assert not session.keeps
    await session.connection.close()


@on_postgres
async def test_whoever_publishes_does_not_notice(server: Postgres) -> None:
    """A transaction whose session has lost the statement is made again, once."""
    async with opened(server) as engine:
        await append(engine, "a")
        session = engine.opened().writer._session
        assert session is not None
        await session.connection.execute("DEALLOCATE ALL")
        assert await append(engine, "b") == [2]
        assert await append(engine, "c") == [3]
        assert not session.keeps
        assert await texts(engine) == ["a", "b", "c"]
