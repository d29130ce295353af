"""Section 2, replay: a new subscription gets the history first, then what is live, with no hole and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from .kit import (
    Order,
    Shipped,
    Subject,
    Tick,
    balanced,
    both,
    fill,
    group,
    numbers,
    publishing,
    read_all,
    settle,
    take_all,
)


@both
async def test_a_new_subscription_gets_the_last_events_then_what_is_live() -> None:
    """It gets the last three, then live events, with no hole and nothing twice."""
    subject = Subject(Order, replay=3)
    fill(subject, 5)
    subscription = subject.subscribe(Order)
    fill(subject, 2, 5)
    assert numbers(take_all(subscription)) == [2, 3, 4, 5, 6]


@both
async def test_a_replay_longer_than_the_buffer_arrives_whole() -> None:
    """A subscription with a buffer of one gets a hundred events of history and the live ones after them."""
    subject = Subject(Order, replay=100)
    fill(subject, 100)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1, 100)
    assert numbers(take_all(subscription)) == list(range(101))
    balanced(subscription)


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "drop_newest", "disconnect"])
@both
async def test_the_replay_is_never_dropped(overflow: Any) -> None:
    """Whichever policy applies to the buffer, no event of the replay is dropped."""
    subject = Subject(Order, replay=5)
    fill(subject, 5)
    subscription = subject.subscribe(Order, buffer=1, overflow=overflow)
    for n in range(5, 8):
        try:
            subject.publish_nowait(Order(n=n))
        except anyio.WouldBlock:
            assert overflow == "block"
    assert [subscription.receive_nowait().n for _ in range(5)] == [0, 1, 2, 3, 4]
    assert subscription.receive_nowait().n == (7 if overflow == "drop_oldest" else 5)


@both
async def test_the_replay_is_never_conflated() -> None:
    """Events of the replay are replaced neither by each other nor by live events."""
    subject = Subject(Tick, replay=3)
    for price in range(3):
        await subject.publish(Tick(symbol="a", price=price))
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    await subject.publish(Tick(symbol="a", price=3))
    await subject.publish(Tick(symbol="a", price=4))
    assert [tick.price for tick in take_all(subscription)] == [0, 1, 2, 4]
    balanced(subscription)


@both
async def test_a_new_subscription_gets_those_of_the_last_events_that_it_wants() -> None:
    """The last three of all events are kept; a subscription gets those of them that it wants."""
    subject = Subject(Order, Shipped, replay=3)
    for n in range(6):
        await subject.publish(Order(n=n) if n % 2 else Shipped(n=n))
    assert numbers(take_all(subject.subscribe(Order))) == [3, 5]
    assert numbers(take_all(subject.subscribe(Order, where=Order.n > 3))) == [5]
    assert numbers(take_all(subject.subscribe(Order, where=lambda event: event.n < 4))) == [3]
    assert numbers(take_all(subject.subscribe())) == [3, 4, 5]


@both
async def test_replay_false_gets_no_history() -> None:
    """`subscribe(replay=False)` gets live events only."""
    subject = Subject(Order, replay=3)
    fill(subject, 3)
    subscription = subject.subscribe(Order, replay=False)
    fill(subject, 1, 3)
    assert numbers(take_all(subscription)) == [3]


@pytest.mark.parametrize(
    "replay, expected", [(True, [1, 3, 5]), (2, [3, 5]), (1, [5]), (3, [1, 3, 5]), (9, [1, 3, 5]), (0, []), (False, [])]
)
@pytest.mark.parametrize("closed", [False, True])
@both
async def test_replay_is_how_many_of_what_it_wants(replay: Any, expected: list[int], closed: bool) -> None:
    """`subscribe(replay=2)` gets the last two events that it wants of those kept, and what is live; closed, the end."""
    subject = Subject(Order, replay=6)
    for n in range(7):
        subject.publish_nowait(Order(n=n, region="eu" if n % 2 else "us"))
    if closed:
        subject.close()
    subscription = subject.subscribe(Order, where=Order.region == "eu", replay=replay)
    assert subscription.statistics().wanted == len(expected)
    if closed:
        assert numbers(await read_all(subscription)) == expected
    else:
        fill(subject, 1, 7)
        assert numbers(take_all(subscription)) == [*expected, 7]


@both
async def test_replay_counts_the_last_over_all_keys() -> None:
    """With `replay_by` they are the last ones in the order in which they were published."""
    subject = Subject(Tick, replay=1, replay_by=Tick.symbol)
    for symbol in "abcab":
        await subject.publish(Tick(symbol=symbol, price=1))
    assert [tick.symbol for tick in take_all(subject.subscribe(Tick, replay=2))] == ["a", "b"]


@pytest.mark.parametrize("replay, error", [(-1, ValueError), ("x", TypeError), (1.5, TypeError), (None, TypeError)])
@both
async def test_what_is_no_number_of_events_is_refused(replay: Any, error: type[Exception]) -> None:
    """With the value in the message, and nothing is subscribed."""
    subject = Subject(Order, replay=3)
    with pytest.raises(error, match=rf"replay must be .*{replay!r}.*True is all"):
        subject.subscribe(replay=replay)
    assert subject.statistics().subscriptions == ()


@both
async def test_replay_is_a_snapshot_of_the_call() -> None:
    """What is published after `subscribe` does not change the replay."""
    subject = Subject(Order, replay=2)
    fill(subject, 2)
    subscription = subject.subscribe(Order)
    fill(subject, 10, 2)
    assert numbers(take_all(subscription)) == list(range(12))


@both
async def test_what_nobody_wanted_is_kept_too() -> None:
    """An event is kept for the replay even if there was no subscriber."""
    subject = Subject(Order, replay=2)
    assert await subject.publish(Order(n=0)) == 0
    assert numbers(take_all(subject.subscribe(Order))) == [0]


@both
async def test_a_publish_that_did_not_happen_is_not_replayed() -> None:
    """A publish that waits, is cancelled or would block is not in the history."""
    subject = Subject(Order, replay=5)
    full = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=1))
    async with group() as tasks:
        await publishing(tasks, subject, Order(n=2))
        assert numbers(take_all(subject.subscribe(Order))) == [0]
    assert numbers(take_all(subject.subscribe(Order))) == [0]
    assert full.statistics().waiting == 1


@both
async def test_a_newcomer_during_a_waiting_publish_gets_it_once() -> None:
    """An event whose publish waits during `subscribe` arrives once, not as replay and again live."""
    subject = Subject(Order, replay=5)
    full = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order)
        await full.receive()
        await settle()
        assert waiting.result == 2
        later = subject.subscribe(Order)
    assert numbers(take_all(newcomer)) == [0, 1]
    assert numbers(take_all(later)) == [0, 1]


@pytest.mark.parametrize("key", [Tick.symbol, lambda tick: tick.symbol], ids=["field", "callable"])
@both
async def test_replay_by_gives_the_last_of_each_key(key: Any) -> None:
    """With `replay_by` the last `replay` events of each key are kept, in the order in which they were published."""
    subject = Subject(Tick, replay=1, replay_by=key)
    for symbol, price in (("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 3)):
        await subject.publish(Tick(symbol=symbol, price=price))
    subscription = subject.subscribe(Tick)
    assert [(tick.symbol, tick.price) for tick in take_all(subscription)] == [("b", 1), ("c", 1), ("a", 3)]


@both
async def test_replay_by_with_several_of_each_key() -> None:
    """With `replay=2` the last two of each key are kept, in one order."""
    subject = Subject(Tick, replay=2, replay_by=Tick.symbol)
    for symbol, price in (("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)):
        await subject.publish(Tick(symbol=symbol, price=price))
    subscription = subject.subscribe(Tick)
    assert [f"{tick.symbol}{tick.price}" for tick in take_all(subscription)] == ["b1", "a2", "b2", "a3"]


@both
async def test_replay_keys_bounds_the_keys() -> None:
    """With more keys than `replay_keys` the least recently used keys are evicted."""
    subject = Subject(Tick, replay=1, replay_by=Tick.symbol, replay_keys=2)
    for symbol in "abcab":
        await subject.publish(Tick(symbol=symbol, price=1))
    assert [tick.symbol for tick in take_all(subject.subscribe(Tick))] == ["a", "b"]


@both
async def test_first_and_observers_get_no_replay() -> None:
    """They get what is published after the call."""
    subject = Subject(Order, replay=5)
    handled: list[int] = []
    subject.observe(lambda order: handled.append(order.n), Order)
    async with subject:
        await subject.publish(Order(n=0))
        waiter = subject.first(Order)
        subject.observe(lambda order: handled.append(order.n + 100), Order)
        await subject.publish(Order(n=1))
        assert (await waiter).n == 1
    assert sorted(handled) == [0, 1, 101]


@both
async def test_without_replay_there_is_no_history() -> None:
    """A subject without `replay` keeps no events."""
    subject = Subject(Order)
    fill(subject, 5)
    assert take_all(subject.subscribe(Order)) == []


@both
async def test_entering_again_forgets_the_history() -> None:
    """A subject that was closed and entered again replays only events of its new life."""
    subject = Subject(Order, replay=5)
    async with subject:
        fill(subject, 3)
    async with subject:
        assert take_all(subject.subscribe(Order)) == []
        fill(subject, 1, 3)
        assert numbers(take_all(subject.subscribe(Order))) == [3]


@both
async def test_a_where_that_raises_during_replay_ends_its_own_subscription() -> None:
    """A `where` that raises for an event of the history ends its subscription with that error; the subject goes on."""
    subject = Subject(Order, replay=3)
    fill(subject, 3)
    broken = None
    try:
        broken = subject.subscribe(Order, where=lambda event: 1 // event.n > 0)
    except ZeroDivisionError:
        pass  # To refuse it in subscribe is as good.
    if broken is not None:
        with pytest.raises(ZeroDivisionError):
            while True:
                await broken.receive()
    other = subject.subscribe(Order)
    await subject.publish(Order(n=3))
    assert numbers(take_all(other)) == [0, 1, 2, 3]


@both
async def test_a_replay_by_that_raises_leaves_all_or_nobody_with_the_event() -> None:
    """Either all get the event, or publish raises the error and nobody gets it."""
    subject = Subject(Order, replay=1, replay_by=lambda event: 1 // event.n)
    one, two = subject.subscribe(Order), subject.subscribe(Order)
    try:
        await subject.publish(Order(n=0))
    except ZeroDivisionError:
        expected: list[int] = []
    else:
        expected = [0]
    assert numbers(take_all(one)) == numbers(take_all(two)) == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@both
async def test_a_subscribe_that_was_interrupted_during_replay_leaves_nothing(error: type[BaseException]) -> None:
    """Ctrl-C comes while its `where` is asked: there is no subscription that nobody holds, and that could be full."""
    subject = Subject(Order, replay=2)
    fill(subject, 2)

    def where(_: Order) -> bool:
        raise error

    with pytest.raises(error):
        subject.subscribe(Order, where=where, buffer=1)
    assert subject.statistics().subscriptions == ()
    with anyio.fail_after(1):
        for n in range(3):
            assert await subject.publish(Order(n=n)) == 0


class Parcel:
    """An event whose destructor publishes another, once."""

    def __init__(self, n: int, publish: Callable[[], object] | None = None) -> None:
        self.n, self.publish = n, publish

    def __del__(self) -> None:
        if self.publish is not None:
            with suppress(RuntimeError):  # The publish may be refused.
                self.publish()


@pytest.mark.parametrize("options", [{}, {"replay_by": lambda parcel: 1}, {"replay_by": lambda _: None}])
@pytest.mark.parametrize("way", ["publish", "publish_nowait", "publish_many"])
@both
async def test_the_history_keeps_the_order_though_a_destructor_of_what_it_evicts_publishes(
    way: str, options: dict[str, Any]
) -> None:
    """A later subscription gets the last events in the order in which they were delivered to the earlier one."""
    subject: Any = Subject(Parcel, replay=2, **options)
    delivered: list[int] = []
    subscription = subject.subscribe()
    parcels = [Parcel(n, lambda n=n: subject.publish_nowait(Parcel(100 + n))) for n in range(6)]  # type: ignore[misc]
    while parcels:
        parcel = parcels.pop(0)
        if way == "publish_many":
            await subject.publish_many([parcel])
        elif way == "publish":
            await subject.publish(parcel)
        else:
            subject.publish_nowait(parcel)
        del parcel
        delivered += [taken.n for taken in take_all(subscription)]
        late = subject.subscribe()
        assert [taken.n for taken in take_all(late)] == delivered[-2:]
        late.close()
