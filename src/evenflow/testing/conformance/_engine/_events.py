"""Events: appended, numbered and never changed."""

from __future__ import annotations

import time

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._stored import Absent, Append, Change
from evenflow.testing.conformance._engine._kit import (
    EngineMaker,
    append,
    event,
    on_every_engine,
    on_every_shared_engine,
    opened,
    texts,
)

END_OF_YEAR_9999 = 253_402_300_799_999_999
"""The last moment that a datetime can be, in microseconds."""


@on_every_engine
async def test_numbers_grow_over_all_subjects(make: EngineMaker) -> None:
    """Events are numbered over the whole log; a reader of a subject sees its own, and how far it has looked."""
    async with opened(make) as engine:
        done = await engine.commit(Change(appends=[event("a"), event("x", subject="other"), event("b")]))
        first, other, second = done.seqs
        assert 0 < first < other < second
        page = await engine.read("other", 0, 10)
        assert [row.seq for row in page.rows] == [other]
        assert page.through == second
        assert [await engine.end(name) for name in ("orders", "other", "none")] == [second, other, 0]


@on_every_engine
async def test_what_was_stored_is_read(make: EngineMaker) -> None:
    """Type, version, bytes, headers and id of an event come back as they were given, and its time is about now."""
    stored = Append(
        "orders", "Placed", 7, '{"name":"Zoë \\u0000 😀"}'.encode(), {"tenant": "a b ü"}, "order-1", b"d", "k"
    )
    plain = Append("orders", "Shipped", 1, b"{}")
    async with opened(make) as engine:
        before = engine.wall()
        await engine.commit(Change(appends=[stored, plain]))
        row, second = (await engine.read("orders", 0, 10)).rows
        assert (row.type, row.version, row.data, dict(row.headers), row.id) == (
            "Placed", 7, stored.data, {"tenant": "a b ü"}, "order-1",
        )  # fmt: skip
        assert (second.type, dict(second.headers), second.id) == ("Shipped", {}, "")
        assert before - 1 <= row.time / 1e6 <= engine.wall() + 1


@on_every_engine
async def test_pages_follow_one_another(make: EngineMaker) -> None:
    """A full page ends with its last event, a short one with the newest number, or with the limit that was given."""
    async with opened(make) as engine:
        seqs = await append(engine, *"abcde")
        page = await engine.read("orders", 0, 2)
        assert ([row.data for row in page.rows], page.through) == ([b"a", b"b"], seqs[1])
        assert await texts(engine, page.through) == ["c", "d", "e"]
        short = await engine.read("orders", 0, 10, until=seqs[2])
        assert ([row.data for row in short.rows], short.through) == ([b"a", b"b", b"c"], seqs[2])
        assert (await engine.read("orders", seqs[4], 10)).through == seqs[4]
        assert (await engine.read("orders", 0, 10, until=seqs[4] + 9)).through == seqs[4]


@on_every_engine
async def test_only_the_asked_types_are_read(make: EngineMaker) -> None:
    """A reader of some types looks past the others, in as many pages as that takes."""
    async with opened(make) as engine:
        await append(engine, *"ab", type="Other")
        await append(engine, "c")
        await append(engine, "d", type="Third")
        assert await texts(engine, types={"Placed", "Third"}) == ["c", "d"]
        assert await texts(engine, types={"Nothing"}) == []
        for _ in range(3):
            await append(engine, *("x" * 9_000), type="Other")
        last = await append(engine, "e")
        after, found = 0, list[bytes]()
        while after < last[0]:
            page = await engine.read("orders", after, 2, types={"Placed"})
            assert page.through > after
            after = page.through
            found += [row.data for row in page.rows]
        assert found == [b"c", b"e"]


@on_every_engine
async def test_many_events_of_one_change_are_in_order(make: EngineMaker) -> None:
    """However many there are; and nobody sees some of them only."""
    async with opened(make) as engine:
        numbers = [str(n) for n in range(777)]
        seqs = await append(engine, *numbers)
        assert seqs == sorted(seqs)
        assert await texts(engine) == numbers
        assert [row.seq for row in (await engine.read("orders", 0, 1_000)).rows] == seqs


