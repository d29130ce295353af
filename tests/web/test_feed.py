"""One client's reading: where it begins, what it gets, and why it ends; on asyncio and on trio, in virtual time."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from evenflow import Event, State, Subject, interval, share, stream
from evenflow.testing import MemoryLog
from evenflow.web._cursor import Refused
from evenflow.web._feed import Feed

from ..contract.kit import settle
from .kit import Placed, Shipped, both, feed_of, options, orders, read_to_end, strict


def numbers(items: object) -> list[int]:
    return [int(item.data.split(b":")[1].split(b",")[0].strip(b"}")) for item in items or ()]  # type: ignore[attr-defined]


def subscriptions(subject: Subject[object]) -> int:
    return len(subject.statistics().subscriptions)


@both
async def test_it_subscribes_when_it_is_entered_and_leaves_nothing() -> None:
    """Making a feed subscribes to nothing; leaving it closes the subscription."""
    subject = orders()
    feed = feed_of(subject)
    assert subscriptions(subject) == 0
    async with feed:
        assert subscriptions(subject) == 1
    assert subscriptions(subject) == 0


@both
async def test_all_that_waits_comes_at_once_in_order() -> None:
    """One read gives everything that waits, with type, data and cursor."""
    subject = orders(replay=5)
    async with feed_of(subject) as feed:
        await subject.publish_many([Placed(n=1), Shipped(n=2)])
        first, second = await feed.read() or ()
        assert (first.type, first.data) == ("Placed", b'{"n":1,"region":"eu"}')
        assert (second.type, second.data) == ("order.shipped", b'{"n":2}')
        assert first.id is not None
        assert first.id.endswith("-1")
        assert second.id == first.id[:-1] + "2"


@both
async def test_two_publishes_of_one_instance_have_two_cursors() -> None:
    """A cursor is the place in the subject's order, and no property of the event."""
    subject = orders(replay=5)
    order = Placed(n=1)
    async with feed_of(subject) as feed:
        await subject.publish_many([order, Placed(n=2), order])
        items = await feed.read() or ()
    async with feed_of(subject, items[0].id) as feed:
        assert numbers(await feed.read()) == [2, 1]
    async with feed_of(subject, items[2].id) as feed:
        subject.close()
        assert await read_to_end(feed) == []


@both
async def test_without_replay_there_are_no_cursors() -> None:
    """One cannot go on in a subject that keeps nothing, so no id says that one could."""
    subject = orders()
    async with feed_of(subject) as feed:
        await subject.publish(Placed(n=1))
        assert [item.id for item in await feed.read() or ()] == [None]
        assert feed.place() is None


@both
async def test_wants_and_where_choose() -> None:
    """A client gets the events of the classes and of the condition, and no others."""
    subject = orders()
    async with feed_of(subject, wants=(Placed,), where=Placed.region == "us") as feed:
        await subject.publish_many([Placed(n=1), Shipped(n=2), Placed(n=3, region="us")])
        assert numbers(await feed.read()) == [3]


@pytest.mark.parametrize("since, expected", [("now", [4]), ("start", [2, 3, 4])])
@both
async def test_a_client_that_says_nothing_begins_at_since(since: str, expected: list[int]) -> None:
    """With what comes, or with all that the subject keeps."""
    subject = orders(replay=2)
    await subject.publish_many([Placed(n=1), Placed(n=2), Placed(n=3)])
    async with feed_of(subject, since=since) as feed:
        await subject.publish(Placed(n=4))
        assert numbers(await feed.read()) == expected


@pytest.mark.parametrize(
    "had, resume, expected",
    [
        ("2", True, [3, 4, 5]),
        ("5", True, []),
        ("1", True, "gap"),  # the second is not kept any more
        ("6", True, "gap"),  # there was no sixth
        ("3", None, "gap"),  # resume=False
        ("other", True, "gap"),
        ("nonsense", True, "gap"),
    ],
)
@both
async def test_a_client_goes_on_where_it_was_or_is_told_of_a_gap(
    had: str, resume: bool | None, expected: list[int] | str
) -> None:
    """After an event that is kept it gets the rest, exactly; else a gap, and then what `since` says."""
    subject = orders(replay=3)
    epoch = subject._life.numbers.epoch
    await subject.publish_many([Placed(n=n) for n in range(1, 6)])
    asked = {"other": "0000000000-3", "nonsense": "\x00;drop"}.get(had, f"{epoch}-{had}")
    async with feed_of(subject, asked, resume=resume) as feed:
        subject.close()
        items = await read_to_end(feed)
    if expected == "gap":
        assert [(item.type, item.data) for item in items] == [("evenflow.gap", b'{"missed":null}')]
        assert items[0].id == f"{epoch}-5"
    else:
        assert numbers(items) == expected


