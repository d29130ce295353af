"""Groups as a whole: what they are, where they stand, what is done to them from outside."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow._errors import LeaseLost
from evenflow.log import _claiming, _desk
from evenflow.log._desk import Claimed
from evenflow.log._stored import Change
from evenflow.testing._memory_store import MemoryStore
from tests.testing.kit import both

from .kit import KNOWN, SUBJECT, Noted, Placed, Shipped, ns, process, spec, taken

GROUP = f"group/{SUBJECT}/g"


@both
async def test_a_group_is_what_its_first_reader_said() -> None:
    """A reader that asks otherwise is refused with both, unless it redefines the group for what is claimed from then on."""
    store = MemoryStore()
    async with process(store) as one:
        async with one.deliveries("g", Placed, where=Placed.n > 1):
            pass
        for other in (
            one.deliveries("g", Placed),
            one.deliveries("g", Shipped),
            one.deliveries("g", Placed, ordered_by=()),
        ):
            with pytest.raises(ValueError, match=r"g of orders.*|Placed where Placed.n > 1") as refused:
                await other.__aenter__()
            assert "Placed where Placed.n > 1" in str(refused.value)
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries("g", Placed, where=Placed.n > 1) as older:
            await anyio.sleep(2)
            async with one.deliveries("g", Placed, redefine=True) as deliveries:
                await one.publish(Placed(n=0))
                await anyio.sleep(2)
                with pytest.raises(LogError, match="redefined"):
                    await taken(older)
                assert sorted(ns(await taken(deliveries))) == [0, 2]
        assert (await one.statistics()).members == 0


def test_a_condition_is_written_out_whole() -> None:
    """Two conditions that differ only in the middle of a long value are two groups."""
    one, two = (spec("g", Placed, where=Placed.customer == "x" * 300 + end + "x" * 300) for end in "ab")
    assert one.definition != two.definition
    assert (
        spec("g", Placed, where=(Placed.n > 1) & ~(Placed.n == 5)).definition.where
        == "(Placed.n > 1) & (~(Placed.n == 5))"
    )


@pytest.mark.parametrize(
    "options, error",
    [
        ({"where": lambda event: True}, TypeError),
        ({"ack_wait": 0}, ValueError),
        ({"ack_wait": float("inf")}, ValueError),
        ({"ack_wait": "1"}, TypeError),
        ({"max_attempts": 0}, ValueError),
        ({"on_dead": "stop"}, ValueError),
        ({"undecodable_after": "1"}, TypeError),
        ({"buffer": 0}, ValueError),
        ({"name": 1}, TypeError),
    ],
)
def test_nonsense_is_refused_where_it_is_written(options: dict[str, Any], error: type[Exception]) -> None:
    """A wrong argument raises at once, with its name or the way out in the message."""
    with pytest.raises(error, match=next(iter(options))):
        spec("g", Placed, **options)
    with pytest.raises(ValueError, match="group"):
        spec("no/name", Placed)


@both
async def test_where_a_group_begins_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """since counts when the group is made, and is logged with the number and age of what is before it."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        await anyio.sleep(60)
        with caplog.at_level(logging.INFO, "evenflow.groups"):
            async with one.deliveries(since="now") as deliveries:
                await one.publish(Placed(n=3))
                assert ns(await taken(deliveries)) == [3]
        assert "2 events are before that, the oldest 0:01:00 old" in caplog.text
        caplog.clear()
        async with one.deliveries(since="start") as deliveries:
            assert ns(await taken(deliveries)) == [3]
        assert "is made" not in caplog.text


@both
async def test_the_position_passes_what_is_not_wanted_and_a_restart_does_not_read_it_again() -> None:
    """A group that wants none of the new events has no backlog, and goes on behind them."""
    store = MemoryStore()
    async with process(store) as one:
        async with one.deliveries("g", Placed) as deliveries:
            await one.publish(*(Noted(n=n) for n in range(50)))
            assert await taken(deliveries, 3) == []
            numbers = await one.statistics()
            assert (numbers.position.seq, numbers.due, numbers.oldest_due) == (50, 0, None)
        async with one.deliveries("h", Placed):
            await one.publish(Noted(n=1))
            await anyio.sleep(0.1)
        assert (await one.statistics("h")).position.seq == 51
        assert one.decoded == []
        assert one.heartbeat.pages == set(), "what was looked for in vain is kept"


