"""Where a chain begins: everything that `stream()` takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.abc
import pytest

from evenflow import Event, State, Subject
from evenflow.streams import share, stream
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Boom, Probe


async def letters() -> AsyncIterator[str]:  # noqa: ASYNC124 -- it must be async
    yield "a"
    yield "b"


class Naive:
    """An iterator that starts in ``__aiter__``, as in many tutorials."""

    def __aiter__(self) -> AsyncIterator[str]:
        self.rest = ["b", "a"]
        return self

    async def __anext__(self) -> str:
        if not self.rest:
            raise StopAsyncIteration
        return self.rest.pop()


class Bare:
    """An iterator without ``__aiter__``, which ``async for`` does not need."""

    def __init__(self) -> None:
        self.inner = letters()

    async def __anext__(self) -> str:
        return await anext(self.inner)


class GivesBare:
    """An async iterable whose iterator has only ``__anext__``."""

    def __aiter__(self) -> Bare:
        return Bare()


class Again:
    """An async iterable that gives a new iterator each time."""

    def __aiter__(self) -> AsyncIterator[str]:
        return letters()


def test_a_stream_is_made_of_whatever_gives_events() -> None:
    """``stream()`` takes iterables, async iterables, receive streams and functions; a stream it returns as it is."""

    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[str](2)
        async with send:
            send.send_nowait("a")
            send.send_nowait("b")
        for source in (
            "ab",
            ["a", "b"],
            letters(),
            letters,
            Again(),
            Naive(),
            GivesBare(),
            receive,
            lambda: "ab",
            lambda: stream("ab"),
        ):
            assert await stream(source).to_list() == ["a", "b"]
        same = stream("ab")
        assert stream(same) is same

    on_both_loops(main)


@pytest.mark.parametrize("source", [5, None, int, Event])
def test_what_gives_no_events_is_refused(source: object) -> None:
    """The error names what was given, and what is expected."""
    with pytest.raises(TypeError, match=r"cannot make a stream of .*expected an async iterable, an iterable"):
        stream(source)


def test_an_event_is_no_source_though_pydantic_would_iterate_over_its_fields() -> None:
    """A function that returns an event instead of a list of events is told so."""

    class Placed(Event):
        total: int

    with pytest.raises(TypeError, match="cannot make a stream of Placed"):
        stream(Placed(total=1))


def test_an_async_generator_that_a_cancel_has_ended_says_so() -> None:
    """The next read raises an error, and only after that comes the end."""

    async def slow() -> AsyncIterator[int]:
        yield 0
        await anyio.sleep(5)
        yield 1

    async def main() -> None:
        for make in (lambda s: s, lambda s: s.map(str), lambda s: s.batches(2), lambda s: s.take_last(1)):
            for source in (slow(), slow, type("Slow", (), {"__aiter__": lambda self: slow()})()):
                chain = make(stream(source))
                with anyio.move_on_after(1):
                    while True:
                        await chain.receive()
                with pytest.raises(RuntimeError, match="ended by a cancelled read"):
                    while True:
                        await chain.receive()
                with pytest.raises(anyio.EndOfStream):
                    await chain.receive()

    on_both_loops(main)


def test_an_async_generator_read_by_a_task_outlives_the_cancelled_reader() -> None:
    """An operator with a task reads it in that task, which the reader's cancel does not reach."""

    async def slow() -> AsyncIterator[int]:
        for number in range(3):
            await anyio.sleep(1)
            yield number

    async def main() -> None:
        async with stream(slow()).merge([]) as chain:
            with anyio.move_on_after(0.5):
                await chain.receive()
            assert [event async for event in chain] == [0, 1, 2]

    on_both_loops(main)


def test_a_plain_iterable_lets_the_loop_turn() -> None:
    """A reader of an endless iterable can be cancelled, and loses nothing."""

    async def main() -> None:
        numbers = stream(iter(range(10**9))).map(int)
        seen = -1
        with anyio.move_on_after(0.0):
            while True:
                seen = await numbers.receive()
        assert 0 <= seen < 1_000
        assert await numbers.receive() == seen + 1

    on_both_loops(main)


