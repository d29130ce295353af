"""The pulse: it notices others' commits, says that its process lives, and removes ids, whatever the loop does."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import anyio
import asyncpg
import psycopg
import pytest

from evenflow.log._postgres import _pulse
from evenflow.log._stored import Change, Reserve
from tests.conformance.kit import PATIENCE, append, event, texts, until
from tests.servers import Postgres

from .kit import ask, engine_on, needs_postgres, on_postgres, opened


@on_postgres
async def test_anothers_commit_is_noticed(server: Postgres) -> None:
    """By whoever waits, without a look of its own."""
    async with opened(server) as one, opened(server, one.schema) as other:
        for n in range(5):
            mark = one.mark()
            await append(other, f"{n}")
            with anyio.fail_after(PATIENCE):
                while await texts(one) != [f"{m}" for m in range(n + 1)]:
                    mark = await one.wait(mark)


@on_postgres
async def test_a_version_that_is_taken_before_its_commit_is_not_missed(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark goes on moving while a transaction is open that may have taken it: its commit is noticed."""
    monkeypatch.setattr(_pulse, "SETTLING", 60.0)  # however slow this machine is
    async with opened(server) as engine:
        other = await asyncpg.connect(server.dsn)
        transaction = other.transaction()
        await transaction.start()
        with anyio.fail_after(30):
            await until(lambda: _has_looked(engine))  # so that it is told of the very first version
        mark = engine.mark()  # before the insert: the pulse may notice that at once
        await other.execute(
            f"INSERT INTO {engine.schema}.record VALUES ('k', nextval('{engine.schema}.version'), 1.0, '')"
        )
        with anyio.fail_after(30):
            mark = await engine.wait(mark)  # the number has moved, and the record cannot be seen yet
            assert await engine.load(["k"]) == {}
            await transaction.commit()
            while not await engine.load(["k"]):
                mark = await engine.wait(mark)
        await other.close()


@on_postgres
async def test_the_mark_comes_to_rest(server: Postgres) -> None:
    """An idle log wakes nobody, not even while a foreign transaction stays open."""
    async with opened(server) as engine:
        other = await asyncpg.connect(server.dsn)
        transaction = other.transaction()
        await transaction.start()
        await other.fetchval("SELECT pg_current_xact_id()")
        await append(engine, "a")
        with anyio.fail_after(PATIENCE):
            while True:
                with anyio.move_on_after(0.3) as scope:
                    await engine.wait(engine.mark())
                if scope.cancelled_caught:
                    break
        await transaction.rollback()
        await other.close()


@on_postgres
async def test_a_member_beats_while_its_loop_is_blocked(server: Postgres) -> None:
    """From another thread; and what its handlers have begun is known at the server."""
    async with opened(server) as engine, opened(server, engine.schema) as other:
        marks = engine.begin("billing", [3, 4])
        engine.beat()
        await until(lambda: _begun(other, engine.member, {("billing", 3), ("billing", 4)}))
        before = (await other.pulses([engine.member]))[engine.member].at
        engine.beat()
        until_when = time.monotonic() + PATIENCE
        with psycopg.connect(server.dsn, autocommit=True) as blocking:  # the loop is blocked while it asks
            query = f"SELECT at > {before} FROM {engine.schema}.member WHERE member = '{engine.member}'"
            while blocking.execute(query.encode()).fetchone() != (True,):
                assert time.monotonic() < until_when
        engine.settled(marks[:1])
        await until(lambda: _begun(other, engine.member, {("billing", 4)}))
        assert (await engine.pulses([engine.member]))[engine.member].alive
    found = await ask(server, f"SELECT closed FROM {engine.schema}.member WHERE member = $1", engine.member)
    assert found == [(True,)]


async def _has_looked(engine: Any) -> bool:
    return engine.opened().pulse._seen is not None and engine.opened().pulse._settled_at is None


async def _begun(engine: Any, member: str, wanted: set[tuple[str, int]]) -> bool:
    return bool((await engine.pulses([member]))[member].begun == wanted)


@on_postgres
async def test_a_member_of_which_nobody_knows_is_not_alive(server: Postgres) -> None:
    """And has begun nothing; of one that is closed it is known that it does not live."""
    async with opened(server) as engine:
        async with opened(server, engine.schema) as other:
            other.beat()
            await until(lambda: ask(server, f"SELECT 1 FROM {engine.schema}.member WHERE member = '{other.member}'"))
            assert (await engine.pulses([other.member]))[other.member].alive is None
        found = await engine.pulses([other.member, "nobody"])
        assert found[other.member].alive is False
        assert found["nobody"].alive is False
        assert found["nobody"].begun == frozenset()


@on_postgres
async def test_ids_whose_time_is_over_are_removed(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, by whoever is open, also while nobody publishes; those of scheduled events stay, however old."""
    monkeypatch.setattr(_pulse, "PRUNED", 10)
    monkeypatch.setattr(_pulse, "PRUNE", 0.05)
    async with opened(server, keep_ids=timedelta(milliseconds=1)) as engine, opened(server, engine.schema) as keeper:
        await engine.commit(Change(reserves=[Reserve("orders", "scheduled", b"x")]))
        await keeper.commit(Change(appends=[event("kept", id="kept")]))
        await engine.commit(Change(appends=[event(f"{n}", id=f"{n}") for n in range(35)]))
        known = f"SELECT id FROM {engine.schema}.dedup ORDER BY id"

        async def pruned() -> bool:
            return await ask(server, known) == [("kept",), ("scheduled",)]

        await until(pruned)


@on_postgres
async def test_an_id_whose_time_is_over_is_another_one(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while its row is still there."""
    monkeypatch.setattr(_pulse, "PRUNED", 0)
    async with opened(server) as engine:
        assert await append(engine, "a", id="one") == [1]
        assert await append(engine, "a", id="one") == [1]
        await ask(server, f"UPDATE {engine.schema}.dedup SET until = until - 8 * 86400000000")
        assert await append(engine, "a", id="one") == [2]
        assert await append(engine, "a", id="one") == [2]


@on_postgres
async def test_a_server_that_is_away_is_told_of_once(server: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    """Once when it goes, once when it is back, without a secret."""
    caplog.set_level(logging.INFO, "evenflow.log")
    name = f"pulse {uuid4().hex}"
    async with opened(server, options={"server_settings": {"application_name": name}}) as engine:
        sessions = "FROM pg_stat_activity WHERE application_name = $1"
        await until(lambda: ask(server, f"SELECT 1 {sessions} AND query <> '' OFFSET 1", name))
        await ask(server, f"SELECT pg_terminate_backend(pid) {sessions}", name)
        await until(lambda: any("reached again" in record.message for record in caplog.records))
        said = [record.levelname for record in caplog.records if "reached" in record.message]
        assert said == ["WARNING", "INFO"]
        await append(engine, "a")


# Whoever does not close leaves sockets to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@needs_postgres
def test_a_loop_that_ended_without_closing_leaves_no_thread() -> None:
    """The pulse ends by itself, though nothing is committed any more."""
    from tests.servers import postgres

    server = postgres()
    assert server is not None
    engine = engine_on(server)
    before = set(threading.enumerate())

    async def main() -> None:
        await engine.open()
        await append(engine, "a")

    asyncio.run(main())
    (left,) = set(threading.enumerate()) - before
    left.join(PATIENCE)
    assert not left.is_alive()
    asyncio.run(_reopen(engine))
    gc.collect()


async def _reopen(engine: Any) -> None:
    await engine.open()
    assert await texts(engine) == ["a"]
    await engine.close()