@on_every_engine
async def test_changes_of_many_tasks_are_all_stored_in_the_order_of_their_numbers(make: EngineMaker) -> None:
    """Each task gets the numbers of its own events."""
    got: dict[int, str] = {}

    async with opened(make) as engine:

        async def publish(name: str) -> None:
            for n in range(10):
                (seq,) = await append(engine, f"{name}{n}")
                got[seq] = f"{name}{n}"

        async with anyio.create_task_group() as tasks:
            for name in "abcdefghij":
                tasks.start_soon(publish, name)
        page = await engine.read("orders", 0, 1_000)
        assert {row.seq: row.data.decode() for row in page.rows} == got
        assert len(got) == 100
        for name in "abcdefghij":
            assert [text for _, text in sorted(got.items()) if text[0] == name] == [f"{name}{n}" for n in range(10)]


@on_every_engine
async def test_times_never_decrease(make: EngineMaker) -> None:
    """Later events have the same time or a later one."""
    async with opened(make) as engine:
        for text in "abcdef":
            await append(engine, text)
        times = [row.time for row in (await engine.read("orders", 0, 10)).rows]
        assert times == sorted(times)


@on_every_engine
async def test_the_place_of_a_time_is_before_its_first_event(make: EngineMaker) -> None:
    """Reading on from the place yields the first event at or after the time; beyond the newest there is none."""
    async with opened(make) as engine:
        assert await engine.place("orders", 0) == 0
        for n in range(30):
            await append(engine, f"{n}", subject="orders" if n % 3 else "other")
            if n % 10 == 0:
                await anyio.sleep(0.002)  # real time is what is stored
        rows = (await engine.read("orders", 0, 100)).rows
        moments = {row.time for row in rows}
        for moment in (0, *moments, *(time + 1 for time in moments)):
            after = await engine.place("orders", moment)
            assert [row.seq for row in (await engine.read("orders", after, 100)).rows] == [
                row.seq for row in rows if row.time >= moment
            ]
        for late in (int(time.time() * 1e6) * 2, END_OF_YEAR_9999):
            assert await engine.place("orders", late) == await engine.end("orders")
        assert await engine.place("none", 0) == 0


@on_every_shared_engine
async def test_what_is_stored_is_there_at_the_next_opening(make: EngineMaker) -> None:
    """Events, records and numbers; each opening is another member, and the lines of history are the same."""
    async with opened(make) as engine:
        (first,) = await append(engine, "a")
        member, lineages = engine.member, tuple(engine.lineages)
    async with opened(make) as engine:
        assert await texts(engine) == ["a"]
        (second,) = await append(engine, "b")
        assert second > first
        assert engine.member != member
        assert tuple(engine.lineages) == lineages
        assert lineages[0].after == 0


@on_every_shared_engine
async def test_two_openings_write_to_one_log(make: EngineMaker) -> None:
    """What one stores the other reads, and the order is one."""
    async with opened(make) as one, opened(make) as other:
        for text in "abcdef":
            await append(one if text in "ace" else other, text)
        assert await texts(one) == await texts(other) == list("abcdef")


@on_every_engine
async def test_whoever_only_looks_makes_no_log(make: EngineMaker) -> None:
    """``creates = False``: opening is refused where there is no log, again and again, and the log can be made then."""
    for _ in range(2):
        looking = make()
        looking.creates = False
        with pytest.raises(Absent, match="not there"):
            await looking.open()
        await looking.close()
    async with opened(make) as engine:
        await append(engine, "a")


@on_every_shared_engine
async def test_whoever_only_looks_finds_the_log_that_is_there(make: EngineMaker) -> None:
    """Also while nobody else has it open."""
    async with opened(make) as engine:
        await append(engine, "a")
    looking = make()
    looking.creates = False
    await looking.open()
    try:
        assert await texts(looking) == ["a"]
    finally:
        await looking.close()


@on_every_engine
async def test_a_closed_engine_refuses(make: EngineMaker) -> None:
    """Before it is opened, and after it is closed; closing it again does nothing."""
    engine = make()
    with pytest.raises(LogError):
        await engine.commit(Change(appends=[event("a")]))
    await engine.open()
    await engine.close()
    await engine.close()
    with pytest.raises(LogError):
        await append(engine, "a")
    with pytest.raises(LogError):
        await engine.read("orders", 0, 1)


@on_every_engine
async def test_the_size_counts_events(make: EngineMaker) -> None:
    """As they are stored now."""
    async with opened(make) as engine:
        seqs = await append(engine, *"abcd")
        await append(engine, *"ab", subject="other")
        await engine.trim("orders", seqs[2], 10)
        size = await engine.size()
        assert size.events == 3
        assert size.bytes
