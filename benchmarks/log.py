"""What does a log on SQLite cost, beside the bare `sqlite3` of the standard library?

The reference does the same work with the same settings (WAL, `synchronous=FULL`) in one thread, with no event loop: the
same bytes into the same columns, the same rows back in pages, and a hand-written queue with `UPDATE ... RETURNING`.
Time is wall time: waiting for the disk is what a log does.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import process_time

import anyio

from benchmarks._harness import Bench, Case, Stopwatch
from evenflow import Event
from evenflow.log import Delivery, DurableSubject, SQLiteLog

QUESTION = "What does a log on SQLite cost, beside bare sqlite3?"

_COLUMNS = "subject, type, version, id, time, headers, data, key"


class Ordered(Event):
    """An event of about 180 bytes."""

    order_id: int
    region: str = "eu"
    total: float = 1.5
    note: str = "x" * 120


def run(bench: Bench) -> None:
    """Publishing in batches and one by one, reading history, and groups."""
    rounds = bench.pick(quick=3, full=7)
    _publish(bench, rounds)
    _read(bench, rounds)
    _groups(bench, rounds)
    _idle(bench)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


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
        with _folder() as folder, closing(_bare(folder / "bare.db")) as connection, watch(many):
            _insert(connection, rows, 1_000)

    async def publish_many(watch: Stopwatch) -> None:
        events = [Ordered(order_id=n) for n in range(many)]
        with _folder() as folder:
            log = SQLiteLog(folder / "log.db")
            orders = log.subject("orders", Ordered)
            async with log:
                with watch(many):
                    await orders.publish_many(events)

    def one_commit_each(watch: Stopwatch) -> None:
        rows = _rows(single)
        with _folder() as folder, closing(_bare(folder / "bare.db")) as connection, watch(single):
            _insert(connection, rows, 1)

    async def from_tasks(watch: Stopwatch) -> None:
        each = 100

        async def publish(orders: DurableSubject[Ordered]) -> None:
            for n in range(each):
                await orders.publish(Ordered(order_id=n))

        with _folder() as folder:
            log = SQLiteLog(folder / "log.db")
            orders = log.subject("orders", Ordered)
            async with log:
                with watch(tasks * each):
                    async with anyio.create_task_group() as group:
                        for _ in range(tasks):
                            group.start_soon(publish, orders)

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
        with _folder() as folder, closing(_bare(folder / "bare.db")) as connection:
            _insert(connection, _rows(count), 1_000)
            sql = f"SELECT seq, {_COLUMNS} FROM event WHERE subject = ? AND seq > ? ORDER BY seq LIMIT 500"
            with watch(count):
                seq = 0
                while rows := connection.execute(sql, ("orders", seq)).fetchall():
                    seq = rows[-1][0]

    async def read(watch: Stopwatch) -> None:
        with _folder() as folder:
            log = SQLiteLog(folder / "log.db")
            orders = log.subject("orders", Ordered)
            async with log:
                await orders.publish_many(Ordered(order_id=n) for n in range(count))
                with watch(count):
                    async for _ in orders.read():
                        pass

    async def subscribe(watch: Stopwatch) -> None:
        with _folder() as folder:
            log = SQLiteLog(folder / "log.db")
            orders = log.subject("orders", Ordered)
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


def _groups(bench: Bench, rounds: int) -> None:
    count = bench.pick(quick=2_000, full=10_000)

    def by_hand(in_one_commit: int, events: int) -> Case:
        def handle(watch: Stopwatch) -> None:
            with _folder() as folder, closing(_bare(folder / "bare.db")) as connection:
                connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, state INTEGER, data TEXT)")
                connection.execute("CREATE INDEX waiting ON job (state, id)")
                connection.execute("BEGIN")
                connection.executemany(
                    "INSERT INTO job (state, data) VALUES (0, ?)", [(row[6],) for row in _rows(events)]
                )
                connection.execute("COMMIT")
                claim = (
                    "UPDATE job SET state = 1 WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?)"
                    " RETURNING id, data"
                )
                with watch(events):
                    while jobs := connection.execute(claim, (in_one_commit,)).fetchall():
                        connection.execute("BEGIN IMMEDIATE")
                        connection.executemany("DELETE FROM job WHERE id = ?", [(job[0],) for job in jobs])
                        connection.execute("COMMIT")

        return handle

    async def batches(watch: Stopwatch) -> None:
        with _folder() as folder:
            log = SQLiteLog(folder / "log.db")
            orders = log.subject("orders", Ordered)
            async with log:
                await orders.publish_many(Ordered(order_id=n) for n in range(count))
                with watch(count):
                    async with orders.deliveries("g", buffer=1_000) as deliveries:
                        left = count
                        async for batch in deliveries.batches(100):
                            async with batch:
                                left -= len(batch)
                            if not left:
                                break

    def handlers(concurrency: int, events: int) -> Case:
        async def handle(watch: Stopwatch) -> None:
            with _folder() as folder:
                log = SQLiteLog(folder / "log.db")
                orders = log.subject("orders", Ordered)
                done, left = anyio.Event(), events

                async def one(_: Delivery[Ordered]) -> None:
                    nonlocal left
                    left -= 1
                    if not left:
                        done.set()

                orders.consume("g", one, Ordered, concurrency=concurrency, buffer=max(64, 2 * concurrency))
                async with log.opened(consumers=False):
                    await orders.publish_many(Ordered(order_id=n) for n in range(events))
                with watch(events):
                    async with log:
                        await done.wait()

        return handle

    few = count // 4
    cases: dict[str, Case] = {
        "by hand, 100 a commit": by_hand(100, count),
        "evenflow, batches of 100": batches,
        "by hand, one a commit": by_hand(1, few),
        "evenflow, one handler": handlers(1, few),
        "evenflow, 64 handlers": handlers(64, count),
    }
    results = bench.compare(
        "log-groups", "A queue: claim, handle, acknowledge", cases, reference="by hand, 100 a commit", per="event",
        figures=("wall", "cpu"), rounds=rounds,
    )  # fmt: skip
    bench.expect(
        "a group in batches of 100: time, of a queue by hand",
        results.ratio("evenflow, batches of 100", to="by hand, 100 a commit", of="wall"),
        at_most=1 / 1,
    )
    bench.expect(
        "one handler one by one: time, of a queue by hand with a commit each",
        results.ratio("evenflow, one handler", to="by hand, one a commit", of="wall"),
        at_most=1 / 0.5,
    )
    bench.expect(
        "64 handlers: time, of a queue by hand with a commit each",
        results.ratio("evenflow, 64 handlers", to="by hand, one a commit", of="wall"),
        at_most=1 / 5,
    )


def _idle(bench: Bench) -> None:
    seconds = bench.pick(quick=3.0, full=10.0)

    async def used(path: Path) -> float:
        log = SQLiteLog(path)
        orders = log.subject("orders", Ordered)
        orders.consume("g", lambda _: None, Ordered)
        async with log, orders.subscribe():
            await orders.publish(Ordered(order_id=1))
            await anyio.sleep(2)
            before = process_time()
            await anyio.sleep(seconds)
            return (process_time() - before) / seconds

    with _folder() as folder:
        share = anyio.run(used, folder / "log.db")
    bench.expect("an idle process with a subscription and a consumer, of a core", share, at_most=0.01)
