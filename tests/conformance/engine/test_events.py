"""Events: appended, numbered and never changed."""

from __future__ import annotations

import time

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._engine import Append, Change

from .conftest import EngineMaker
from .kit import append, both_real, event, opened, texts


@both_real
async def test_numbers_grow_over_all_subjects(engine_maker: EngineMaker) -> None:
    """Events are numbered over the whole log; a reader of a subject sees its own, and how far it has looked."""
    async with opened(engine_maker) as engine:
        done = await engine.commit(Change(appends=[event("a"), event("x", subject="other"), event("b")]))
        first, other, second = done.seqs
        assert 0 < first < other < second
        page = await engine.read("other", 0, 10)
        assert [row.seq for row in page.rows] == [other]
        assert page.through == second
        assert [await engine.end(name) for name in ("orders", "other", "none")] == [second, other, 0]


@both_real
async def test_what_was_stored_is_read(engine_maker: EngineMaker) -> None:
    """Type, version, bytes, headers and id of an event come back as they were given, and its time is about now."""
    stored = Append(
        "orders", "Placed", 7, '{"name":"Zoë \\u0000 😀"}'.encode(), {"tenant": "a b ü"}, "order-1", b"d", "k"
    )
    plain = Append("orders", "Shipped", 1, b"{}")
    async with opened(engine_maker) as engine:
        before = engine.wall()
        await engine.commit(Change(appends=[stored, plain]))
        row, second = (await engine.read("orders", 0, 10)).rows
        assert (row.type, row.version, row.data, dict(row.headers), row.id) == (
            "Placed", 7, stored.data, {"tenant": "a b ü"}, "order-1",
        )  # fmt: skip
        assert (second.type, dict(second.headers), second.id) == ("Shipped", {}, "")
        assert before - 1 <= row.time / 1e6 <= engine.wall() + 1


@both_real
async def test_pages_follow_one_another(engine_maker: EngineMaker) -> None:
    """A full page ends with its last event, a short one with the newest number, or with the limit that was given."""
    async with opened(engine_maker) as engine:
        seqs = await append(engine, *"abcde")
        page = await engine.read("orders", 0, 2)
        assert ([row.data for row in page.rows], page.through) == ([b"a", b"b"], seqs[1])
        assert await texts(engine, page.through) == ["c", "d", "e"]
        short = await engine.read("orders", 0, 10, until=seqs[2])
        assert ([row.data for row in short.rows], short.through) == ([b"a", b"b", b"c"], seqs[2])
        assert (await engine.read("orders", seqs[4], 10)).through == seqs[4]
        assert (await engine.read("orders", 0, 10, until=seqs[4] + 9)).through == seqs[4]


@both_real
async def test_only_the_asked_types_are_read(engine_maker: EngineMaker) -> None:
    """A reader of some types looks past the others, in as many pages as that takes."""
    async with opened(engine_maker) as engine:
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


@both_real
async def test_many_events_of_one_change_are_in_order(engine_maker: EngineMaker) -> None:
    """However many there are; and nobody sees some of them only."""
    async with opened(engine_maker) as engine:
        numbers = [str(n) for n in range(777)]
        seqs = await append(engine, *numbers)
        assert seqs == sorted(seqs)
        assert await texts(engine) == numbers
        assert [row.seq for row in (await engine.read("orders", 0, 1_000)).rows] == seqs


@both_real
async def test_changes_of_many_tasks_are_all_stored_in_the_order_of_their_numbers(engine_maker: EngineMaker) -> None:
    """Each task gets the numbers of its own events."""
    got: dict[int, str] = {}

    async with opened(engine_maker) as engine:

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


@both_real
async def test_times_never_decrease(engine_maker: EngineMaker) -> None:
    """Later events have the same time or a later one."""
    async with opened(engine_maker) as engine:
        for text in "abcdef":
            await append(engine, text)
        times = [row.time for row in (await engine.read("orders", 0, 10)).rows]
        assert times == sorted(times)


@both_real
async def test_the_place_of_a_time_is_before_its_first_event(engine_maker: EngineMaker) -> None:
    """Reading on from the place yields the first event at or after the time; beyond the newest there is none."""
    async with opened(engine_maker) as engine:
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
        assert await engine.place("orders", int(time.time() * 1e6) * 2) == await engine.end("orders")
        assert await engine.place("none", 0) == 0


@both_real
async def test_what_is_stored_is_there_at_the_next_opening(shared_maker: EngineMaker) -> None:
    """Events, records and numbers; each opening is another member, and the lines of history are the same."""
    async with opened(shared_maker) as engine:
        (first,) = await append(engine, "a")
        member, lineages = engine.member, tuple(engine.lineages)
    async with opened(shared_maker) as engine:
        assert await texts(engine) == ["a"]
        (second,) = await append(engine, "b")
        assert second > first
        assert engine.member != member
        assert tuple(engine.lineages) == lineages
        assert lineages[0].after == 0


@both_real
async def test_two_openings_write_to_one_log(shared_maker: EngineMaker) -> None:
    """What one stores the other reads, and the order is one."""
    async with opened(shared_maker) as one, opened(shared_maker) as other:
        for text in "abcdef":
            await append(one if text in "ace" else other, text)
        assert await texts(one) == await texts(other) == list("abcdef")


@both_real
async def test_a_closed_engine_refuses(engine_maker: EngineMaker) -> None:
    """Before it is opened, and after it is closed; closing it again does nothing."""
    engine = engine_maker()
    with pytest.raises(LogError):
        await engine.commit(Change(appends=[event("a")]))
    await engine.open()
    await engine.close()
    await engine.close()
    with pytest.raises(LogError):
        await append(engine, "a")
    with pytest.raises(LogError):
        await engine.read("orders", 0, 1)


@both_real
async def test_the_size_counts_events(engine_maker: EngineMaker) -> None:
    """As they are stored now."""
    async with opened(engine_maker) as engine:
        await append(engine, *"abcd")
        await append(engine, *"ab", subject="other")
        await engine.trim("orders", 3, 10)
        size = await engine.size()
        assert size.events == 3
        assert size.bytes
