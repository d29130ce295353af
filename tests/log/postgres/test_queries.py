"""What readers ask: pages, places in time, the newest of each key, records."""

from __future__ import annotations

import pytest

from evenflow.log._postgres import _queries
from evenflow.log._stored import Append, Change, Put
from tests.conformance.kit import append, event, texts
from tests.servers import Postgres

from .kit import ask, on_postgres, opened


@on_postgres
async def test_a_place_in_time_is_found_among_gaps(server: Postgres) -> None:
    """Other subjects' events, removed events, equal times: always the number before the first event at or after it."""
    async with opened(server) as engine:
        for n in range(40):
            await append(engine, f"{n}", subject="orders" if n % 3 else "others")
        await engine.trim("orders", 5, 100)
        await ask(server, f"UPDATE {engine.schema}.event SET time = 1000 + seq / 4")
        stored = await ask(server, f"SELECT seq, time FROM {engine.schema}.event WHERE subject = 'orders' AND seq > 5")
        for moment in range(999, 1013):
            after = [seq for seq, time in sorted(stored) if time >= moment]
            place = await engine.place("orders", moment)
            assert [row.seq for row in (await engine.read("orders", place, 100)).rows] == after, moment
        assert await engine.place("nothing", 1000) == 0


@on_postgres
async def test_a_page_ends_where_it_was_looked_at(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run of other types is several pages, none of which skips an event."""
    monkeypatch.setattr(_queries, "LOOKED_AT", 5)
    async with opened(server) as engine:
        await engine.commit(
            Change(appends=[event(f"{n}", type="Wanted" if n % 12 == 0 else "Other") for n in range(1, 31)])
        )
        found: list[str] = []
        at, pages = 0, 0
        while at < 30:
            page = await engine.read("orders", at, 10, types=["Wanted"])
            found += [row.data.decode() for row in page.rows]
            assert page.through > at
            at, pages = page.through, pages + 1
        assert found == ["12", "24"]
        assert pages == 6


@on_postgres
async def test_the_newest_of_each_key_stays(server: Postgres) -> None:
    """In slices, the oldest first; what has no key goes."""
    async with opened(server) as engine:
        keyed = [Append("orders", "Tick", 1, f"{key}{n}".encode(), key=key) for n in range(3) for key in "ab"]
        await engine.commit(Change(appends=[*keyed, event("plain"), event("kept")]))
        assert await engine.trim("orders", 7, 2, keep_newest_of_keys=True) == 2
        assert await texts(engine) == ["a1", "b1", "a2", "b2", "plain", "kept"]
        assert await engine.trim("orders", 7, 100, keep_newest_of_keys=True) == 3
        assert await engine.trim("orders", 7, 100, keep_newest_of_keys=True) == 0
        assert await texts(engine) == ["a2", "b2", "kept"]
        assert (await engine.size()).events == 3


@on_postgres
async def test_how_old_a_place_is_counted_in_events(server: Postgres) -> None:
    """Of the subject alone, and not those that retention has hidden."""
    async with opened(server) as engine:
        for n in range(10):
            await append(engine, f"{n}", subject="orders" if n % 2 else "others")
        assert await engine.older_than("orders", 2) == 6
        assert await engine.older_than("orders", 5) == 0
        await engine.trim("orders", 6, 100)
        assert await engine.older_than("orders", 2) == 0
        assert await engine.subjects() == ["orders", "others"]


@on_postgres
async def test_records_are_found_by_what_their_keys_begin_with(server: Postgres) -> None:
    """In the order of code points, whatever the database's collation; due ones the earliest first."""
    async with opened(server) as engine:
        keys = ["a/B", "a/a", "a/b", "a/é", "b/a", "a"]
        await engine.commit(Change(puts={key: Put(key.encode(), float(10 - place)) for place, key in enumerate(keys)}))
        assert list(await engine.load(prefix="a/")) == ["a/B", "a/a", "a/b", "a/é"]
        assert list(await engine.load(["b/a"], prefix="a/é")) == ["a/é", "b/a"]
        assert list(await engine.due("a/", 9.0, 2)) == ["a/é", "a/b"]
        assert await engine.next_due("a/") == 7.0
        assert await engine.next_due("c/") is None


@on_postgres
async def test_what_is_new_and_what_is_due_come_together(server: Postgres) -> None:
    """As ``read`` and ``due`` say: any bytes, the earliest first, and nothing is cut off the page for it."""
    async with opened(server) as engine:
        await append(engine, "a", "b", "c")
        dues = {"g/late": 2.5, "g/b": 1.0, "g/a": 1.0, "g/never": None, "other/x": 0.0, "g/first": float("-inf")}
        await engine.commit(Change(puts={key: Put(bytes(range(256)), due) for key, due in dues.items()}))
        for until, most in ((2.0, 10), (3.0, 10), (2.0, 2), (float("-inf"), 10)):
            page, due = await engine.read_with_due("orders", 1, 2, "g/", until, most)
            assert page == await engine.read("orders", 1, 2)
            assert list(due.items()) == list((await engine.due("g/", until, most)).items())
        page, due = await engine.read_with_due("nothing", 0, 2, "none/", 9.0, 5, types=["Placed"])
        assert (page, due) == (await engine.read("nothing", 0, 2, types=["Placed"]), {})
