"""The writer: group commit, what fails alone, cancelling, and a commit whose answer was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import anyio
import asyncpg
import pytest

from evenflow import LogError
from evenflow._errors import Conflict, Uncertain
from evenflow.log._postgres import PostgresEngine, _changes
from evenflow.log._postgres._calls import Job
from evenflow.log._postgres._prepared import Session
from evenflow.log._stored import ABSENT, Change, Done, IdTaken, Outdated, Put, Statement
from tests.conformance.kit import PATIENCE, append, event, texts
from tests.proxy import Proxy
from tests.servers import Postgres

from .kit import ask, on_postgres, opened


async def nothing() -> None:
    """Do nothing."""


class Watched:
    """The writer's session, with something that happens before and after each statement that commits."""

    def __init__(
        self,
        session: Session,
        before: Callable[[], Awaitable[None]] = nothing,
        after: Callable[[], Awaitable[None]] = nothing,
    ) -> None:
        self._session = session
        self._before = before
        self._after = after
        self._in_transaction = False
        self.commits = 0
        self.connection = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session.connection, name)

    @property
    def keeps(self) -> bool:
        return self._session.keeps

    async def within(self, sql: str, *arguments: Any) -> Any:
        if self._in_transaction:
            return await self._session.within(sql, *arguments)
        return await self._commit(partial(self._session.within, sql, *arguments))

    async def execute(self, sql: str, *parameters: Any) -> Any:
        self._in_transaction = sql not in {"COMMIT", "ROLLBACK"}
        execute = partial(self._session.connection.execute, sql, *parameters)
        return await (self._commit(execute) if sql == "COMMIT" else execute())

    async def _commit(self, send: Callable[[], Awaitable[Any]]) -> Any:
        self.commits += 1
        await self._before()
        done = await send()
        await self._after()
        return done


async def watch(engine: PostgresEngine, *, keeps: bool = True, **what: Callable[[], Awaitable[None]]) -> Watched:
    """The writer's session is watched from now on, until it is lost; without ``keeps`` nothing is prepared on it."""
    writer = engine.opened().writer
    session = writer._session or await engine.opened().connections.connect()
    session._habits.keep = keeps
    watched: Any = Watched(session, **what)
    writer._session = watched
    return cast("Watched", watched)


async def lose() -> None:
    """The answer does not come."""
    raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.mark.parametrize("keeps", [True, False])
@on_postgres
async def test_a_commit_whose_answer_was_lost_is_reported_once(server: Postgres, keeps: bool) -> None:
    """The server is asked, and has made it: nothing is made again, though no event has an id."""
    async with opened(server) as engine:
        await watch(engine, keeps=keeps, after=lose)
        assert await append(engine, "a") == [1]
        assert await append(engine, "b") == [2]
        assert await texts(engine) == ["a", "b"]


@pytest.mark.parametrize("keeps", [True, False])
@on_postgres
async def test_an_answer_that_was_lost_is_had_whole(server: Postgres, keeps: bool) -> None:
    """The numbers of new and of known events, the versions of records, and what a change was refused for."""
    async with opened(server) as engine:
        await append(engine, "a", id="one")
        losing = partial(watch, engine, keeps=keeps, after=lose)
        await losing()
        known = [event("b", id="two"), event("a", id="one"), event("c")]
        assert (await engine.commit(Change(appends=known))).seqs == [2, 1, 3]
        await losing()
        done = await engine.commit(Change(puts={"k": Put(b"x")}))
        assert done.versions == {"k": (await engine.load(["k"]))["k"].version}
        await losing()
        with pytest.raises(Outdated) as outdated:
            await engine.commit(Change(expect={"k": ABSENT}, appends=[event("no")]))
        assert outdated.value.keys == ("k",)
        await losing()
        with pytest.raises(IdTaken, match="one"):
            await append(engine, "other", id="one")
        assert await texts(engine) == ["a", "b", "c"]


