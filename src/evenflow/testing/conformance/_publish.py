"""Publishing to a log: what is stored, under which offset and id, and what is refused with nothing stored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from evenflow.log import Offset
from evenflow.testing.conformance._kit import (
    BigOrdered,
    Maker,
    Ordered,
    Shipped,
    numbers,
    on_every_log,
    on_every_log_in_real_time,
)

if TYPE_CHECKING:
    from evenflow.log import DurableSubject


async def stored(subject: DurableSubject[Any]) -> list[int]:
    """The numbers of all stored events."""
    return numbers([record.event for record in await subject.read().to_list()])


@on_every_log
async def test_offsets_grow_in_the_order_of_publishing_and_survive_as_text(make: Maker) -> None:
    """Each publish returns a greater offset, and the text of an offset is read back as the same."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        offsets = [await orders.publish(Ordered(n=n)) for n in range(3)]
        assert offsets == sorted(offsets)
        assert len(set(offsets)) == 3
        assert [Offset.parse(str(offset)) for offset in offsets] == offsets
        assert await orders.end() == offsets[-1]


@on_every_log
async def test_what_was_published_is_there_when_the_log_is_opened_again(make: Maker) -> None:
    """An event, its id, its headers and its time are the same after a restart."""
    log = make()
    orders = log.subject("orders", Ordered, Shipped)
    async with log:
        offset = await orders.publish(Ordered(n=1, region="us"), id="order-1", headers={"traceparent": "00-ab"})
        await orders.publish(Shipped(n=2))
        before = await orders.read().to_list()
    again = make()
    async with again:
        after = await again.subject("orders", Ordered, Shipped).read().to_list()
    assert [record.event for record in after] == [Ordered(n=1, region="us"), Shipped(n=2)]
    assert (after[0].offset, after[0].id, dict(after[0].headers)) == (offset, "order-1", {"traceparent": "00-ab"})
    assert [(r.offset, r.id, r.published_at) for r in after] == [(r.offset, r.id, r.published_at) for r in before]
    assert after[0].published_at <= after[1].published_at
    assert str(after[0].published_at.tzinfo) == "UTC"


@on_every_log
async def test_one_id_is_one_event(make: Maker) -> None:
    """The second publish of an id stores nothing and returns the first's offset, also after a restart."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        first = await orders.publish(Ordered(n=1), id="a")
        assert await orders.publish(Ordered(n=1), id="a", headers={"other": "header"}) == first
        assert await orders.publish_many([Ordered(n=1), Ordered(n=2)], id=lambda order: "ab"[order.n - 1]) == [
            first,
            await orders.end(),
        ]
    async with log:
        assert await orders.publish(Ordered(n=1), id="a") == first
        assert await stored(orders) == [1, 2]


@on_every_log
async def test_an_id_with_other_data_is_refused_and_nothing_is_stored(make: Maker) -> None:
    """The same id with another event is a ValueError that names the id."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1), id="a")
        with pytest.raises(ValueError, match="'a'"):
            await orders.publish(Ordered(n=2), id="a")
        with pytest.raises(ValueError, match="'a'"):
            await orders.publish(BigOrdered(n=1), id="a")
        with pytest.raises(ValueError, match="'a'"):
            await orders.publish_many([Ordered(n=5), Ordered(n=2)], id=lambda order: "a" if order.n == 2 else "b")
        assert await stored(orders) == [1]


@on_every_log
async def test_ids_of_two_subjects_are_different(make: Maker) -> None:
    """An id is one event of its subject, and says nothing of another subject."""
    log = make()
    one, other = log.subject("one", Ordered), log.subject("other", Ordered)
    async with log:
        first, second = await one.publish(Ordered(n=1), id="a"), await other.publish(Ordered(n=2), id="a")
        assert first.subject == "one"
        assert second.subject == "other"
        assert await stored(one) == [1]
        assert await stored(other) == [2]
        with pytest.raises(ValueError, match=r"one|other"):
            _ = first < second


