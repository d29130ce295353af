"""Guarantee 1, what a callable or a destructor may ask of a subject that is publishing: a condition only looks.

Closing, detaching and letting go of a subscription take effect right after the publish.
Publishing, subscribing and receiving are refused. `statistics()`, `explain()` and `repr()` are allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow import Subject as PlainSubject, SubjectClosed

from .kit import (
    BigOrder,
    Order,
    Subject,
    balanced,
    both,
    collect,
    group,
    numbers,
    publishing,
    read_all,
    settle,
    take_all,
)


class Inside:
    """Makes one call from inside a callable, and keeps what the call returned or raised."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.armed = False
        self.called = False
        self.result: object = None
        self.error: Exception | None = None

    def __call__(self) -> None:
        """Make the call, once, if this is the moment."""
        if not self.armed:
            return
        self.armed, self.called = False, True
        try:
            self.result = self.call()
        except Exception as error:
            self.error = error

    @property
    def refused(self) -> bool:
        """The call raised the error that says that a condition only looks."""
        return isinstance(self.error, RuntimeError) and "only look" in str(self.error)


class HashedKey:
    """A key whose hash calls something."""

    def __init__(self, n: int, inside: Inside) -> None:
        self.n = n
        self.inside = inside

    def __hash__(self) -> int:
        self.inside()
        return hash(self.n)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HashedKey) and other.n == self.n


class ComparedKey:
    """A key that differs from every other, and whose comparison calls something."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        self.inside()
        return self is other


class Dying:
    """Calls something when the last reference to it goes."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    def __del__(self) -> None:
        self.inside()


def looked(inside: Inside) -> bool:
    """Call, and want the event."""
    inside()
    return True


def died(inside: Inside) -> bool:
    """Let a destructor call, and want the event."""
    dying = Dying(inside)
    del dying
    return True


def keyed(inside: Inside, event: Any) -> int:
    """Call, and return the key of the event."""
    inside()
    return int(event.n)


CALLABLES: dict[str, Callable[[Inside], dict[str, Any]]] = {
    "where": lambda inside: {"where": lambda event: looked(inside)},
    "conflate": lambda inside: {"conflate": lambda event: keyed(inside, event)},
    "hash of a key": lambda inside: {"conflate": lambda event: HashedKey(event.n, inside)},
    "equality of a key": lambda inside: {"conflate": lambda event: ComparedKey(inside)},
    "destructor": lambda inside: {"where": lambda event: died(inside)},
}
"""Where users' code runs while a publish is under way: the options of a subscription whose callables call `inside`."""

WAYS = ("publish", "publish_nowait", "publish_many")


async def publish(subject: Any, event: Order, way: str) -> int:
    """Publish one event."""
    if way == "publish_nowait":
        return int(subject.publish_nowait(event))
    if way == "publish_many":
        return int(await subject.publish_many([event]))
    return int(await subject.publish(event))