@pytest.mark.parametrize("keeps", [True, False])
@on_postgres
async def test_a_commit_that_did_not_arrive_is_made_again(server: Postgres, keeps: bool) -> None:
    """The server is asked, and has not made it."""
    async with opened(server) as engine:

        async def end_session() -> None:
            await ask(server, "SELECT pg_terminate_backend($1)", watched.get_server_pid())

        watched = await watch(engine, keeps=keeps, before=end_session)
        assert await append(engine, "a") == [1]
        assert await texts(engine) == ["a"]
        assert watched.commits == 1


@pytest.mark.parametrize("keeps", [True, False])
@on_postgres
async def test_a_commit_of_which_nobody_can_be_asked_is_uncertain(server: Postgres, keeps: bool) -> None:
    """In bounded time, with what to do; it may be there."""
    async with Proxy(server.port) as proxy:
        dsn = server.dsn.replace(f":{server.port}/", f":{proxy.port}/")
        async with opened(server, dsn=dsn) as engine:

            async def cut() -> None:
                engine.opened().connections.patience = 0.5
                proxy._refuses = True
                await proxy.cut()
                await lose()

            await watch(engine, keeps=keeps, after=cut)
            with anyio.fail_after(PATIENCE), pytest.raises(Uncertain, match="same id") as failed:
                await append(engine, "a", id="one")
            assert failed.value.stored is None
            proxy._refuses = False
            engine.opened().connections.patience = PATIENCE
            assert await append(engine, "a", id="one") == [1]
            assert await texts(engine) == ["a"]


@on_postgres
async def test_a_transaction_that_was_given_up_is_refused_when_it_begins_late(server: Postgres) -> None:
    """The server had not begun it when it was asked: it is made again, and what comes late is not made twice."""
    async with opened(server) as engine:
        await append(engine, "a")
        writer = engine.opened().writer
        late = await engine.opened().connections.connect()
        writer._number += 1
        job = Job(Change(appends=[event("late")]), None, asyncio.get_running_loop().create_future())
        number = writer._number
        with pytest.raises(_changes._Again):
            await writer._find_out(OSError("lost"))
        with pytest.raises(asyncpg.RaiseError, match="given up"):
            await writer._call(late, [job], number)
        await late.connection.close()
        assert await append(engine, "b") == [2]
        assert await texts(engine) == ["a", "b"]


@on_postgres
async def test_a_lost_transaction_is_waited_for_while_it_is_under_way(server: Postgres) -> None:
    """Whoever asks what became of it waits until it is over, and hears what came of it."""
    async with opened(server) as engine:
        await append(engine, "a")
        writer = engine.opened().writer
        slow = await engine.opened().connections.connect()
        writer._number += 1
        job = Job(Change(appends=[event("b")]), None, asyncio.get_running_loop().create_future())
        await slow.connection.execute("BEGIN")
        await writer._call(slow, [job], writer._number)
        asking = asyncio.ensure_future(writer._find_out(OSError("lost")))
        blocked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'"
        while not await ask(server, blocked, engine.schema):
            await anyio.lowlevel.checkpoint()
        assert not asking.done()
        await slow.connection.execute("COMMIT")
        await asking
        await slow.connection.close()
        assert await append(engine, "c") == [3]
        assert await texts(engine) == ["a", "b", "c"]


@on_postgres
async def test_an_id_that_is_taken_fails_alone_among_those_that_are_published_together(server: Postgres) -> None:
    """The others of the same commit are stored, each with the number that its id has."""
    async with opened(server) as engine:
        watched = await watch(engine)
        await append(engine, "a", id="one")
        given = [("b", "two"), ("other", "one"), ("a", "one"), ("c", None), ("b", "two"), ("d", "two"), ("e", "five")]
        changes = [Change(appends=[event(text, id=name)]) for text, name in given]
        found = await asyncio.gather(*(engine.commit(change) for change in changes), return_exceptions=True)
        assert [one.seqs if isinstance(one, Done) else type(one) for one in found] == [
            [2], IdTaken, [1], [3], [2], IdTaken, [4],
        ]  # fmt: skip
        assert await texts(engine) == ["a", "b", "c", "e"]
        assert watched.commits == 3


