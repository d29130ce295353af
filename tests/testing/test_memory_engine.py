"""MemoryEngine: what a log is stored in while it is tested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import pytest

from evenflow import LogError, Unsupported
from evenflow.log._stored import ABSENT, Append, Change, IdTaken, Outdated, Put, Reserve, Statement
from evenflow.testing import run_virtual
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import LOOKED_AT, MemoryStore
from tests.testing.kit import both

START = datetime(2026, 11, 28, tzinfo=UTC)


async def opened(store: MemoryStore | None = None) -> MemoryEngine:
    engine = MemoryEngine(store or MemoryStore(start=START))
    await engine.open()
    return engine


def event(data: str, *, subject: str = "orders", type: str = "Placed", id: str | None = None, **more: object) -> Append:  # noqa: A002 -- as in the engine
    return Append(subject, type, 1, data.encode(), id=id, digest=data.encode() if id else b"", **more)  # type: ignore[arg-type]  # by name


async def texts(engine: MemoryEngine, after: int = 0, **how: object) -> list[str]:
    page = await engine.read("orders", after, 1_000, **how)  # type: ignore[arg-type]  # by name
    return [row.data.decode() for row in page.rows]


@both
async def test_events_are_numbered_over_all_subjects_and_read_by_subject() -> None:
    """Events get growing numbers over the whole log; a subject's reader sees its own, and how far it has looked."""
    engine = await opened()
    done = await engine.commit(Change(appends=[event("a"), event("x", subject="other"), event("b")]))
    assert done.seqs == [1, 2, 3]
    assert (await engine.end("orders"), await engine.end("other"), await engine.end("none")) == (3, 2, 0)
    page = await engine.read("other", 0, 10)
    assert [row.seq for row in page.rows] == [2]
    assert page.through == 3
    assert (await engine.read("orders", 0, 1)).through == 1
    assert (await engine.read("orders", 0, 10, until=2)).through == 2
    assert (await engine.read("orders", 0, 10, until=20)).through == 3


@both
async def test_only_the_asked_types_are_read() -> None:
    """A reader of one type looks past the others, at a limited number for each page."""
    engine = await opened()
    others = [event(str(n), type="Other") for n in range(LOOKED_AT)]
    await engine.commit(Change(appends=[*others, event("a")]))
    first = await engine.read("orders", 0, 5, types={"Placed"})
    assert (first.rows, first.through) == ([], LOOKED_AT)
    assert await texts(engine, first.through, types={"Placed"}) == ["a"]


@both
async def test_a_change_is_made_whole_or_not_at_all() -> None:
    """A record that has another version than expected, or an id that is taken, leaves everything as it was."""
    engine = await opened()
    done = await engine.commit(Change(puts={"k": Put(b"1")}, expect={"k": ABSENT}))
    with pytest.raises(Outdated) as outdated:
        await engine.commit(Change(expect={"k": ABSENT}, puts={"other": Put(b"")}, appends=[event("a")]))
    assert outdated.value.keys == ("k",)
    await engine.commit(Change(appends=[event("one", id="1")]))
    with pytest.raises(IdTaken):
        await engine.commit(Change(appends=[event("b"), event("two", id="1")], deletes=["k"]))
    assert await texts(engine) == ["one"]
    assert {key: record.version for key, record in (await engine.load(prefix="")).items()} == dict(done.versions)


@both
async def test_a_record_that_is_made_again_has_a_version_that_it_never_had() -> None:
    """Whoever saw a record before it was deleted and made again is told that it has changed."""
    engine = await opened()
    first = (await engine.commit(Change(puts={"k": Put(b"1")}))).versions["k"]
    await engine.commit(Change(deletes=["k", "none"]))
    await engine.commit(Change(puts={"k": Put(b"1")}))
    with pytest.raises(Outdated):
        await engine.commit(Change(expect={"k": first}))