def step(coroutine: Any) -> object:
    """Run a coroutine that has nothing to wait for, from code that is not async."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("it waits")


REFUSED: dict[str, Callable[[Any, Any], object]] = {
    "publish": lambda subject, _: step(subject.publish(Order(n=9))),
    "publish_nowait": lambda subject, _: subject.publish_nowait(Order(n=9)),
    "publish_many": lambda subject, _: step(subject.publish_many([Order(n=9)])),
    "subscribe": lambda subject, _: subject.subscribe(Order),
    "first": lambda subject, _: subject.first(Order),
    "observe": lambda subject, _: subject.observe(print, Order),
    "receive_nowait": lambda _, other: other.receive_nowait(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", CALLABLES)
@pytest.mark.parametrize("call", REFUSED)
@both
async def test_publishing_subscribing_and_receiving_are_refused(call: str, where: str, way: str) -> None:
    """The call raises a RuntimeError that says that a condition only looks, and changes nothing else."""
    subject = Subject(Order)
    before = subject.subscribe(Order)
    inside = Inside(lambda: REFUSED[call](subject, before))
    looking = subject.subscribe(Order, **CALLABLES[where](inside))
    after = subject.subscribe(Order)
    assert await publish(subject, Order(n=0), way) == 3
    inside.armed = True
    assert await publish(subject, Order(n=1), way) == 3
    assert inside.refused, inside.error or inside.result
    assert await publish(subject, Order(n=2), way) == 3
    for subscription in (before, looking, after):
        assert numbers(take_all(subscription)) == [0, 1, 2]
        balanced(subscription)
    statistics = subject.statistics()
    assert (len(statistics.subscriptions), statistics.observers, statistics.published) == (3, (), 3)


@pytest.mark.parametrize("option", ["where", "conflate"])
@both
async def test_a_callable_that_lets_the_refusal_out_ends_its_own_subscription_with_it(option: str) -> None:
    """Its reader gets the RuntimeError after what was buffered, as with any other error; nobody else notices."""
    subject = Subject(Order)

    def publishes(event: Order) -> bool:
        if event.n:
            subject.publish_nowait(Order(n=9))
        return True

    before = subject.subscribe(Order)
    options: dict[str, Any] = {option: publishes}
    broken = subject.subscribe(Order, **options)
    after = subject.subscribe(Order)
    for n in range(3):
        assert await subject.publish(Order(n=n)) in (2, 3)
    assert await subject.publish(Order(n=3)) == 2
    assert numbers(take_all(before)) == numbers(take_all(after)) == [0, 1, 2, 3]
    assert (await broken.receive()).n == 0
    with pytest.raises(RuntimeError, match="only look"):
        await broken.receive()
    balanced(broken)


CLOSING: dict[str, Callable[[list[Any]], object]] = {
    "close": lambda victims: [victim.close() for victim in victims],
    "aclose": lambda victims: [step(victim.aclose()) for victim in victims],
    "del": lambda victims: victims.clear(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", CALLABLES)
@pytest.mark.parametrize("how", CLOSING)
@pytest.mark.filterwarnings("ignore:subscription:ResourceWarning")
@both
async def test_closing_a_subscription_takes_effect_right_after_the_publish(how: str, where: str, way: str) -> None:
    """The event still reaches the subscriptions that are being closed; when the publish has returned they are gone."""
    subject = PlainSubject(Order)
    victims: list[Any] = [subject.subscribe(Order)]
    inside = Inside(lambda: CLOSING[how](victims))
    async with (
        subject.subscribe(Order, **CALLABLES[where](inside)) as looking,
        subject.subscribe(Order) as plain,
    ):
        victims.append(subject.subscribe(Order))
        assert await publish(subject, Order(n=0), way) == 4
        inside.armed = True
        assert await publish(subject, Order(n=1), way) == 4
        assert inside.called
        assert inside.error is None
        assert len(subject.statistics().subscriptions) == 2
        assert await publish(subject, Order(n=2), way) == 2
        assert numbers(take_all(looking)) == numbers(take_all(plain)) == [0, 1, 2]
    for victim in victims:
        assert (victim.statistics().wanted, victim.statistics().discarded) == (2, 2)
        balanced(victim)
        with pytest.raises(anyio.ClosedResourceError):
            victim.receive_nowait()


@both
async def test_letting_go_of_a_subscription_inside_a_where_still_warns() -> None:
    """The `ResourceWarning` names where the subscription was made."""
    subject = PlainSubject(Order)
    victims: list[Any] = [subject.subscribe(Order)]
    inside = Inside(victims.clear)
    async with subject.subscribe(Order, where=lambda event: looked(inside)):
        inside.armed = True
        with pytest.warns(ResourceWarning, match=r"test_01_a_condition_only_looks\.py"):
            await subject.publish(Order(n=0))
            collect()


@pytest.mark.parametrize("where", CALLABLES)
@both
async def test_a_callable_that_closes_its_own_subscription_closes_it_after_the_publish(where: str) -> None:
    """It wanted that event, which is discarded with the rest of its buffer, and wants no later one."""
    subject = Subject(Order)
    mine: list[Any] = []
    inside = Inside(lambda: mine[0].close())
    mine.append(subject.subscribe(Order, **CALLABLES[where](inside)))
    assert await subject.publish(Order(n=0)) == 1
    inside.armed = True
    assert await subject.publish(Order(n=1)) == 1
    assert inside.called
    assert inside.error is None
    assert await subject.publish(Order(n=2)) == 0
    assert (mine[0].statistics().wanted, mine[0].statistics().discarded) == (2, 2)


@both
async def test_a_subscription_closed_inside_publish_many_gets_no_later_event_of_it() -> None:
    """Each event of publish_many is a publish of its own: closing takes effect after the event that was looked at."""
    subject = Subject(Order)
    victim = subject.subscribe(Order)

    def closes(event: Order) -> bool:
        if event.n == 1:
            victim.close()
        return True

    looking = subject.subscribe(Order, where=closes)
    plain = subject.subscribe(Order)
    assert await subject.publish_many([Order(n=n) for n in range(4)]) == 3 + 3 + 2 + 2
    assert victim.statistics().wanted == 2
    assert numbers(take_all(looking)) == numbers(take_all(plain)) == [0, 1, 2, 3]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", CALLABLES)
@both
async def test_detaching_an_observer_takes_effect_right_after_the_publish(where: str, way: str) -> None:
    """The event still counts for the observer that is being detached; later events do not reach it."""
    subject = Subject(Order)
    handled: list[int] = []
    async with subject:
        watcher = subject.observe(lambda order: handled.append(order.n), Order)
        inside = Inside(watcher.detach)
        looking = subject.subscribe(Order, **CALLABLES[where](inside))
        assert await publish(subject, Order(n=0), way) == 2
        await settle()
        inside.armed = True
        assert await publish(subject, Order(n=1), way) == 2
        assert inside.called
        assert inside.error is None
        assert (len(subject.statistics().subscriptions), subject.statistics().observers) == (1, ())
        assert await publish(subject, Order(n=2), way) == 1
        assert numbers(take_all(looking)) == [0, 1, 2]
        await settle()
        assert watcher.ended
    assert handled == [0]


@pytest.mark.parametrize("error", [None, ZeroDivisionError("on purpose")], ids=["close", "close with an error"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", CALLABLES)
@both
async def test_closing_the_subject_takes_effect_right_after_the_publish(
    where: str, way: str, error: Exception | None
) -> None:
    """Everybody gets the event, then the end or the error; the next publish is `SubjectClosed`."""
    subject = Subject(Order)
    before = subject.subscribe(Order)
    inside = Inside(lambda: subject.close(error))
    looking = subject.subscribe(Order, **CALLABLES[where](inside))
    after = subject.subscribe(Order)
    assert await publish(subject, Order(n=0), way) == 3
    inside.armed = True
    assert await publish(subject, Order(n=1), way) == 3
    assert inside.called
    assert inside.error is None
    assert subject.is_closed
    with pytest.raises(SubjectClosed):
        await publish(subject, Order(n=2), way)
    for subscription in (before, looking, after):
        assert numbers([await subscription.receive(), await subscription.receive()]) == [0, 1]
        with pytest.raises(anyio.EndOfStream if error is None else ZeroDivisionError):
            await subscription.receive()


@both
async def test_a_subject_closed_inside_publish_many_takes_no_later_event_of_it() -> None:
    """The event that was looked at reaches everybody; at the next one publish_many raises `SubjectClosed`."""
    subject = Subject(Order)

    def closes(event: Order) -> bool:
        if event.n == 1:
            subject.close()
        return True

    before = subject.subscribe(Order)
    looking = subject.subscribe(Order, where=closes)
    after = subject.subscribe(Order)
    with pytest.raises(SubjectClosed):
        await subject.publish_many([Order(n=n) for n in range(4)])
    for subscription in (before, looking, after):
        assert numbers(await read_all(subscription)) == [0, 1]


@both
async def test_closing_takes_effect_also_after_a_publish_that_was_refused() -> None:
    """publish_nowait finds no room and raises `WouldBlock`; a subscription that a `where` closed is closed then."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    victim = subject.subscribe(Order)
    inside = Inside(victim.close)
    looking = subject.subscribe(Order, where=lambda event: looked(inside))
    assert subject.publish_nowait(Order(n=0)) == 3
    inside.armed = True
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=1))
    assert inside.error is None
    assert victim.statistics().wanted == victim.statistics().discarded == 1
    assert numbers(take_all(full)) == numbers(take_all(looking)) == [0]
    assert subject.publish_nowait(Order(n=2)) == 2