@on_postgres
async def test_events_of_several_subjects_and_classes_keep_what_is_theirs(server: Postgres) -> None:
    """In one commit, with headers, ids and keys for some of them, and in the order in which they were published."""
    async with opened(server) as engine:
        appends = [
            event("1"), event("2", subject="bills", type="Billed"), event("3", headers={"a": "b"}), event("4", key="k"),
            event("5", id="five"), event("6", subject="bills"),
        ]  # fmt: skip
        async with anyio.create_task_group() as tasks:
            for one in appends:
                tasks.start_soon(engine.commit, Change(appends=[one]))
        await engine.commit(Change(appends=appends[:4]))
        columns = "subject, type, data, headers, key, id"
        rows = await ask(server, f"SELECT {columns} FROM {engine.schema}.event ORDER BY seq")
        wanted = [
            ("orders", "Placed", "1", None, None, None), ("bills", "Billed", "2", None, None, None),
            ("orders", "Placed", "3", '{"a": "b"}', None, None), ("orders", "Placed", "4", None, "k", None),
            ("orders", "Placed", "5", None, None, "five"), ("bills", "Placed", "6", None, None, None),
        ]  # fmt: skip
        assert rows == [*wanted, *wanted[:4]]
        assert [await engine.end(subject) for subject in ("orders", "bills")] == [10, 8]


@on_postgres
async def test_changes_that_wait_together_are_one_commit(server: Postgres) -> None:
    """A hundred tasks that publish do not cost a hundred commits, and each gets its own number."""
    async with opened(server) as engine:
        watched = await watch(engine)
        numbers: list[int] = []

        async def one(name: int) -> None:
            numbers.extend(await append(engine, f"{name}"))

        async with anyio.create_task_group() as tasks:
            for name in range(100):
                tasks.start_soon(one, name)
        assert sorted(numbers) == list(range(1, 101))
        assert watched.commits <= 3


@on_postgres
async def test_a_change_that_is_refused_fails_alone(server: Postgres) -> None:
    """Each with its own error, among neighbours of the same transaction."""
    async with opened(server) as engine:
        await ask(server, f"CREATE TABLE {engine.schema}.own (n int PRIMARY KEY)")
        await ask(
            server,
            f"CREATE TABLE {engine.schema}.late (n int REFERENCES {engine.schema}.own DEFERRABLE INITIALLY DEFERRED)",
        )
        await append(engine, "first", id="one")

        def own(sql: str, *parameters: Any, rows: int | None = None) -> Change:
            return Change(statements=[Statement(sql.format(s=engine.schema), parameters, rows)], appends=[event("no")])

        changes: list[tuple[Change, type[BaseException] | None]] = [
            (Change(appends=[event("a")]), None),
            (Change(appends=[event("other", id="one")]), IdTaken),
            (Change(expect={"k": 7}, appends=[event("no")]), Outdated),
            (own("INSERT INTO {s}.nowhere VALUES (1)"), LogError),
            (own("DELETE FROM {s}.own", rows=1), Conflict),
            (own("INSERT INTO {s}.own VALUES ($1)", "no number"), Exception),
            (own("INSERT INTO {s}.late VALUES (5)"), LogError),
            (Change(appends=[event("b")]), None),
        ]
        found = await asyncio.gather(*(engine.commit(change) for change, _ in changes), return_exceptions=True)
        for got, (_, wanted) in zip(found, changes, strict=True):
            assert isinstance(got, Done if wanted is None else wanted), got
        assert await texts(engine) == ["first", "a", "b"]


@on_postgres
async def test_parameters_with_names_are_refused_with_what_to_write(server: Postgres) -> None:
    """PostgreSQL's placeholders have numbers."""
    async with opened(server) as engine:
        with pytest.raises(TypeError, match=r"\$1"):
            await engine.commit(Change(statements=[Statement("SELECT :n", {"n": 1}, None)]))