@both
async def test_records_are_found_by_key_by_prefix_and_by_time() -> None:
    """Records are loaded sorted by key; those that are due come in the order of their times."""
    engine = await opened()
    now = engine.wall()
    puts = {"a/2": Put(b"", now + 1), "a/1": Put(b"", now + 5), "b": Put(b""), "a/3": Put(b"", now + 2)}
    await engine.commit(Change(puts=puts))
    assert list(await engine.load(["b", "none"], prefix="a/")) == ["a/1", "a/2", "a/3", "b"]
    assert list(await engine.due("a/", now + 2, 10)) == ["a/2", "a/3"]
    assert list(await engine.due("a/", now + 9, 1)) == ["a/2"]
    assert await engine.next_due("a/") == now + 1
    assert await engine.next_due("b") is None


@both
async def test_an_id_is_one_event_until_its_time_is_over() -> None:
    """The same event with the same id is stored once, also within one change, as long as ids are kept."""
    engine = await opened(MemoryStore(start=START, keep_ids=timedelta(seconds=60)))
    again = Change(appends=[event("a", id="1"), event("b"), event("a", id="1")])
    assert (await engine.commit(again)).seqs == [1, 2, 1]
    await anyio.sleep(59)
    assert (await engine.commit(again)).seqs == [1, 3, 1]
    await engine.commit(Change(appends=[event("a", id="1", subject="other")]))
    await anyio.sleep(1)
    assert (await engine.commit(again)).seqs == [5, 6, 5]


@both
async def test_a_reserved_id_waits_for_its_scheduled_event() -> None:
    """An id that is reserved is taken, until the event that was scheduled takes it or it is freed."""
    engine = await opened()
    reserve = Change(reserves=[Reserve("orders", "1", b"a")])
    await engine.commit(reserve)
    for change in (reserve, Change(appends=[event("a", id="1")])):
        with pytest.raises(IdTaken) as taken:
            await engine.commit(change)
        assert taken.value.scheduled
    await engine.commit(Change(frees=[("orders", "1"), ("orders", "none")]))
    await engine.commit(reserve)
    assert (await engine.commit(Change(appends=[event("a", id="1", scheduled=True)]))).seqs == [1]
    with pytest.raises(IdTaken) as taken:
        await engine.commit(reserve)
    assert not taken.value.scheduled
    await engine.commit(Change(frees=[("orders", "1")]))
    assert (await engine.commit(Change(appends=[event("a", id="1")]))).seqs == [1]


@both
async def test_trimming_removes_the_oldest_and_numbers_are_not_used_again() -> None:
    """What was trimmed is told by the floor; the end, and the numbers of new events, go on."""
    engine = await opened()
    await engine.commit(Change(appends=[event(letter) for letter in "abc"]))
    assert await engine.trim("orders", 3, 2) == 2
    assert (await engine.floor("orders"), await texts(engine)) == (2, ["c"])
    assert await engine.trim("orders", 3, 5) == 1
    assert (await engine.end("orders"), (await engine.read("orders", 0, 5)).floor) == (3, 3)
    assert (await engine.commit(Change(appends=[event("d")]))).seqs == [4]


@both
async def test_trimming_can_keep_the_newest_of_each_key() -> None:
    """With keys, an event stays until a newer one of its key is there."""
    engine = await opened()
    await engine.commit(Change(appends=[event(text, key=text[0]) for text in ("a1", "b1", "a2")] + [event("-")]))
    assert await engine.trim("orders", 4, 9, keep_newest_of_keys=True) == 2
    assert await texts(engine) == ["b1", "a2"]


@both
async def test_times_are_virtual_and_begin_at_the_start() -> None:
    """Events get the start and the virtual time since; a place is found by time."""
    engine = await opened()
    await engine.commit(Change(appends=[event("a")]))
    await anyio.sleep(360)
    await engine.commit(Change(appends=[event("b")]))
    times = [row.time for row in (await engine.read("orders", 0, 5)).rows]
    start = round(START.timestamp() * 1e6)
    assert times == [start, start + 360_000_000]
    assert [await engine.place("orders", start + more) for more in (0, 1, 360_000_001)] == [0, 1, 2]
    assert engine.clock() == anyio.current_time()