@both
async def test_the_place_of_a_gap_is_where_it_begins() -> None:
    """Whoever is cut off right after the gap gets the same again, and no second gap."""
    subject = orders(replay=3)
    await subject.publish_many([Placed(n=n) for n in range(1, 6)])
    async with feed_of(subject, "nonsense", since="start") as feed:
        (gap,) = await feed.read() or ()
    async with feed_of(subject, gap.id) as feed:
        assert numbers(await feed.read()) == [3, 4, 5]


@both
async def test_a_subject_that_begins_anew_is_another_life() -> None:
    """After a restart the numbers begin again, and an old cursor is a gap, not another event."""
    subject = orders(replay=5)
    async with subject:
        async with feed_of(subject) as feed:
            await subject.publish(Placed(n=1))
            (item,) = await feed.read() or ()
    async with subject:
        await subject.publish_many([Placed(n=7), Placed(n=8)])
        async with feed_of(subject, item.id) as feed:
            assert [item.type for item in await feed.read() or ()] == ["evenflow.gap"]


class Tick(Event):
    """A price."""

    symbol: str
    n: int


@both
async def test_what_a_newer_event_of_its_key_replaced_is_no_gap() -> None:
    """With `replay_by` a client that comes back gets the newest of each key, as one that never left has."""
    subject = Subject(Tick, replay=1, replay_by=Tick.symbol, replay_keys=2)
    epoch = subject._life.numbers.epoch
    await subject.publish_many([Tick(symbol=s, n=n) for n, s in enumerate("abaab")])
    async with feed_of(subject, f"{epoch}-1") as feed:
        assert [item.id for item in await feed.read() or ()] == [f"{epoch}-4", f"{epoch}-5"]
    await subject.publish(Tick(symbol="c", n=9))  # "a" is evicted: its last event was the fourth
    for had, expected in (("4", ["Tick", "Tick"]), ("3", ["evenflow.gap"])):
        async with feed_of(subject, f"{epoch}-{had}") as feed:
            assert [item.type for item in await feed.read() or ()] == expected


@both
async def test_a_query_that_cannot_be_read_is_refused_and_a_header_is_not() -> None:
    """A bad address is the endpoint's or the page's mistake, and is told before anything begins."""
    subject = orders(replay=1)
    with pytest.raises(Refused, match="lastEventId"):
        Feed(subject, options(), strict("nonsense"))
    Feed(subject, options(), strict("0000000000-3"))  # of another life: a gap
    async with feed_of(subject, "nonsense") as feed:
        assert [item.type for item in await feed.read() or ()] == ["evenflow.gap"]


@pytest.mark.parametrize("make", [orders, lambda: State(0), lambda: stream([1]), lambda: share(stream([1]))])
@both
async def test_a_source_without_cursors_refuses_a_query_that_is_none(make: Callable[[], Any]) -> None:
    """Whatever the endpoint's source is; what was once an id of another source is of another life: a gap."""
    with pytest.raises(Refused, match="lastEventId"):
        Feed(make(), options(), strict("nonsense"))
    for once in ("0000000000-3", "orders.a1b2.3"):
        Feed(make(), options(), strict(once))


@both
async def test_the_table_of_ends() -> None:
    """Closed, closed with an error, left, left by an exception: what is over, and whether one should come back."""
    subject = orders()
    async with feed_of(subject) as feed:
        subject.close()
        assert await feed.read() is None
    assert feed.why == "closed"
    assert (word := feed.last_word()) is not None
    assert (word.id, word.type, word.data) == ("evenflow.end", "evenflow.end", b'{"error":null}')

    subject = orders()
    async with feed_of(subject) as feed:
        subject.close(LookupError("secret"))
        assert await feed.read() is None
    assert (word := feed.last_word()) is not None
    assert word.data == b'{"error":"LookupError"}'

    subject = orders()
    async with subject:
        feed = await feed_of(subject).__aenter__()
    assert await feed.read() is None
    assert (feed.why, feed.last_word()) == ("left", None)
    await feed.__aexit__(None, None, None)

    async with subject:
        feed = await feed_of(subject).__aenter__()
        subject.close()
    assert await feed.read() is None
    assert feed.why == "closed"
    await feed.__aexit__(None, None, None)