@on_postgres
async def test_a_deadlock_is_no_error_of_the_publishers(server: Postgres) -> None:
    """The transaction that the server ends is made again, and both are there in the end."""
    schema = ""
    async with opened(server) as engine:
        schema = engine.schema
        await ask(server, f"CREATE TABLE {schema}.own AS SELECT n, 0 AS count FROM generate_series(1, 2) AS n")
        other = await asyncpg.connect(server.dsn)
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SET LOCAL deadlock_timeout = '60s'")  # the log's session finds it, and is the victim
        await other.execute(f"UPDATE {schema}.own SET count = count + 1 WHERE n = 2")
        first, second = (Statement(f"UPDATE {schema}.own SET count = count + 1 WHERE n = {n}", (), 1) for n in (1, 2))
        committing = asyncio.ensure_future(engine.commit(Change(statements=[first, second], appends=[event("a")])))
        blocked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '.own%'"
        while not await ask(server, blocked, schema):
            await anyio.lowlevel.checkpoint()
        await other.execute(f"UPDATE {schema}.own SET count = count + 1 WHERE n = 1")
        await transaction.commit()
        await other.close()
        assert (await committing).seqs == [1]
        assert await texts(engine) == ["a"]
        assert await ask(server, f"SELECT n, count FROM {schema}.own ORDER BY n") == [(1, 2), (2, 2)]


@on_postgres
async def test_cancelled_before_its_turn_a_change_is_not_made(server: Postgres) -> None:
    """It is taken out of the queue; cancelled later, it is made, and whoever asked learns of it by ``made``."""
    async with opened(server) as engine:
        committing, go_on = anyio.Event(), anyio.Event()

        async def hold() -> None:
            committing.set()
            await go_on.wait()

        await watch(engine, before=hold)
        made: list[Done] = []
        begun = asyncio.ensure_future(engine.commit(Change(appends=[event("begun")]), made=made.append))
        await committing.wait()
        queued = asyncio.ensure_future(append(engine, "queued"))
        await anyio.wait_all_tasks_blocked()
        queued.cancel()
        begun.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert not begun.done(), "whoever is cancelled waits for the outcome of what has begun"
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await begun
        assert [done.seqs for done in made] == [[1]]
        assert await texts(engine) == ["begun"]


@on_postgres
async def test_records_that_two_make_at_once_are_made_once(server: Postgres) -> None:
    """A record that must not exist: of two processes one makes it, and the other is told that it is there."""
    async with opened(server) as one, opened(server, one.schema) as other:
        change = Change(expect={"k": ABSENT}, puts={"k": Put(b"x")})
        for n in range(10):
            named = change._replace(expect={f"k{n}": ABSENT}, puts={f"k{n}": Put(b"x")})
            found = await asyncio.gather(one.commit(named), other.commit(named), return_exceptions=True)
            assert sorted(type(outcome).__name__ for outcome in found) == ["Done", "Outdated"]


@on_postgres
async def test_a_version_is_taken_by_a_transaction_that_others_see(server: Postgres) -> None:
    """It has its number by then: whoever hears of the version finds that it is under way, and looks again."""
    async with opened(server) as engine:
        await engine.commit(Change(puts={"before": Put(b"")}))  # the server writes of a sequence only now and then
        other = await asyncpg.connect(server.dsn)
        transaction = other.transaction()
        await transaction.start()
        await other.execute(f"INSERT INTO {engine.schema}.record VALUES ('k', 0, 1.0, '')")
        committing = asyncio.ensure_future(engine.commit(Change(puts={"k": Put(b"x")})))
        blocked = (
            "SELECT backend_xid IS NOT NULL FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
        )
        while not (found := await ask(server, blocked, f"%{engine.schema}%change(%")):
            await anyio.lowlevel.checkpoint()
        taken = await ask(server, f"SELECT last_value FROM {engine.schema}.version")
        await transaction.rollback()
        await committing
        await other.close()
        assert taken == [(2,)]
        assert found == [(True,)]


@on_postgres
async def test_a_loop_that_is_stopped_leaves_nobody_waiting(server: Postgres) -> None:
    """It cancels the writer with all other tasks: what has begun is uncertain, and what has not is not stored."""
    async with opened(server) as engine:
        committing = anyio.Event()

        async def hold() -> None:
            committing.set()
            await anyio.sleep_forever()

        await watch(engine, before=hold)
        begun = asyncio.ensure_future(append(engine, "begun"))
        await committing.wait()
        queued = asyncio.ensure_future(append(engine, "queued"))
        await anyio.wait_all_tasks_blocked()
        task = engine.opened().writer._task
        assert task is not None
        task.cancel()
        with anyio.fail_after(30):
            with pytest.raises(Uncertain, match="stopped"):
                await begun
            with pytest.raises(LogError, match="stopped") as failed:
                await queued
        assert failed.value.stored is False
        with pytest.raises(LogError, match="closed"):
            await append(engine, "late")


