"""What type checkers know of streams: each operator, and chains to their end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar, assert_type

import anyio
import anyio.abc
from typing_extensions import TypeIs

from evenflow import Event, Source, State, Subject, Subscription, when
from evenflow.streams import Stream, interval, share, stream, timer


class Placed(Event):
    order_id: int
    region: str


class Paid(Event):
    order_id: int


class Express(Placed):
    courier: str


async def numbers() -> AsyncIterator[int]:
    yield 1


async def length(text: str) -> int:
    return len(text)


async def is_long(text: str) -> bool:
    return len(text) > 3


async def letters_of(number: int) -> list[str]:
    return [str(number)]


async def add(total: float, number: int) -> float:
    return total + number


def is_express(event: Placed) -> TypeIs[Express]:
    return isinstance(event, Express)


class Texts:
    """What the lines below publish to."""

    async def publish(self, event: str, /) -> int:
        return len(event)


words: Stream[str] = stream(["a", "b"])
counts: Stream[int] = stream(numbers)


def sources(receiving: anyio.abc.ObjectReceiveStream[bytes], subscription: Subscription[Placed]) -> None:
    """Where a chain begins."""
    assert_type(stream(numbers), Stream[int])
    assert_type(stream(numbers()), Stream[int])
    assert_type(stream([1, 2]), Stream[int])
    assert_type(stream(range(3)), Stream[int])
    assert_type(stream(lambda: ["a"]), Stream[str])
    assert_type(stream(receiving), Stream[bytes])
    assert_type(stream(subscription), Stream[Placed])
    assert_type(interval(1), Stream[int])
    assert_type(timer(0.5), Stream[int])
    stream(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def one_at_a_time(placed: Stream[Placed]) -> None:
    """`map`, `filter` and similar operators."""
    assert_type(words.map(len), Stream[int])
    assert_type(words.map(length), Stream[int])
    assert_type(words.map(len, concurrency=4), Stream[int])
    assert_type(words.map(length, concurrency=4), Stream[int])
    assert_type(words.map(lambda text: (text, len(text))), Stream[tuple[str, int]])
    assert_type(words.filter(is_long), Stream[str])
    assert_type(words.filter(lambda text: text > "a"), Stream[str])
    assert_type(placed.filter(is_express), Stream[Express])
    assert_type(placed.filter(Placed.region == "eu"), Stream[Placed])
    assert_type(placed.filter(when(Placed.order_id > 3)), Stream[Placed])
    assert_type(placed.of_type(Express), Stream[Express])
    assert_type(counts.scan(lambda total, number: total + number, 0), Stream[int])
    assert_type(counts.scan(add, 0.0), Stream[float])
    assert_type(words.enumerate(), Stream[tuple[int, str]])
    assert_type(words.pairwise(), Stream[tuple[str, str]])
    assert_type(words.tap(print), Stream[str])
    assert_type(words.tap(length), Stream[str])
    assert_type(words.start_with("x"), Stream[str])
    assert_type(words.start_with(1), Stream[str | int])
    assert_type(words.distinct(), Stream[str])
    assert_type(words.distinct(key=len), Stream[str])
    assert_type(words.distinct_until_changed(lambda text: text.lower()), Stream[str])
    assert_type(words.default_if_empty(None), Stream[str | None])
    words.map(lambda text: text.nonsense)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]


def how_many() -> None:
    """`take`, `skip` and similar operators."""
    assert_type(words.take(1), Stream[str])
    assert_type(words.take_last(1), Stream[str])
    assert_type(words.take_while(is_long), Stream[str])
    assert_type(words.take_until(timer(3)), Stream[str])
    assert_type(words.take_until([1]), Stream[str])
    assert_type(words.skip(1), Stream[str])
    assert_type(words.skip_while(lambda text: not text), Stream[str])
    assert_type(words.skip_until(counts), Stream[str])


def in_time() -> None:
    """Operators that use the clock."""
    assert_type(words.debounce(0.2), Stream[str])
    assert_type(words.throttle(1), Stream[str])
    assert_type(words.throttle(1, trailing=True), Stream[str])
    assert_type(words.sample(1), Stream[str])
    assert_type(words.delay(1), Stream[str])
    assert_type(words.timeout(1), Stream[str])
    assert_type(words.batches(), Stream[tuple[str, ...]])
    assert_type(words.batches(10, within=0.5), Stream[tuple[str, ...]])
    assert_type(words.batches(within=60, aligned=True), Stream[tuple[str, ...]])
    assert_type(words.batches(10, within=60, aligned=True), Stream[tuple[str, ...]])


def several() -> None:
    """Operators on several sources."""
    assert_type(words.merge(words), Stream[str])
    assert_type(words.merge(counts), Stream[str | int])
    assert_type(words.concat(counts), Stream[str | int])
    assert_type(words.race(counts), Stream[str | int])
    assert_type(words.zip(counts), Stream[tuple[str, int]])
    assert_type(words.zip(counts, [1.0]), Stream[tuple[str, int, float]])
    assert_type(words.zip(counts, [1.0], words), Stream[tuple[str, int, float, str]])
    assert_type(words.zip_latest(counts), Stream[tuple[str, int]])
    assert_type(words.combine_latest(counts, words), Stream[tuple[str, int, str]])
    assert_type(words.with_latest_from(counts), Stream[tuple[str, int]])
    assert_type(words.with_latest_from(counts, counts, counts, counts), Stream[tuple[Any, ...]])


def of_streams() -> None:
    """Streams of streams."""
    assert_type(counts.flat_map(letters_of, concurrency=3), Stream[str])
    assert_type(counts.flat_map(lambda number: [number / 2]), Stream[float])
    assert_type(counts.flat_map(lambda _: numbers()), Stream[int])
    assert_type(counts.concat_map(lambda _: words), Stream[str])
    assert_type(counts.switch_map(letters_of), Stream[str])
    assert_type(counts.exhaust_map(letters_of), Stream[str])
    assert_type(words.group_by(len), Stream[tuple[int, Stream[str]]])
    assert_type(words.group_by(length, max_groups=3), Stream[tuple[int, Stream[str]]])
    assert_type(words.group_by(length, idle=1.5), Stream[tuple[int, Stream[str]]])
    assert_type(stream(State(1)), Stream[int])
    assert_type(stream(Subject(Placed)), Stream[Placed])
    assert_type(stream(Subject(Placed, Paid)), Stream[Placed | Paid])
    assert_type(stream(share(words)), Stream[str])
    assert_type(stream(lambda: State(1)), Stream[int])
    assert_type(counts.merge(Subject(Placed)), Stream[int | Placed])
    assert_type(counts.flat_map(lambda _: State("a")), Stream[str])
    assert_type(counts.flat_map(letters_of, concurrency=None), Stream[str])
    assert_type(words.group_by(len).flat_map(lambda pair: pair[1]), Stream[str])


async def wait_for_long(attempt: int) -> float:  # noqa: ASYNC124 -- it must be async
    """A wait must be sync."""
    return attempt


def failing() -> None:
    """Operators for failure and for starting again."""
    assert_type(words.catch(lambda error: [str(error)]), Stream[str])
    assert_type(words.catch(lambda _: counts), Stream[str | int])
    assert_type(words.retry(3, wait=0.5), Stream[str])
    assert_type(words.retry(3, wait=lambda attempt: 0.1 * 2**attempt, on=OSError), Stream[str])
    assert_type(words.retry(3, on=(OSError, TimeoutError)), Stream[str])
    words.retry(3, wait=wait_for_long)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    words.retry(3, on=KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(words.repeat(), Stream[str])
    assert_type(words.finally_do(lambda: None), Stream[str])


async def out() -> None:
    """Sinks."""
    assert_type(await words.to_list(), list[str])
    assert_type(await counts.reduce(lambda total, number: total + number, 0), int)
    assert_type(await counts.reduce(add, 0.0), float)
    assert_type(await words.count(), int)
    assert_type(await words.any(is_long), bool)
    assert_type(await words.all(lambda text: text > "a"), bool)
    assert_type(await words.first(), str)
    assert_type(await words.last(), str)
    assert_type(await words.publish_to(Texts()), int)
    await words.for_each(length, concurrency=2)
    await words.for_each(print)
    await counts.publish_to(Texts())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def reading() -> None:
    """The end of a chain."""
    async with words as entered:
        assert_type(entered, Stream[str])
        assert_type(await entered.receive(), str)
        async for word in entered:
            assert_type(word, str)
        async for word in aiter(entered):
            assert_type(word, str)
    receiving: anyio.abc.ObjectReceiveStream[str] = words
    anything: Stream[object] = words
    assert_type(await receiving.receive(), str)
    await anything.receive()


async def a_whole_chain(orders: Subject[Placed | Paid]) -> None:
    """A chain from the subject to the end: no type has to be named."""
    totals = (
        orders.subscribe(Placed)
        .map(lambda order: order.order_id)
        .filter(lambda number: number > 10)
        .debounce(0.2)
        .switch_map(letters_of)
        .with_latest_from(orders.subscribe(Paid))
        .map(lambda pair: (pair[0].upper(), pair[1].order_id))
    )
    assert_type(totals, Stream[tuple[str, int]])
    async with share(totals, replay=1) as shared:
        assert_type(shared.subscribe(), Subscription[tuple[str, int]])
        source: Source[tuple[str, int]] = shared
        assert_type(source.subscribe().map(len), Stream[int])


T = TypeVar("T")


def last_two(events: Stream[T]) -> Stream[tuple[T, T]]:
    """An operator of one's own is a function."""
    return events.take_last(2).pairwise()


assert_type(last_two(words), Stream[tuple[str, str]])