def test_a_generator_is_closed_with_its_chain() -> None:
    """This holds for sync and async generators, read to the end or not."""

    async def main() -> None:
        closed: list[str] = []

        def plain() -> Iterator[int]:
            try:
                yield from range(5)
            finally:
                closed.append("plain")

        async def waiting() -> AsyncIterator[int]:
            try:
                for number in range(5):
                    yield number
            finally:
                await anyio.sleep(1)
                closed.append("waiting")

        for source in (plain, plain(), waiting, waiting()):
            async with stream(source).map(int) as chain:
                await chain.receive()
        assert closed == ["plain", "plain", "waiting", "waiting"]

    on_both_loops(main)


@pytest.mark.parametrize("name", ["merge", "concat"])
def test_a_generator_that_had_ended_before_a_cancel_has_ended(name: str) -> None:
    """Cancelling the read of a later source does not make an error of the end of an earlier one."""

    async def once() -> AsyncIterator[str]:  # noqa: ASYNC124 -- it must be async
        yield "a"

    async def main() -> None:
        async with getattr(stream(once()), name)(marbles("---b|")) as chain:
            assert await chain.receive() == "a"
            with anyio.move_on_after(1):
                await chain.receive()
            assert [event async for event in chain] == ["b"]

    on_both_loops(main)


def test_a_state_is_a_source() -> None:
    """Its value now comes first, then each newest, also through operators and as the second source of one."""

    async def main() -> None:
        level = State(1)
        async with stream(level).map(lambda n: n * 10) as tens:
            assert await tens.receive() == 10
            level.set(2)
            assert await tens.receive() == 20
        async with stream("ab").with_latest_from(level) as pairs:
            assert await pairs.receive() == ("a", 2)
        level.close()
        assert await stream(level).to_list() == [2]

    on_both_loops(main)


def test_a_subject_is_a_source_from_the_moment_at_which_its_chain_is_entered() -> None:
    """What is published between entering and the first read is not missed; closing the chain ends the subscription alone."""

    async def main() -> None:
        numbers = Subject(int)
        chain = stream(numbers).map(str)
        assert not numbers.statistics().subscriptions
        async with chain:
            await numbers.publish(1)
            await numbers.publish(2)
            assert [await chain.receive(), await chain.receive()] == ["1", "2"]
        assert not numbers.statistics().subscriptions
        assert await numbers.publish(3) == 0

    on_both_loops(main)


def test_a_source_is_subscribed_to_anew_at_each_start() -> None:
    """``repeat`` and ``retry`` get a new subscription each time, and each is closed."""

    class Countdown:
        """A source of the user's own."""

        def __init__(self) -> None:
            self.probes: list[Probe] = []

        def subscribe(self) -> Probe:
            self.probes.append(Probe(2, error=None if len(self.probes) % 2 else Boom()))
            return self.probes[-1]

    async def main() -> None:
        source = Countdown()
        assert await stream(source).retry(2).to_list() == [0, 1, 0, 1]
        assert await stream(lambda: source).catch(lambda error: source).to_list() == [0, 1, 0, 1]
        assert len(source.probes) == 4
        assert all(probe.closed for probe in source.probes)

    on_both_loops(main)


def test_what_share_returns_is_a_source() -> None:
    """A shared stream can be given to an operator as it is."""

    async def main() -> None:
        async with share(marbles("-ab|"), replay=2) as shared:
            assert await stream("x").concat(shared).to_list() == ["x", "a", "b"]

    on_both_loops(main)


def test_a_class_is_no_source() -> None:
    """``stream(Subject)`` is refused, and the error says what is expected."""
    with pytest.raises(TypeError, match="something with a subscribe method such as a subject or a state"):
        stream(Subject)