@on_postgres
async def test_a_closed_writer_takes_nothing_more(server: Postgres) -> None:
    """What was handed over before is committed."""
    async with opened(server) as engine:
        writer = engine.opened().writer
        last = asyncio.ensure_future(append(engine, "last"))
        await anyio.lowlevel.checkpoint()
        await engine.close()
        assert await last == [1]
        with pytest.raises(LogError, match="closed") as failed:
            await writer.commit(Change(appends=[event("late")]), None)
        assert failed.value.stored is False


@on_postgres
async def test_a_record_that_is_stored_again_is_compared_and_set(server: Postgres) -> None:
    """With another version, or where it is gone, nothing is stored; whoever is told waits for nobody."""
    async with opened(server) as engine:
        first = (await engine.commit(Change(puts={"k": Put(b"1", due=9.0)}))).versions["k"]
        second = (await engine.commit(Change(expect={"k": first}, puts={"k": Put(b"2")}))).versions["k"]
        record = (await engine.load(["k"]))["k"]
        assert record == (b"2", second, None)
        assert second != first
        for key, version in (("k", first), ("gone", second)):
            with pytest.raises(Outdated) as outdated:
                await engine.commit(Change(expect={key: version}, puts={key: Put(b"3")}))
            assert outdated.value.keys == (key,)
        assert await engine.load(["k", "gone"]) == {"k": record}
        with pytest.raises(Outdated):
            await engine.commit(Change(expect={"k": first}, puts={"k": Put(b"3")}, appends=[event("no")]))
        assert await engine.end("orders") == 0


@on_postgres
async def test_of_many_that_set_one_record_at_once_none_is_overwritten(server: Postgres) -> None:
    """From two processes: whoever was slower hears of it, and counts on from what is there."""

    async def count(engine: PostgresEngine) -> None:
        for _ in range(10):
            while True:
                value, version, _ = (await engine.load(["k"]))["k"]
                with contextlib.suppress(Outdated):
                    await engine.commit(Change(expect={"k": version}, puts={"k": Put(b"%d" % (int(value) + 1))}))
                    break

    async with opened(server) as one, opened(server, one.schema) as other:
        await one.commit(Change(puts={"k": Put(b"0")}))
        await asyncio.gather(count(one), count(one), count(other), count(other))
        assert (await one.load(["k"]))["k"].value == b"40"


@on_postgres
async def test_a_version_that_a_power_cut_takes_back_is_never_given_again(server: Postgres) -> None:
    """Whoever was given it, and does not know that it is gone, changes nothing of what others have stored since."""
    async with opened(server, to_disk=False) as engine:
        await engine.commit(Change(puts={"k": Put(b"kept")}))
        before = (await ask(server, f"SELECT last_value FROM {engine.schema}.version"))[0][0]
        lost = (await engine.commit(Change(puts={"k": Put(b"lost")}))).versions["k"]
        again = (await engine.commit(Change(expect={"k": lost}, puts={"k": Put(b"lost")}))).versions["k"]
        await ask(server, f"SELECT setval('{engine.schema}.version', {before})")  # as the server finds it after one
        since = (await engine.commit(Change(puts={"k": Put(b"since")}))).versions["k"]
        async with opened(server, engine.schema) as careful:
            steady = (await careful.commit(Change(puts={"steady": Put(b"")}))).versions["steady"]
        assert len({lost, again, since}) == 3
        assert min(lost, again, since) >= 2**62 > steady > 0
        for old in (lost, again):
            with pytest.raises(Outdated):
                await engine.commit(Change(expect={"k": old}, puts={"k": Put(b"no")}))
        assert (await engine.load(["k"]))["k"].value == b"since"
