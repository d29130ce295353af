"""The engine: opening and closing, forks, loops, and what it says when it is not open."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import anyio
import pytest
import trio

from evenflow import LogError
from evenflow._errors import Unsupported
from evenflow.log._stored import Change, Put
from tests.conformance.kit import PATIENCE, append, event, texts, until
from tests.servers import Postgres, postgres

from .kit import engine_on, needs_postgres, on_postgres, opened


@pytest.mark.parametrize("schema", ["", "Shop", "a b", 'a"b', "1a", "a" * 64])
def test_a_schema_is_a_plain_name(schema: str) -> None:
    """So that it is the same with quotes and without."""
    nowhere: Any = type("Nowhere", (), {"dsn": "postgresql://nowhere"})
    with pytest.raises(ValueError, match="schema"):
        engine_on(nowhere, schema or " ")


def test_on_trio_it_is_unsupported() -> None:
    """The message says why, and nothing is connected."""
    nowhere: Any = type("Nowhere", (), {"dsn": "postgresql://nowhere.invalid"})
    with pytest.raises(Unsupported, match="asyncio"):
        trio.run(engine_on(nowhere).open)


@pytest.mark.parametrize("dsn", ["postgresql://127.0.0.1:1/x", "mysql://127.0.0.1/x"])
def test_what_cannot_be_opened_is_a_log_error(dsn: str) -> None:
    """A server that is not there, and an address of something else."""
    nowhere: Any = type("Nowhere", (), {"dsn": dsn})
    with pytest.raises(LogError, match="cannot be opened") as failed:
        asyncio.run(engine_on(nowhere).open())
    assert failed.value.stored is False


@on_postgres
async def test_what_is_not_open_says_so(server: Postgres) -> None:
    """Before it is opened, and after it is closed; closing twice does nothing."""
    engine = engine_on(server)
    for _ in range(2):
        with pytest.raises(LogError, match="open it first"):
            await engine.end("orders")
        with pytest.raises(LogError, match="open it first"):
            engine.mark()
        engine.beat()
        engine.settled([1])
        await engine.open()
        await engine.close()
        await engine.close()


@on_postgres
async def test_each_opening_is_a_member_of_its_own(server: Postgres) -> None:
    """A restart is not taken for the process before it."""
    engine = engine_on(server)
    members = set()
    for _ in range(2):
        await engine.open()
        members.add(engine.member)
        await engine.close()
    assert len(members) == 2


@on_postgres
async def test_whoever_waits_is_told_that_it_was_closed(server: Postgres) -> None:
    """At once."""
    async with opened(server) as engine:
        await append(engine, "a")
        waiting = asyncio.ensure_future(_wait_for_ever(engine))
        await anyio.wait_all_tasks_blocked()
        await engine.close()
        with anyio.fail_after(PATIENCE), pytest.raises(LogError, match="closed"):
            await waiting


async def _wait_for_ever(engine: Any) -> None:
    mark = engine.mark()
    while True:
        mark = await engine.wait(mark)


@on_postgres
async def test_a_change_of_our_own_wakes_whoever_it_concerns(server: Postgres) -> None:
    """By the names of subjects, the kinds of what becomes due, and the keys of records; what was missed counts as well."""
    async with opened(server) as engine:
        opening = engine.opened()
        opening.pulse.stop()  # it wakes everybody for what it sees, which may be ours
        await until(lambda: opening.pulse._thread is None or not opening.pulse._thread.is_alive())
        await anyio.lowlevel.checkpoint()
        woken: list[str] = []
        before = engine.mark()

        async def wait(name: str, *about: str) -> None:
            await engine.wait(before, about)
            woken.append(name)

        changes = [
            (Change(appends=[event("a", subject="orders")]), {"orders", "all"}),
            (Change(puts={"page/a": Put(b"")}), {"key"}),
            (Change(puts={"retry/7": Put(b"", due=1.0)}), {"due"}),
        ]
        async with anyio.create_task_group() as tasks:
            for name, about in (("orders", ["orders"]), ("due", ["retry", "x"]), ("key", ["page/a"]), ("all", [])):
                tasks.start_soon(wait, name, *about)
            await anyio.wait_all_tasks_blocked()
            for change, wanted in changes:
                woken.clear()
                await engine.commit(change)
                await anyio.wait_all_tasks_blocked()
                assert set(woken) == wanted
        with anyio.move_on_after(0.05) as scope:
            await engine.wait(before, ["bills"])
        assert scope.cancelled_caught
        assert await engine.wait(before, ["retry"]) == engine.mark()


@on_postgres
async def test_closing_leaves_no_thread_and_no_session(server: Postgres) -> None:
    """Also when whoever closes is cancelled meanwhile."""
    before = threading.active_count()
    engine = engine_on(server, options={"server_settings": {"application_name": "closing"}})
    await engine.open()
    await append(engine, "a")
    closing = asyncio.ensure_future(engine.close())
    await anyio.lowlevel.checkpoint()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not [one for one in threading.enumerate() if one.name == "evenflow log pulse"]
    assert threading.active_count() <= before + 1, "but for the loop's own executor"


@on_postgres
async def test_a_forked_child_refuses_and_harms_nothing(server: Postgres) -> None:
    """Its copy says to open anew; closing it there leaves the parent's sockets alone."""
    async with opened(server) as engine:
        await append(engine, "before")
        child = os.fork()
        if not child:
            _in_child(engine)
        _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert await append(engine, "after") == [2]
        assert await texts(engine) == ["before", "after"]


def _in_child(engine: Any) -> None:
    refused = 0
    try:
        for use in (engine.mark, engine.opened, lambda: engine.begin("billing", [1])):
            try:
                use()
            except LogError as error:
                refused += "fork" in str(error)
        try:
            engine.close().send(None)
        except StopIteration:
            refused += 1
    finally:
        os._exit(0 if refused == 4 else 1)


@needs_postgres
def test_two_loops_have_openings_of_their_own() -> None:
    """In two threads of one process, on one log: each sees what the other publishes."""
    server = postgres()
    assert server is not None
    first = engine_on(server)
    second = engine_on(server, first.schema)
    found: list[list[str]] = []

    async def main(engine: Any, name: str) -> None:
        await engine.open()
        await append(engine, name)
        with anyio.fail_after(PATIENCE):
            mark = engine.mark()
            while len(seen := await texts(engine)) < 2:
                mark = await engine.wait(mark)
        found.append(seen)
        await engine.close()

    threads = [
        threading.Thread(target=lambda e=e, n=n: asyncio.run(main(e, n))) for e, n in ((first, "a"), (second, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found[0] == found[1]
    assert sorted(found[0]) == ["a", "b"]