@both
async def test_what_is_buffered_comes_before_the_end() -> None:
    """Closing loses nothing."""
    subject = orders()
    async with feed_of(subject) as feed:
        await subject.publish(Placed(n=1))
        subject.close()
        assert numbers(await feed.read()) == [1]
        assert await feed.read() is None


@both
async def test_a_slow_client_gets_what_it_has_and_is_told_why() -> None:
    """Its full buffer costs no publisher a wait, and the others nothing."""
    subject = orders()
    async with feed_of(subject, buffer=2) as slow, feed_of(subject) as other:
        for n in range(1, 5):
            subject.publish_nowait(Placed(n=n))
        assert numbers(await slow.read()) == [1, 2]
        assert await slow.read() is None
        assert slow.why == "slow"
        assert (word := slow.last_word()) is not None
        assert (word.type, word.id) == ("evenflow.slow", None)
        assert numbers(await other.read()) == [1, 2, 3, 4]


@both
async def test_dropped_events_are_told_where_the_endpoint_drops() -> None:
    """With `overflow="drop_oldest"` a gap with its count stands where they were."""
    subject = orders()
    async with feed_of(subject, buffer=2, overflow="drop_oldest") as feed:
        await subject.publish_many([Placed(n=n) for n in range(1, 6)])
        gap, *rest = await feed.read() or ()
        assert (gap.type, gap.data) == ("evenflow.gap", b'{"missed":3}')
        assert numbers(rest) == [4, 5]


@both
async def test_a_conflated_client_gets_the_newest_of_each_key() -> None:
    """And is never too slow."""
    subject = Subject(Tick)
    async with feed_of(subject, conflate=Tick.symbol, buffer=2) as feed:
        await subject.publish_many([Tick(symbol=s, n=n) for n, s in enumerate("abab")])
        assert [item.data for item in await feed.read() or ()] == [b'{"symbol":"a","n":2}', b'{"symbol":"b","n":3}']


@both
async def test_idle_for_ping_seconds_is_told() -> None:
    """Nothing comes for a while: an empty tuple, and the reading goes on."""
    subject = orders()
    async with feed_of(subject, ping=15.0) as feed:
        await subject.publish(Placed(n=1))
        await feed.read()
        before = anyio.current_time()
        assert await feed.read() == ()
        assert anyio.current_time() - before == pytest.approx(15.0)
        await subject.publish(Placed(n=2))
        assert numbers(await feed.read()) == [2]


@both
async def test_a_client_learns_where_it_is_when_it_has_had_nothing() -> None:
    """After a second, and then with each ping, if events went by that it does not want."""
    subject = orders(replay=5)
    async with feed_of(subject, wants=(Shipped,)) as feed:
        await subject.publish(Placed(n=1))
        before = anyio.current_time()
        assert await feed.read() == ()
        assert anyio.current_time() - before == pytest.approx(1.0)
        place = feed.place()
        assert place is not None
        assert place.endswith("-1")
        assert feed.place() is None  # told already
        await subject.publish(Shipped(n=2))
        assert feed.place() is None  # one waits that it has not had
    async with feed_of(subject, place, wants=(Shipped,)) as feed:
        assert numbers(await feed.read()) == [2]


@both
async def test_a_client_that_gets_nothing_and_has_no_cursor_is_pinged_as_seldom_as_any() -> None:
    """It is asked where it is once, after a second: ten thousand idle clients cost next to nothing."""
    subject = orders()
    async with feed_of(subject, ping=15.0) as feed:
        before, times = anyio.current_time(), list[float]()
        for _ in range(3):
            assert await feed.read() == ()
            assert feed.place() is None
            times.append(anyio.current_time() - before)
        assert times == pytest.approx([1.0, 16.0, 31.0])


@both
async def test_its_lifetime_ends_it_even_while_events_come() -> None:
    """So that rights are asked again; the client may come back."""
    subject = orders()
    async with feed_of(subject, lifetime=5.0, ping=60.0) as feed:
        await subject.publish(Placed(n=1))
        await feed.read()
        before = anyio.current_time()
        assert await feed.read() is None
        assert anyio.current_time() - before == pytest.approx(5.0)
        assert (feed.why, feed.last_word()) == ("lifetime", None)


@both
async def test_stop_wakes_a_reader_that_waits() -> None:
    """It ends at once, and what is buffered is left to the next connection."""
    subject = orders()
    async with feed_of(subject) as feed, anyio.create_task_group() as tasks:
        tasks.start_soon(feed.read)
        await settle()
        feed.stop()
        await settle()
        await subject.publish(Placed(n=1))
        assert await feed.read() is None
        assert feed.why == "shutdown"