@both
async def test_a_position_that_lags_far_behind_is_stored_at_once() -> None:
    """Past a thousand unwanted events a process that is killed has nothing to read again."""
    async with process() as one:
        async with one.deliveries("g", Placed):
            await anyio.sleep(2.5)
            await one.publish(*(Noted(n=n) for n in range(1_500)))
            await anyio.sleep(0.01)
            assert (await one.statistics()).position.seq == 1_500
            await one.publish(Noted(n=1))
            await anyio.sleep(0.01)
            assert (await one.statistics()).position.seq == 1_500


@both
async def test_a_paused_group_fetches_nothing_until_it_goes_on_also_after_a_restart() -> None:
    """What was fetched goes on; new events and retries wait for resume."""
    store = MemoryStore()
    async with process(store) as one:
        async with one.deliveries(retry_after=1) as deliveries:
            await one.publish(Placed(n=1))
            (first,) = await taken(deliveries)
            await one.groups.pause("g")
            await one.publish(Placed(n=2))
            await first.retry()
            assert await taken(deliveries, 20) == []
    async with process(store) as two:
        async with two.deliveries() as deliveries:
            assert await taken(deliveries, 20) == []
            assert (await two.statistics()).paused
            await two.groups.resume("g")
            assert sorted(ns(await taken(deliveries))) == [1, 2]


@both
async def test_seek_moves_a_group_and_leaves_what_is_in_hand() -> None:
    """Back, events come again; forward, they are passed; what was received may still be settled."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(1, 7)))
        async with one.deliveries(buffer=1, ack_wait=1_000) as deliveries:
            first = await deliveries.receive()
            await one.groups.seek("g", 4)
            rest = await taken(deliveries)
            assert ns(rest) in ([5, 6], [2, 5, 6])
            await first.ack()
            for delivery in rest:
                await delivery.ack()
            await one.groups.seek("g", 0)
            assert ns(await taken(deliveries)) == [1, 2, 3, 4, 5, 6]


@both
async def test_a_deleted_group_is_forgotten_and_its_readers_are_told() -> None:
    """Nothing of it is left; a group of this name begins anew."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(4)))
        async with one.deliveries("g", Placed, ordered_by=(), buffer=1) as deliveries:
            await (await deliveries.receive()).reject("no")
            await (await deliveries.receive()).retry(after=500)
            await one.groups.delete("g")
            for _ in range(2):  # each read has an exception of its own, and its class is a public one
                with pytest.raises(LogError, match="deleted") as caught:
                    await taken(deliveries, 5)
                assert type(caught.value) is LogError
                assert not hasattr(caught.value, "__notes__")
                caught.value.add_note("mine")
        assert not one.records()
        async with one.deliveries("g", Placed) as deliveries:
            held = await deliveries.receive()
            await one.groups.delete("g")
            with pytest.raises(LeaseLost):
                await held.retry()
        assert not one.records()
        for change in (one.groups.delete, one.groups.pause, one.groups.resume):
            with pytest.raises(ValueError, match="no group 'g'"):
                await change("g")
        async with one.deliveries("g") as deliveries:
            assert ns(await taken(deliveries)) == [0, 1, 2, 3]


