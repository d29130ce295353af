"""What is a log in PostgreSQL beside bare asyncpg, doing the same job?

One server on loopback that syncs each commit: 100 tasks that publish, thousands published together, and a group that
handles and acknowledges a hundred at a time. The bare client makes and reads the same JSON by the same classes: it
commits in groups by hand, into the same columns; its queue is ``FOR UPDATE SKIP LOCKED``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from tests.servers import Postgres, postgres

from benchmarks._engine_jobs import Job, consume, from_tasks, made_events, publish, publish_many
from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks.log import Ordered
from benchmarks.peers import bare_asyncpg
from evenflow.log.postgres import PostgresLog

QUESTION = "What is a log in PostgreSQL beside bare asyncpg, doing the same job?"

BARE = "asyncpg"
EVENFLOW = "evenflow"
_IN_ONE_COMMIT = 1_000
_AT_ONCE = 100


def run(bench: Bench) -> None:
    """Publishing from many tasks, publishing many, and consuming."""
    server = postgres()
    if server is None:
        print("No PostgreSQL server is installed: nothing is measured.")
        return
    count, rounds = bench.pick(quick=(5_000, 5), full=(30_000, 7))
    jobs: dict[str, tuple[str, float, Case, Case]] = {
        "publish": (
            "One event published, from 100 tasks", 1 / 0.8,
            _bare(server, _bare_publish, count), _log(server, publish, count),
        ),
        "publish-many": (
            "One event of many published together", 1 / 0.7,
            _bare(server, _bare_many, count), _log(server, publish_many, count),
        ),
        "consume": (
            "One event of a batch of 100 handled, acknowledged", 1 / 0.9,
            _bare(server, _bare_consume, count), _log(server, consume(at_once=_AT_ONCE, buffer=1_000), count),
        ),
    }  # fmt: skip
    for key, (title, at_most, bare, ours) in jobs.items():
        found = bench.compare(
            f"engines-postgres-{key}", title, {BARE: bare, EVENFLOW: ours}, reference=BARE, per="event",
            figures=("wall", "cpu"), rounds=rounds,
        )  # fmt: skip
        bench.expect(f"postgres {key}: time beside asyncpg", found.ratio(EVENFLOW, of="wall"), at_most=at_most)


def _bare(server: Postgres, work: Callable[[Stopwatch, Any, int], Awaitable[None]], count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        connection = await bare_asyncpg.connect(server.dsn)
        try:
            await work(watch, connection, count)
        finally:
            await connection.close()

    return case


def _log(server: Postgres, work: Job, count: int) -> Case:
    async def case(watch: Stopwatch) -> None:
        log = PostgresLog(server.dsn, name="bench", schema=f"bench_{uuid4().hex}")
        async with log:
            await work(watch, log.subject("orders", Ordered), count)

    return case


async def _bare_publish(watch: Stopwatch, connection: Any, count: int) -> None:
    events, writer = made_events(count), bare_asyncpg.Writer(connection)
    with watch(count):
        await from_tasks(lambda event: writer.publish(event.model_dump_json()), events)


async def _bare_many(watch: Stopwatch, connection: Any, count: int) -> None:
    events = made_events(count)
    with watch(count):
        for begin in range(0, count, _IN_ONE_COMMIT):
            part = events[begin : begin + _IN_ONE_COMMIT]
            await bare_asyncpg.publish(connection, [event.model_dump_json() for event in part])


async def _bare_consume(watch: Stopwatch, connection: Any, count: int) -> None:
    await bare_asyncpg.fill(connection, [event.model_dump_json() for event in made_events(count)])
    with watch(count):
        await bare_asyncpg.consume(connection, Ordered.model_validate_json, count, _AT_ONCE)