@pytest.mark.parametrize(
    "options, words",
    [
        ({"id": ""}, "empty"),
        ({"id": "x" * 300}, "256"),
        ({"id": "a\nb"}, "character"),
        ({"headers": {"Bad Name": "x"}}, "header"),
        ({"headers": {"type": "x"}}, "reserved"),
        ({"headers": {"a": "x\r\ny"}}, "character"),
    ],
)
@on_every_log
async def test_nonsense_is_refused_and_nothing_is_stored(make: Maker, options: Any, words: str) -> None:
    """Ids and headers that cannot travel are refused where they are given."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(ValueError, match=words):
            await orders.publish(Ordered(n=1), **options)
        assert await stored(orders) == []


@on_every_log
async def test_what_is_none_of_the_classes_is_refused(make: Maker) -> None:
    """Publishing another class is a TypeError that names the subject and what it takes."""
    log = make()
    orders: Any = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(TypeError, match=r"orders.*Ordered.*Shipped"):
            await orders.publish(Shipped(n=1))
        with pytest.raises(TypeError, match="orders"):
            await orders.publish(Ordered)
        assert await stored(orders) == []


@on_every_log
async def test_an_event_that_is_too_large_is_refused(make: Maker) -> None:
    """Beyond ``max_event_bytes`` a publish is a ValueError with both numbers."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(ValueError, match="1,048,576"):
            await orders.publish(Ordered(n=1, region="x" * 2**20))
        assert await stored(orders) == []


@on_every_log
async def test_a_cancelled_publish_in_a_cancelled_scope_stores_nothing(make: Maker) -> None:
    """A publish in a scope that was cancelled before raises, and the event is not stored."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await orders.publish(Ordered(n=1))
        assert scope.cancelled_caught
        assert await stored(orders) == []


@on_every_log
async def test_publish_many_draws_in_order_and_returns_every_offset(make: Maker) -> None:
    """More events than one commit takes come out in order, each with its offset."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(2_500))
        assert len(set(offsets)) == 2_500
        assert offsets == sorted(offsets)
        assert await stored(orders) == list(range(2_500))


@on_every_log
async def test_publish_many_keeps_what_went_before_the_refused_event(make: Maker) -> None:
    """An event that is refused ends the call; whole commits before it stay, the one with it does not."""
    log = make()
    orders: Any = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(TypeError):
            await orders.publish_many([*(Ordered(n=n) for n in range(1_500)), Shipped(n=1)])
        assert await stored(orders) == list(range(1_000))


@on_every_log
async def test_a_closed_log_says_how_to_open_it(make: Maker) -> None:
    """Before it is opened and after it was closed every use is a RuntimeError with the way out."""
    log = make()
    orders = log.subject("orders", Ordered)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="async with"):
            await orders.publish(Ordered(n=1))
        with pytest.raises(RuntimeError, match="async with"):
            orders.subscribe()
        with pytest.raises(RuntimeError, match="async with"):
            await orders.end()
        async with log:
            with pytest.raises(RuntimeError, match="once at a time"):
                await log.start()


@on_every_log_in_real_time
async def test_a_thread_publishes_and_gets_the_offset(make: Maker) -> None:
    """``publish_from_thread`` stores the event in the log's loop; in that loop itself it is refused."""
    log = make()
    orders = log.subject("orders", Ordered)
    found: list[Offset] = []
    async with log:
        thread = threading.Thread(target=lambda: found.append(orders.publish_from_thread(Ordered(n=1), id="a")))
        with pytest.raises(RuntimeError, match="await publish"):
            orders.publish_from_thread(Ordered(n=1))
        thread.start()
        while thread.is_alive():
            await anyio.lowlevel.checkpoint()
        thread.join()
        assert found == [await orders.end()]
        assert await stored(orders) == [1]


@on_every_log
async def test_one_id_for_many_events_is_refused(make: Maker) -> None:
    """``id`` of ``publish_many`` is a function of the event, which the error says."""
    no_function: Any = "a"
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(TypeError, match="must be a function"):
            await orders.publish_many([Ordered(n=1)], id=no_function)
        assert await orders.read().to_list() == []


@on_every_log
async def test_an_id_function_that_gives_none_is_refused(make: Maker) -> None:
    """Without an id an import that is run again would store everything twice."""
    gives_none: Any = dict[Ordered, str]().get
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(TypeError, match="made None"):
            await orders.publish_many([Ordered(n=1)], id=gives_none)
        assert await orders.read().to_list() == []