@both
async def test_statistics_count_what_is_due_and_its_age_is_that_of_the_oldest_due() -> None:
    """A retry that is due later is no backlog; what is in hand is counted apart."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(6)))
        async with one.deliveries(buffer=1, ack_wait=1_000) as deliveries:
            first, second, third = [await deliveries.receive() for _ in range(3)]
            await first.reject("no")
            await second.retry(after=100)
            await anyio.sleep(10)
            numbers = await one.statistics()
            assert numbers.wants == "everything"
            assert (numbers.due, numbers.in_hand, numbers.retrying, numbers.dead, numbers.members) == (2, 2, 1, 1, 1)
            assert numbers.oldest_due == timedelta(seconds=10)
            assert not third._is_lost


@both
async def test_what_nobody_can_read_waits_uncounted_for_a_newer_member_and_holds_up_nothing() -> None:
    """During a rolling deploy an old process gives back what it cannot read; the new one handles it with attempt 1."""
    store = MemoryStore()
    async with process(store, known={"Placed": Placed}) as old:
        await old.publish(Shipped(n=1), Placed(n=2))
        async with old.deliveries(ack_wait=1_000) as deliveries:
            (first,) = await taken(deliveries, 60)
            assert first.event.n == 2
            assert len(old.decoded) < 12, "it is read again and again"
            await first.ack()
            async with process(store) as new:
                async with new.deliveries(ack_wait=1_000) as newer:
                    (again,) = await taken(newer, 900)
                    assert (again.event, again.attempt) == (Shipped(n=1), 1)


@both
@pytest.mark.parametrize("ordered", [True, False])
async def test_what_nobody_can_read_for_long_is_a_dead_letter(ordered: bool) -> None:
    """After undecodable_after it is given up, with its data, whatever is wrong with it."""
    async with process() as one:
        options: dict[str, Any] = {"ordered_by": Placed.customer} if ordered else {}
        seq = await one.publish_broken()
        await one.publish(Placed(n=2))
        async with one.deliveries("g", Placed, undecodable_after=100, ack_wait=1_000, **options) as deliveries:
            for delivery in await taken(deliveries, 99):
                await delivery.ack()
            assert await one.dead() == []
            await anyio.sleep(3)
            ((dead, attempts, error),) = await one.dead()
            assert (dead, attempts) == (seq, 0)
            assert "cannot be read" in error
            (letter,) = await one.groups.dead_letters("g").to_list()
            assert (letter.event, letter.type, letter.data) == (None, "Placed", b'{"n": "?"}')


@both
async def test_a_dead_letter_outlives_its_event_and_is_redriven_from_its_copy() -> None:
    """What retention has removed from the subject can still be sent out again, and is gone once acknowledged."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2), Placed(n=3))
        async with one.deliveries(max_attempts=1, retry_after=1) as deliveries:
            for delivery in await taken(deliveries):
                await delivery.retry()
            assert [seq for seq, *_ in await one.dead()] == [1, 2, 3]
            await one.engine.trim(SUBJECT, 3, 10)
            assert await one.groups.redrive("g", "all", where=Placed.n > 1, limit=1) == 1
            assert [seq for seq, *_ in await one.dead()] == [1, 3]
            (again,) = await taken(deliveries)
            assert (again.event.n, again.attempt) == (2, 1)
            await again.retry()
            assert [seq for seq, *_ in await one.dead()] == [1, 2, 3]
            assert await one.groups.redrive("g", [2, 9]) == 1
            await (await deliveries.receive()).ack()
            assert await one.groups.discard("g", "all") == 2
        assert list(one.records()) == [GROUP]