@both
async def test_a_send_that_hangs_is_given_up() -> None:
    """After `send_timeout`, or half a second after the process was told to end."""
    subject = orders()
    async with feed_of(subject, send_timeout=20.0) as feed:
        before = anyio.current_time()
        assert not await feed.send(anyio.sleep, 100)
        assert anyio.current_time() - before == pytest.approx(20.0)
        assert await feed.send(anyio.sleep, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed.send, anyio.sleep, 100)
            await anyio.sleep(3)
            before = anyio.current_time()
            feed.stop()
            await settle()
        assert anyio.current_time() - before == pytest.approx(0.5)


@both
async def test_what_where_raises_ends_this_client_alone() -> None:
    """It is the endpoint's mistake: logged, and the client may come back."""
    subject = orders()

    def broken(order: object) -> bool:
        raise ZeroDivisionError("secret")

    async with feed_of(subject, where=broken) as feed, feed_of(subject) as other:
        await subject.publish(Placed(n=1))
        assert await feed.read() is None
        assert (feed.why, feed.last_word()) == ("failed", None)
        assert numbers(await other.read()) == [1]


@both
async def test_a_state_gives_its_value_and_then_the_newest() -> None:
    """Without cursors; closing it is the end."""
    state = State(1)
    async with feed_of(state) as feed:
        assert [(item.type, item.data, item.id) for item in await feed.read() or ()] == [("int", b"1", None)]
        state.set(2)
        state.set(3)
        assert [item.data for item in await feed.read() or ()] == [b"3"]
        state.close()
        assert await feed.read() is None
        assert feed.why == "closed"


@both
async def test_an_async_generator_outlives_the_pings() -> None:
    """It is read in a task of its own, which no ping cancels; its end is the end."""

    async def slowly() -> AsyncIterator[Placed]:
        for n in range(3):
            await anyio.sleep(10)
            yield Placed(n=n)

    async with feed_of(slowly(), ping=3.0) as feed:
        assert numbers(await read_to_end(feed)) == [0, 1, 2]
        assert feed.why == "closed"


@both
async def test_a_stream_with_operators_and_a_shared_one() -> None:
    """Chains, and what `share()` returns; a failure is told by its class alone."""

    def fail(n: int) -> int:
        if n == 2:
            raise LookupError("secret")
        return n

    async with feed_of(interval(1).map(fail)) as feed:
        assert [item.data for item in await read_to_end(feed)] == [b"0", b"1"]
        assert (feed.why, feed.error) == ("closed", "LookupError")
    async with share(stream([Placed(n=1), Placed(n=2)]), replay=1) as shared, feed_of(shared) as feed:
        items = await read_to_end(feed)
        assert numbers(items)[-1] == 2
        assert items[-1].id is not None


@both
async def test_a_stream_that_another_one_reads_is_refused_at_once() -> None:
    """Before the response begins."""
    chain = interval(1)
    async with feed_of(chain):
        with pytest.raises(RuntimeError, match="share"):
            feed_of(chain)


@both
async def test_options_that_make_no_sense_are_refused_at_once() -> None:
    """Each with a message that says what would; nothing was subscribed to."""
    subject = orders()
    with pytest.raises(TypeError, match="choose events"):
        feed_of(State(1), where=lambda value: True)
    with pytest.raises(TypeError, match="source of events"):
        feed_of(17)
    with pytest.raises(ValueError, match="'now' or 'start'"):
        feed_of(subject, since=timedelta(1))
    with pytest.raises(ValueError, match="headers"):
        feed_of(subject, headers=("traceparent",))
    with pytest.raises(ValueError, match="buffer"):
        feed_of(subject, buffer=0)
    with pytest.raises(ValueError, match="overflow"):
        feed_of(subject, overflow="wait")
    with pytest.raises(ValueError, match="Tick"):
        feed_of(subject, wants=(Tick,))
    with pytest.raises(TypeError, match="conflate"):
        feed_of(subject, conflate=17)


@both
async def test_two_classes_with_one_wire_name_are_refused() -> None:
    """A client could not tell them apart."""

    class Other(Event, name="Placed"):
        n: int

    with pytest.raises(ValueError, match="wire name 'Placed'"):
        feed_of(Subject(Placed, Other))
    with pytest.raises(ValueError, match="wire name 'Placed'"):
        feed_of(Subject(Event), wants=(Placed | Other,))
    feed_of(Subject(Placed, Other), wants=(Placed,))  # of these, one alone