@both
async def test_a_publish_does_not_wait_for_a_subscription_that_a_where_closes() -> None:
    """A `where` closes the only full subscription: the publish does not wait for it, and reaches the others."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    inside = Inside(full.close)
    looking = subject.subscribe(Order, where=lambda event: looked(inside))
    assert await subject.publish(Order(n=0)) == 2
    inside.armed = True
    with anyio.fail_after(1):
        assert await subject.publish(Order(n=1)) == 1
    assert inside.error is None
    assert numbers(take_all(looking)) == [0, 1]


@both
async def test_the_where_of_a_newcomer_only_looks_as_well() -> None:
    """A subscription made while a publish waits is asked when room comes: there, too, publishing is refused."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    await subject.publish(Order(n=0))
    inside = Inside(lambda: subject.publish_nowait(Order(n=9)))
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order, where=lambda event: looked(inside))
        inside.armed = True
        assert (await full.receive()).n == 0
        await settle()
        assert waiting.result == 2
    assert inside.refused, inside.error or inside.result
    assert numbers(take_all(full)) == numbers(take_all(newcomer)) == [1]


@both
async def test_a_where_that_is_asked_of_the_replay_only_looks_as_well() -> None:
    """`subscribe` asks for each event of the history: there, too, publishing and subscribing are refused."""
    subject = Subject(Order, replay=3)
    await subject.publish_many([Order(n=0), Order(n=1)])
    calls = [
        Inside(lambda: subject.publish_nowait(Order(n=9))),
        Inside(lambda: subject.subscribe(Order)),
    ]

    def where(event: Order) -> bool:
        calls[event.n % 2]()
        return True

    for call in calls:
        call.armed = True
    subscription = subject.subscribe(Order, where=where)
    for call in calls:
        assert call.refused, call.error or call.result
    await subject.publish(Order(n=2))
    assert numbers(take_all(subscription)) == [0, 1, 2]