@both
async def test_what_retention_took_before_it_was_handled_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """An event that is gone is passed, and a warning says so: never silently."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries(retry_after=10) as deliveries:
            await (await deliveries.receive()).retry()
            await (await deliveries.receive()).ack()
            await one.engine.trim(SUBJECT, 2, 10)
            assert await taken(deliveries, 20) == []
            assert "retention has removed 1 event that group g of orders had still to handle: [1]" in caplog.text
            await one.groups.pause("g")
            await one.publish(Placed(n=3))
            await one.engine.trim(SUBJECT, 3, 10)
            await one.groups.resume("g")
            await anyio.sleep(5)
            assert "before group g had them: those between 2 and 3" in caplog.text
        assert list(one.records()) == [GROUP]


@both
async def test_retention_is_told_what_a_group_still_needs() -> None:
    """Up to settled_through everything was handled: the least of position, hand, retry and lane."""
    async with process() as one:
        assert await one.groups.settled_through() is None
        await one.publish(*(Placed(n=n) for n in range(5)))
        async with one.deliveries("g", Placed, ordered_by=(), buffer=2, ack_wait=1_000) as deliveries:
            await (await deliveries.receive()).ack()
            second = await deliveries.receive()
            assert await one.groups.settled_through() == 1
            await second.retry(after=50)
            assert await one.groups.settled_through() == 1
            await anyio.sleep(51)
            await (await deliveries.receive()).reject("no")
            assert await one.groups.settled_through() == 2
            await (await deliveries.receive()).ack()
            assert await one.groups.redrive("g", "all") == 1
            again = await deliveries.receive()
            while again.event.n != 1:
                await again.ack()
                again = await deliveries.receive()
            through = await one.groups.settled_through()
            assert through is not None
            assert through >= 3, "what is redriven has a copy of its own"


@both
async def test_a_process_that_is_silent_loses_its_events_and_cannot_settle_them() -> None:
    """A process that was stopped for longer than ack_wait goes on, and is told that its events went out again."""
    store = MemoryStore()
    async with process(store) as silent, process(store) as other:
        await silent.publish(Placed(n=1), Placed(n=2))
        async with silent.deliveries(ack_wait=5, buffer=2) as mine:
            delivery = await mine.receive()
            async with delivery:
                # a stopped process says nothing, fetches nothing, and does not look
                silent.engine.beat = lambda: None  # type: ignore[method-assign]
                member: Any = mine._member
                reclaim = member._settlements.settler.reclaim

                async def stopped(_: Any, **__: Any) -> Claimed:
                    return Claimed()

                member._settlements.settler.reclaim = member._desk.claim = stopped
                async with other.deliveries(ack_wait=5) as deliveries:
                    found = await taken(deliveries, 8)
                    assert sorted((each.event.n, each.attempt) for each in found) == [(1, 2), (2, 1)]
                    member._settlements.settler.reclaim = reclaim
                    await anyio.sleep(2)
                    assert await taken(mine) == [], "the fetched one is another's"
                    with pytest.raises(LeaseLost):
                        await delivery.ack()
                    for each in found:
                        await each.ack()
        assert list(silent.records()) == [GROUP]


@both
async def test_max_attempts_and_on_dead_are_the_newest_members(caplog: pytest.LogCaptureFixture) -> None:
    """A newer member's limit holds for all, and the change is logged."""
    store = MemoryStore()
    async with process(store) as one, process(store) as two:
        async with one.deliveries(max_attempts=5) as old, two.deliveries(max_attempts=1):
            assert "max_attempts 1, which was 5" in caplog.text
            await one.publish(Placed(n=1), Placed(n=2))
            for delivery in [*await taken(old), *await taken(old)]:
                await delivery.retry()
        assert json.loads(store.load([GROUP], None)[GROUP].value)["max_attempts"] == 1


@both
async def test_a_condition_that_raises_makes_a_dead_letter_and_stops_nobody() -> None:
    """An event whose field cannot be asked is the event's fault."""

    class Odd(Placed):
        @property
        def broken(self) -> int:
            raise ZeroDivisionError

    async with process(known={**KNOWN, "Placed": Odd}) as one:
        await one.publish(Placed(n=1))
        asks = spec("g", Placed, where=Placed.n > 0)
        object.__setattr__(asks, "condition", lambda event: event.broken)
        async with one.groups.deliveries(asks) as deliveries:
            assert await taken(deliveries, 3) == []
        ((seq, attempts, error),) = await one.dead()
        assert (seq, attempts) == (1, 0)
        assert "ZeroDivisionError" in error