def test_a_store_outlives_its_loop_and_its_clock_never_goes_back() -> None:
    """A second loop, whose clock begins anew, goes on where the first one was."""
    store = MemoryStore(start=START)

    async def publish() -> float:
        engine = await opened(store)
        await anyio.sleep(10)
        await engine.commit(Change(appends=[event("a")]))
        await engine.close()
        return engine.wall()

    assert [run_virtual(publish) - START.timestamp() for _ in range(2)] == [10, 20]


@both
async def test_several_engines_on_one_store_see_what_the_others_do() -> None:
    """What one process commits is there for another, which waits for it without asking again and again."""
    store = MemoryStore()
    one, two = await opened(store), await opened(store)
    mark = two.mark()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(one.commit, Change(appends=[event("a")])))
        assert await two.wait(mark) > mark
    assert await texts(two) == ["a"]
    with anyio.move_on_after(5):
        await two.wait(two.mark())
        pytest.fail("nothing has changed")


@both
async def test_a_cancelled_change_is_not_made_before_and_is_made_after_it_was_handed_over() -> None:
    """Cancelled first, a change does nothing; cancelled while it is made, it is made, and its outcome is known."""
    engine = await opened()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await engine.commit(Change(appends=[event("a")]))
    assert await texts(engine) == []

    handed_over = anyio.Event()

    async def commit() -> None:
        handed_over.set()
        assert (await engine.commit(Change(appends=[event("b")]))).seqs == [1]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(commit)
        await handed_over.wait()
        tasks.cancel_scope.cancel()
    assert await texts(engine) == ["b"]


@both
async def test_a_killed_engine_is_dead_and_its_marks_stay() -> None:
    """A killed process answers nothing any more; the others see that it is dead, and what it had begun."""
    store = MemoryStore()
    dying, other = await opened(store), await opened(store)
    dying.begin("g", [1])
    marks = dying.begin("g", [2])
    dying.settled(dying.begin("g", [3]))
    dying.kill()
    dying.settled(marks)
    dying.beat()
    with pytest.raises(LogError):
        await dying.commit(Change(appends=[event("a")]))
    with pytest.raises(LogError):
        dying.begin("g", [4])
    with pytest.raises(LogError):
        await dying.open()
    pulses = await other.pulses([dying.member, other.member, "nobody"])
    assert pulses[dying.member].begun == {("g", 1), ("g", 2)}
    assert [pulses[name].alive for name in (dying.member, other.member, "nobody")] == [False, True, False]
    assert await texts(other) == []


@both
async def test_an_event_that_is_begun_twice_is_begun_until_both_are_settled() -> None:
    """Two attempts of one event at once in one process are two marks."""
    engine = await opened()
    first, second = engine.begin("g", [1]), engine.begin("g", [1])
    engine.settled(first)
    engine.settled(first)
    assert (await engine.pulses([engine.member]))[engine.member].begun == {("g", 1)}
    engine.settled(second)
    assert (await engine.pulses([engine.member]))[engine.member].begun == frozenset()


@both
async def test_a_beat_says_when_a_member_was_last_heard_of() -> None:
    """A member that does not beat grows old, though its process lives."""
    engine = await opened()
    await anyio.sleep(10)
    assert (await engine.pulses([engine.member]))[engine.member].at == 0
    engine.beat()
    assert (await engine.pulses([engine.member]))[engine.member].at == 10


@both
async def test_a_closed_engine_waits_for_nothing_and_refuses() -> None:
    """Whoever waits is told when the engine is killed; a closed one may be closed again."""
    engine = await opened()

    async def wait() -> None:
        with pytest.raises(LogError):
            await engine.wait(engine.mark())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(1)
        await engine.close()
    await engine.close()
    with pytest.raises(LogError, match="closed"):
        await engine.size()


@both
async def test_it_has_no_tables_of_the_application() -> None:
    """A statement is refused, and nothing of its change is done."""
    engine = await opened()
    with pytest.raises(Unsupported):
        await engine.commit(Change(appends=[event("a")], statements=[Statement("DELETE FROM t", (), None)]))
    assert (await engine.size()).events == 0


def test_a_start_needs_a_time_zone() -> None:
    """A start that could mean several moments is refused."""
    with pytest.raises(ValueError, match="time zone"):
        MemoryStore(start=datetime(2026, 1, 1))  # noqa: DTZ001 -- that is what is refused