@both
async def test_a_where_that_explain_asks_only_looks_as_well() -> None:
    """`explain` calls the callable: there, too, publishing is refused, and nobody gets anything."""
    subject = Subject(Order)
    inside = Inside(lambda: subject.publish_nowait(Order(n=9)))
    subscription = subject.subscribe(Order, where=lambda event: looked(inside))
    inside.armed = True
    assert [explanation.wanted for explanation in subject.explain(Order(n=0))] == [True]
    assert inside.refused, inside.error or inside.result
    assert take_all(subscription) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", CALLABLES)
@both
async def test_looking_is_allowed(where: str, way: str) -> None:
    """`statistics()`, `explain()` and `repr()` of the subject and of its subscriptions answer inside a callable."""
    subject = Subject(Order, name="orders")
    plain = subject.subscribe(Order, where=Order.n >= 0)

    def look() -> list[Any]:
        explanations = subject.explain(BigOrder(n=5))
        return [subject.statistics().published, plain.statistics().waiting, repr(subject), repr(plain), explanations]

    inside = Inside(look)
    looking = subject.subscribe(Order, **CALLABLES[where](inside))
    await publish(subject, Order(n=0), way)
    inside.armed = True
    assert await publish(subject, Order(n=1), way) == 2
    assert inside.error is None
    found: Any = inside.result
    assert found[0] in (1, 2)
    assert found[1] in (1, 2)
    assert "orders" in found[2]
    assert [explanation.wanted for explanation in found[4]] == [True, True]
    assert numbers(take_all(plain)) == numbers(take_all(looking)) == [0, 1]


@pytest.mark.parametrize("where", CALLABLES)
@both
async def test_another_subject_can_be_used(where: str) -> None:
    """A callable may publish to another subject, subscribe to it and receive from it."""
    subject, other = Subject(Order), Subject(Order)
    heard = other.subscribe(Order)

    def use() -> list[int]:
        newcomer = other.subscribe(Order)
        other.publish_nowait(Order(n=7))
        return [heard.receive_nowait().n, newcomer.receive_nowait().n]

    inside = Inside(use)
    looking = subject.subscribe(Order, **CALLABLES[where](inside))
    await subject.publish(Order(n=0))
    inside.armed = True
    assert await subject.publish(Order(n=1)) == 1
    assert (inside.error, inside.result) == (None, [7, 7])
    assert numbers(take_all(looking)) == [0, 1]


class Parcel:
    """An event whose destructor calls something."""

    def __init__(self, n: int, inside: Inside) -> None:
        self.n = n
        self.inside = inside

    def __del__(self) -> None:
        self.inside()