@both
async def test_a_log_that_fails_is_asked_again_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A reader waits while its log fails, and goes on by itself."""
    async with process() as one:
        async with one.deliveries() as deliveries:
            read, broken = one.engine.read, True

            async def failing(*args: Any, **options: Any) -> Any:
                if broken:
                    raise LogError("no server")
                return await read(*args, **options)

            one.engine.read = failing  # type: ignore[method-assign]
            await one.publish(Placed(n=1))
            assert await taken(deliveries, 60) == []
            broken = False
            assert ns(await taken(deliveries, 31)) == [1]
        assert caplog.text.count("no server") == 1


@both
async def test_closing_the_log_ends_its_readers_and_gives_all_back() -> None:
    """Whoever reads gets the end; what was not settled is there for the next process, uncounted."""
    store = MemoryStore()
    async with process(store) as one:
        await one.publish(Placed(n=1), Placed(n=2))
        deliveries = one.deliveries()
        await deliveries.__aenter__()
        await deliveries.receive()
        await one.groups.close()
        with pytest.raises(anyio.EndOfStream):
            await deliveries.receive()
        await deliveries.aclose()
    async with process(store) as two:
        async with two.deliveries() as again:
            assert sorted((each.event.n, each.attempt) for each in await taken(again)) == [(1, 1), (2, 1)]


@both
async def test_reading_needs_an_entered_reader_which_is_entered_once() -> None:
    """Deliveries are read inside async with; after it they are closed."""
    async with process() as one:
        deliveries = one.deliveries()
        with pytest.raises(RuntimeError, match="async with"):
            await deliveries.receive()
        async with deliveries:
            with pytest.raises(RuntimeError, match="once"):
                await deliveries.__aenter__()
        with pytest.raises(anyio.ClosedResourceError):
            await deliveries.receive()
        assert repr(deliveries).startswith("<Deliveries g of group g wants everything")


@both
async def test_a_process_that_was_stopped_hands_nothing_over_that_is_anothers_by_now() -> None:
    """After a silence longer than ack_wait a reader looks whether its pages are its own before it hands over from them."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(6)))
        async with one.deliveries(ack_wait=5, buffer=3) as deliveries:
            member: Any = deliveries._member
            await anyio.sleep(0.1)
            (page,) = member._settlements.pages.values()
            await one.engine.commit(Change(deletes=[member._desk.keys.page + page.id]))
            one.heartbeat._heard -= 6  # as if nothing had run for six seconds
            with pytest.raises(anyio.WouldBlock):
                deliveries._pull_nowait()
            assert ns(await taken(deliveries, 3)) == [3, 4, 5]
            await one.publish(Placed(n=6), Placed(n=7))
            await anyio.sleep(0.1)
            one.heartbeat._heard -= 6
            batches = deliveries.batches(2)
            assert ns(list(await batches.receive())) == [6, 7], "its own are handed over once it has looked"


@both
async def test_a_group_in_which_too_much_waits_behind_keys_fetches_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits behind a held key is bounded; beyond it nothing new is fetched, which is said once, until it is less."""
    monkeypatch.setattr(_claiming, "MOST_WAITING", 5)
    monkeypatch.setattr(_desk, "MOST_WAITING", 5)
    async with process() as one:
        options: dict[str, Any] = {"ordered_by": Placed.customer, "on_dead": "hold_key", "ack_wait": 1_000}
        async with one.deliveries("g", Placed, **options) as deliveries:
            await one.publish(Placed(n=0, customer="a"))
            await (await deliveries.receive()).reject("no")
            await one.publish(*(Placed(n=n, customer="a") for n in range(1, 8)), Placed(n=8, customer="b"))
            await anyio.sleep(5)
            await one.publish(Placed(n=9, customer="b"))
            assert await taken(deliveries, 20) == []
            assert caplog.text.count("fetches no more") == 1
            assert (await one.statistics()).position.seq == 6
            await one.groups.discard("g", "all")
            found = []
            with anyio.move_on_after(20):
                async for delivery in deliveries:
                    found.append(delivery.event.n)
                    await delivery.ack()
            assert sorted(found) == list(range(1, 10))
        assert list(one.records()) == [GROUP]
        assert one.records()[GROUP]["waiting"] == 0
