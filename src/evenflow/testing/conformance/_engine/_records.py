"""Records: small values by key, each with a version, compared and set."""

from __future__ import annotations

import anyio
import pytest

from evenflow.log._stored import ABSENT, Change, Outdated, Put, Record
from evenflow.testing.conformance._engine._kit import (
    EngineMaker,
    append,
    event,
    on_every_engine,
    on_every_shared_engine,
    opened,
    texts,
)


@on_every_engine
async def test_records_are_put_loaded_and_deleted(make: EngineMaker) -> None:
    """By key and by prefix, sorted by key; the versions that a change reports are those that are loaded."""
    async with opened(make) as engine:
        done = await engine.commit(Change(puts={"b/2": Put(b"two"), "b/1": Put(b"one", 5.5), "c": Put(b"")}))
        assert set(done.versions) == {"b/1", "b/2", "c"}
        loaded = await engine.load(prefix="b/")
        assert list(loaded.items()) == [
            ("b/1", Record(b"one", done.versions["b/1"], 5.5)),
            ("b/2", Record(b"two", done.versions["b/2"], None)),
        ]
        assert list(await engine.load(["c", "b/2", "none"])) == ["b/2", "c"]
        assert list(await engine.load(["c"], prefix="b/")) == ["b/1", "b/2", "c"]
        assert list(await engine.load(prefix="")) == ["b/1", "b/2", "c"]
        await engine.commit(Change(deletes=["b/1", "none"], puts={"c": Put(b"new")}))
        after = await engine.load(prefix="")
        assert {key: record.value for key, record in after.items()} == {"b/2": b"two", "c": b"new"}
        assert after["c"].version != done.versions["c"]
        assert after["b/2"].version == done.versions["b/2"]


@on_every_engine
async def test_a_change_that_expects_another_version_does_nothing(make: EngineMaker) -> None:
    """It says which records have changed; no event of it is stored, and none of its records."""
    async with opened(make) as engine:
        versions = (await engine.commit(Change(puts={"a": Put(b"1"), "b": Put(b"1")}))).versions
        await engine.commit(Change(puts={"a": Put(b"2")}))
        expect = {"a": versions["a"], "b": versions["b"], "c": 5, "d": ABSENT}
        with pytest.raises(Outdated) as caught:
            await engine.commit(Change(expect, {"b": Put(b"x")}, ["a"], [event("lost")]))
        assert set(caught.value.keys) == {"a", "c"}
        assert {key: record.value for key, record in (await engine.load(prefix="")).items()} == {"a": b"2", "b": b"1"}
        assert await texts(engine) == []


@on_every_engine
async def test_a_change_that_expects_what_is_there_is_made(make: EngineMaker) -> None:
    """A record that must not exist, and one that was put before."""
    async with opened(make) as engine:
        first = await engine.commit(Change({"a": ABSENT}, {"a": Put(b"1")}, appends=[event("x")]))
        await engine.commit(Change(first.versions, {"a": Put(b"2")}))
        with pytest.raises(Outdated):
            await engine.commit(Change({"a": ABSENT}, {"a": Put(b"3")}))
        assert (await engine.load(["a"]))["a"].value == b"2"


@on_every_engine
async def test_a_record_that_was_deleted_and_made_again_has_another_version(make: EngineMaker) -> None:
    """Whoever has seen the old one is outdated."""
    async with opened(make) as engine:
        seen = (await engine.commit(Change(puts={"a": Put(b"")}))).versions
        for _ in range(20):
            await engine.commit(Change(deletes=["a"]))
            again = (await engine.commit(Change({"a": ABSENT}, {"a": Put(b"")}))).versions
            assert again["a"] not in {seen["a"], ABSENT}
        with pytest.raises(Outdated):
            await engine.commit(Change(seen, {"a": Put(b"x")}))


@on_every_engine
async def test_of_many_that_compare_and_set_one_wins_each_round(make: EngineMaker) -> None:
    """A counter that many tasks increase is never increased twice from one value."""
    async with opened(make) as engine:
        await engine.commit(Change(puts={"n": Put(b"0")}))

        async def increase() -> None:
            for _ in range(5):
                while True:
                    record = (await engine.load(["n"]))["n"]
                    value = str(int(record.value) + 1).encode()
                    try:
                        await engine.commit(Change({"n": record.version}, {"n": Put(value)}))
                    except Outdated:
                        continue
                    break

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(increase)
        assert (await engine.load(["n"]))["n"].value == b"25"


@on_every_shared_engine
async def test_two_openings_compare_and_set_one_record(make: EngineMaker) -> None:
    """What the other has stored is seen."""
    async with opened(make) as one, opened(make) as other:
        version = (await one.commit(Change({"a": ABSENT}, {"a": Put(b"1")}))).versions["a"]
        assert (await other.load(["a"]))["a"].version == version
        await other.commit(Change({"a": version}, {"a": Put(b"2")}))
        with pytest.raises(Outdated):
            await one.commit(Change({"a": version}, {"a": Put(b"3")}))
        await append(one, "x")
        assert (await one.load(["a"]))["a"].value == b"2"


@on_every_engine
async def test_due_records_come_in_the_order_of_their_times(make: EngineMaker) -> None:
    """Only those of the prefix, only those that are due, and at most as many as asked for."""
    async with opened(make) as engine:
        puts = {"g/a": 3.0, "g/b": 1.0, "g/c": 2.0, "g/d": 9.0, "h/a": 0.5, "g/e": None}
        await engine.commit(Change(puts={key: Put(key.encode(), due) for key, due in puts.items()}))
        assert list(await engine.due("g/", 5.0, 10)) == ["g/b", "g/c", "g/a"]
        assert list(await engine.due("g/", 5.0, 2)) == ["g/b", "g/c"]
        assert list(await engine.due("g/", 1.0, 10)) == ["g/b"]
        assert (await engine.due("g/", 1.0, 10))["g/b"].value == b"g/b"
        assert [await engine.next_due(prefix) for prefix in ("g/", "h/", "none/")] == [1.0, 0.5, None]
        await engine.commit(Change(deletes=["g/b"], puts={"g/c": Put(b"")}))
        assert await engine.next_due("g/") == 3.0


@on_every_engine
async def test_events_and_due_records_are_read_together(make: EngineMaker) -> None:
    """It is what the two questions return, each with its own limit."""
    async with opened(make) as engine:
        events = [event(text, type=kind) for text, kind in (("a", "Placed"), ("b", "Sent"), ("c", "Placed"))]
        puts = {f"g/{n}": Put(b"x", float(n)) for n in range(4)}
        await engine.commit(Change(appends=events, puts=puts))
        page, due = await engine.read_with_due("orders", 0, 2, "g/", 2.0, 2, types=("Placed",))
        assert page == await engine.read("orders", 0, 2, types=("Placed",))
        assert due == await engine.due("g/", 2.0, 2)
        assert (len(page.rows), list(due)) == (2, ["g/0", "g/1"])
        page, due = await engine.read_with_due("orders", page.through, 2, "none/", 2.0, 2)
        assert (list(page.rows), dict(due)) == ([], {})