DESTRUCTORS: dict[str, Callable[[Any, list[Any], Inside], object]] = {
    "publishes": lambda subject, kept, inside: subject.publish_nowait(Parcel(9, Inside(lambda: None))),
    "subscribes": lambda subject, kept, inside: kept.append(subject.subscribe()),
    "receives": lambda subject, kept, inside: kept.append(kept[0].receive_nowait()),
    "closes a subscription": lambda subject, kept, inside: kept[0].close(),
    "closes the subject": lambda subject, kept, inside: subject.close(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", DESTRUCTORS)
@both
async def test_a_destructor_of_an_event_that_a_publish_drops_acts_after_it_or_is_refused(what: str, way: str) -> None:
    """A dropped event uses the subject in its destructor: all get the new event before that takes effect."""
    subject: Any = Subject(Parcel)
    kept: list[Any] = [subject.subscribe(buffer=10)]
    inside = Inside(lambda: DESTRUCTORS[what](subject, kept, inside))
    dropping = subject.subscribe(buffer=1, overflow="drop_oldest")
    last = subject.subscribe(buffer=10)
    await publish(subject, Parcel(0, inside), way)
    for subscription in (kept[0], last):
        assert [parcel.n for parcel in take_all(subscription)] == [0]
    quiet = Inside(lambda: None)
    inside.armed = True
    assert await publish(subject, Parcel(1, quiet), way) == 3
    assert inside.called
    assert inside.refused or inside.error is None
    assert [parcel.n for parcel in take_all(last)] in ([1], [1, 9])
    if not inside.refused:
        assert kept[0].statistics().wanted >= 2
    assert dropping.statistics().dropped >= 1
    for subscription in (dropping, last):
        balanced(subscription)


@both
async def test_a_where_that_calls_explain_still_only_looks_afterwards() -> None:
    """`explain` asks every `where` anew; the `where` that called it is refused to publish, before and after."""
    subject = Subject(Order)
    refusals: list[str] = []

    def where(event: Order) -> bool:
        if event.n == 1:
            subject.explain(Order(n=7))
            try:
                subject.publish_nowait(Order(n=9))
            except RuntimeError as error:
                refusals.append(str(error))
        return True

    plain, looking = subject.subscribe(Order), subject.subscribe(Order, where=where)
    for n in range(3):
        assert await subject.publish(Order(n=n)) == 2
    assert len(refusals) == 1
    assert "only look" in refusals[0]
    assert numbers(take_all(plain)) == numbers(take_all(looking)) == [0, 1, 2]


@both
async def test_a_subscription_closed_by_a_where_that_calls_explain_still_gets_the_event() -> None:
    """It is closed after the publish, not when `explain` returns."""
    subject = Subject(Order)
    victim = subject.subscribe(Order)

    def where(event: Order) -> bool:
        if event.n == 1:
            victim.close()
            subject.explain(Order(n=7))
        return True

    looking = subject.subscribe(Order, where=where)
    assert await subject.publish(Order(n=1)) == 2
    assert (victim.statistics().wanted, victim.statistics().discarded) == (1, 1)
    assert numbers(take_all(looking)) == [1]


@both
async def test_the_where_of_an_observer_that_does_not_run_only_looks_as_well() -> None:
    """Nobody wanted the event, so that it is asked for a hint in the log: there, too, publishing is refused."""
    subject = Subject(Order)
    inside = Inside(lambda: subject.publish_nowait(Order(n=9)))
    subject.observe(lambda order: None, Order, where=lambda order: looked(inside))
    inside.armed = True
    assert await subject.publish(Order(n=0)) == 0
    assert inside.called
    assert inside.refused, inside.error or inside.result
    assert subject.statistics().published == 1


NEWCOMERS: dict[str, Callable[[Any, list[Any]], object]] = {
    "publishes": lambda subject, kept: subject.publish_nowait(Order(n=9)),
    "subscribes": lambda subject, kept: subject.subscribe(Order),
    "receives": lambda subject, kept: kept[0].receive_nowait(),
}


@pytest.mark.parametrize("call", NEWCOMERS)
@pytest.mark.parametrize("freed", ["by a reader", "by closing"])
@both
async def test_the_conflate_of_a_newcomer_only_looks_as_well(freed: str, call: str) -> None:
    """It is asked once when a publish that waits may go on: whatever changes something is refused there."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    await subject.publish(Order(n=0))
    kept: list[Any] = [full]
    inside = Inside(lambda: NEWCOMERS[call](subject, kept))
    asked: list[int] = []

    def conflate(order: Order) -> int:
        asked.append(order.n)
        return keyed(inside, order)

    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order, conflate=conflate)
        kept[0] = newcomer
        inside.armed = True
        if freed == "by a reader":
            assert (await full.receive()).n == 0
        else:
            full.close()
        await settle()
        assert waiting.result == (2 if freed == "by a reader" else 1)
    assert inside.refused, inside.error or inside.result
    assert asked == [1]
    assert numbers(take_all(newcomer)) == [1]


@pytest.mark.parametrize("what", ["itself", "another", "the subject"])
@both
async def test_what_the_conflate_of_a_newcomer_closes_is_closed_after_it_was_asked(what: str) -> None:
    """It is asked when a publish that waits may go on; whoever reads meanwhile gets the event, and nothing is torn."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    another = subject.subscribe(Order)
    await subject.publish(Order(n=0))
    closing: dict[str, Callable[[], object]] = {
        "itself": lambda: newcomer.close(),
        "another": another.close,
        "the subject": subject.close,
    }
    inside = Inside(lambda: closing[what]())
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order, conflate=lambda order: keyed(inside, order))
        inside.armed = True
        assert (await full.receive()).n == 0
        await settle()
        assert inside.called
        assert inside.error is None
        if what == "the subject":
            assert isinstance(waiting.error, SubjectClosed)
        else:
            assert waiting.result == 2
    assert numbers(take_all(full)) == ([] if what == "the subject" else [1])
    for subscription in (full, another, newcomer):
        balanced(subscription)