@both
async def test_a_feed_that_is_dropped_leaves_nothing() -> None:
    """A framework may drop what it reads without closing it: no subscription is left, and no warning."""
    subject = orders()
    feed = await feed_of(subject).__aenter__()
    assert subscriptions(subject) == 1
    del feed
    gc.collect()
    await settle()
    assert subscriptions(subject) == 0


@both
async def test_a_durable_subject_goes_on_from_its_log() -> None:
    """The cursor is the offset; the JSON is what was stored, byte by byte."""
    log = MemoryLog()
    subject = log.subject("orders", Placed, Shipped)
    async with log:
        offsets = [await subject.publish(Placed(n=n)) for n in range(1, 4)]
        async with feed_of(subject, str(offsets[0]), wants=(Placed,)) as feed:
            items = [*(await feed.read() or ())]
            while len(items) < 2:
                items += await feed.read() or ()
            assert [item.id for item in items] == [str(offset) for offset in offsets[1:]]
            assert numbers(items) == [2, 3]
            await subject.publish(Shipped(n=9))
            offset = await subject.publish(Placed(n=4))
            (item,) = await feed.read() or ()
            assert item.id == str(offset)


@both
async def test_a_durable_cursor_that_is_too_old_or_foreign_is_a_gap() -> None:
    """Too old by `resume`, of another log, of another subject, or of an event that is not there."""
    log = MemoryLog()
    subject = log.subject("orders", Placed)
    async with log:
        old = await subject.publish(Placed(n=1))
        await subject.publish(Placed(n=2))
        await anyio.sleep(100)
        await subject.publish(Placed(n=3))
        cases = [
            (str(old), timedelta(seconds=50), True),
            (str(old), timedelta(seconds=500), False),
            (f"orders.{old.lineage}.99", True, True),
            ("orders.foreign.1", True, True),
            (f"others.{old.lineage}.1", True, True),
            (str(old), None, True),
        ]
        for asked, resume, is_gap in cases:
            async with feed_of(subject, asked, resume=resume, since="start") as feed:
                items = await feed.read() or ()
                assert (items[0].type == "evenflow.gap") is is_gap, asked
        with pytest.raises(Refused):
            Feed(subject, options(), strict("others.x.1"))


@both
async def test_a_log_that_is_closed_only_ends_the_connection() -> None:
    """It is opened again, and the client goes on."""
    log = MemoryLog()
    subject = log.subject("orders", Placed)
    async with log:
        feed = await feed_of(subject).__aenter__()
    assert await feed.read() is None
    assert (feed.why, feed.last_word()) == ("left", None)
    await feed.__aexit__(None, None, None)
    with pytest.raises(RuntimeError, match="not open"):
        feed_of(subject)


@both
async def test_the_log_is_the_buffer_of_a_slow_reader() -> None:
    """With a buffer of two it gets all of a hundred events, and nobody waited for it."""
    log = MemoryLog()
    subject = log.subject("orders", Placed)
    async with log, feed_of(subject, buffer=2) as feed:
        await subject.publish_many([Placed(n=n) for n in range(100)])
        items: list[object] = []
        while len(items) < 100:
            items += await feed.read() or ()
        assert numbers(items) == [*range(100)]


@both
async def test_headers_of_durable_events_come_only_if_named() -> None:
    """Nothing of what a publisher keeps beside an event reaches a client by itself."""
    log = MemoryLog()
    subject = log.subject("orders", Placed)
    async with log, feed_of(subject) as plain, feed_of(subject, headers=("traceparent",)) as named:
        await subject.publish(Placed(n=1), headers={"traceparent": "00-ab", "secret": "s"})
        (item,) = await plain.read() or ()
        assert b"00-ab" not in item.block
        assert "secret" not in item.frame
        (item,) = await named.read() or ()
        assert item.headers == {"traceparent": "00-ab"}
        assert b'data: {"headers":{"traceparent":"00-ab"},"data":{"n":1,"region":"eu"}}\n' in item.block


@both
async def test_cancelled_anywhere_it_loses_no_event_and_leaves_nothing() -> None:
    """A read that is cancelled after any number of turns leaves the event for the next read."""
    for turns in range(6):
        subject = orders()
        async with feed_of(subject) as feed:
            async with anyio.create_task_group() as tasks:
                got: list[object] = []

                async def read(feed: Feed = feed, got: list[object] = got) -> None:
                    got += await feed.read() or ()

                tasks.start_soon(read)
                for turn in range(turns):
                    if turn == 3:
                        subject.publish_nowait(Placed(n=1))
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            if turns <= 3:
                subject.publish_nowait(Placed(n=1))
            assert numbers(got or await feed.read()) == [1]
        assert subscriptions(subject) == 0
