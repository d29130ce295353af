"""What does a log on SQLite cost, beside the bare `sqlite3` of the standard library?

The reference does the same work with the same settings (WAL, `synchronous=FULL`) in one thread, with no event loop: the
same bytes into the same columns, and the same rows back in pages.
Time is wall time: waiting for the disk is what a log does.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from time import process_time

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from benchmarks._logs import Ordered, log_in, new_file, publish_from_tasks

QUESTION = "What does a log on SQLite cost, beside bare sqlite3?"

_COLUMNS = "subject, type, version, id, time, headers, data, key"


def run(bench: Bench) -> None:
    """Publishing in batches and one by one, reading history, and an idle process."""
    rounds = bench.pick(quick=3, full=7)
    _publish(bench, rounds)
    _read(bench, rounds)
    _idle(bench)


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    columns = "subject TEXT, type TEXT, version INTEGER, id TEXT, time INTEGER, headers TEXT, data TEXT, key TEXT"
    connection.execute(f"CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
    return connection


def _rows(count: int) -> list[tuple[object, ...]]:
    data = [Ordered(order_id=n).model_dump_json() for n in range(count)]
    return [("orders", "Ordered", 1, None, 1_700_000_000_000_000 + n, None, text, None) for n, text in enumerate(data)]


def _insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]], in_one_commit: int) -> None:
    for start in range(0, len(rows), in_one_commit):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows[start : start + in_one_commit],
        )
        connection.execute("COMMIT")


def _publish(bench: Bench, rounds: int) -> None:
    many, single, tasks = bench.pick(quick=20_000, full=100_000), 2_000, 200

    def executemany(watch: Stopwatch) -> None:
        rows = _rows(many)
        with new_file() as path, closing(_bare(path)) as connection, watch(many):
            _insert(connection, rows, 1_000)

    async def publish_many(watch: Stopwatch) -> None:
        events = [Ordered(order_id=n) for n in range(many)]
        with new_file() as path:
            log, orders = log_in(path)
            async with log:
                with watch(many):
                    await orders.publish_many(events)

    def one_commit_each(watch: Stopwatch) -> None:
        rows = _rows(single)
        with new_file() as path, closing(_bare(path)) as connection, watch(single):
            _insert(connection, rows, 1)

    async def from_tasks(watch: Stopwatch) -> None:
        await publish_from_tasks(watch, tasks, 100 * tasks)

    cases: dict[str, Case] = {
        "sqlite3, executemany of 1,000": executemany,
        "evenflow, publish_many": publish_many,
        "sqlite3, one commit each": one_commit_each,
        f"evenflow, publish from {tasks} tasks": from_tasks,
    }
    results = bench.compare(
        "log-publish", "Storing events", cases, reference="sqlite3, executemany of 1,000", per="event",
        figures=("wall", "cpu"), rounds=rounds,
    )  # fmt: skip
    bench.expect(
        "`publish_many`: time, of bare executemany",
        results.ratio("evenflow, publish_many", to="sqlite3, executemany of 1,000", of="wall"),
        at_most=1 / 0.6,
    )
    bench.expect(
        f"publishes awaited by {tasks} tasks: time, of one commit each",
        results.ratio(f"evenflow, publish from {tasks} tasks", to="sqlite3, one commit each", of="wall"),
        at_most=1 / 30,
    )


def _read(bench: Bench, rounds: int) -> None:
    count = bench.pick(quick=20_000, full=100_000)

    def cursor(watch: Stopwatch) -> None:
        with new_file() as path, closing(_bare(path)) as connection:
            _insert(connection, _rows(count), 1_000)
            sql = f"SELECT seq, {_COLUMNS} FROM event WHERE subject = ? AND seq > ? ORDER BY seq LIMIT 500"
            with watch(count):
                seq = 0
                while rows := connection.execute(sql, ("orders", seq)).fetchall():
                    seq = rows[-1][0]

    async def read(watch: Stopwatch) -> None:
        with new_file() as path:
            log, orders = log_in(path)
            async with log:
                await orders.publish_many(Ordered(order_id=n) for n in range(count))
                with watch(count):
                    async for _ in orders.read():
                        pass

    async def subscribe(watch: Stopwatch) -> None:
        with new_file() as path:
            log, orders = log_in(path)
            async with log:
                await orders.publish_many(Ordered(order_id=n) for n in range(count))
                with watch(count):
                    async with orders.subscribe(since="start", buffer=1_000) as feed:
                        left = count
                        async for batch in feed.batches():
                            left -= len(batch)
                            if not left:
                                break

    cases: dict[str, Case] = {"sqlite3, pages of 500": cursor, "evenflow, read": read, "evenflow, subscribe": subscribe}
    results = bench.compare(
        "log-read", "Reading history, each event validated by evenflow", cases, reference="sqlite3, pages of 500",
        per="event", figures=("wall", "cpu"), rounds=rounds,
    )  # fmt: skip
    bench.expect(
        "`read`: time, of the bare paged cursor",
        results.ratio("evenflow, read", to="sqlite3, pages of 500", of="wall"),
        at_most=1 / 0.4,
    )


def _idle(bench: Bench) -> None:
    seconds = bench.pick(quick=3.0, full=10.0)

    async def used(path: Path) -> float:
        log, orders = log_in(path)
        orders.consume("g", lambda _: None, Ordered)
        async with log, orders.subscribe():
            await orders.publish(Ordered(order_id=1))
            await anyio.sleep(2)
            before = process_time()
            await anyio.sleep(seconds)
            return (process_time() - before) / seconds

    with new_file() as path:
        share = anyio.run(used, path)
    bench.expect("an idle process with a subscription and a consumer, of a core", share, at_most=0.01)
