"""Stream and ``stream()``: where chains begin, who reads them, and how they are left."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.abc
import pytest

from evenflow import Event, Subject
from evenflow.streams import Stream, interval, stream
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Bench, Boom, Probe


async def letters() -> AsyncIterator[str]:  # noqa: ASYNC124 -- it is to be async
    yield "a"
    yield "b"


class Naive:
    """An iterator that begins when it is asked for an iterator, as in many a tutorial."""

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
    """Gives an iterator that has no more than it must."""

    def __aiter__(self) -> Bare:
        return Bare()


class Again:
    """An async iterable that gives a new iterator each time."""

    def __aiter__(self) -> AsyncIterator[str]:
        return letters()


def test_a_stream_is_made_of_whatever_gives_events() -> None:
    """Iterables, async iterables, receive streams, functions that return one; a stream is itself."""

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
    """The error says what was given and what would do."""
    with pytest.raises(TypeError, match=r"cannot make a stream of .*expected an async iterable, an iterable"):
        stream(source)


def test_an_event_is_no_source_though_pydantic_would_iterate_over_its_fields() -> None:
    """A function that forgets the brackets around its one result is told so."""

    class Placed(Event):
        total: int

    with pytest.raises(TypeError, match="cannot make a stream of Placed"):
        stream(Placed(total=1))


def test_it_is_an_anyio_stream() -> None:
    """Whoever takes a receive stream takes one of ours."""
    assert isinstance(stream([1]), anyio.abc.ObjectReceiveStream)


def test_reading_after_the_end_gives_the_end_and_after_closing_an_error() -> None:
    """anyio's two errors keep their meaning."""

    async def main() -> None:
        for chain in (stream([1]), stream([1]).map(str), stream([1]).merge([])):
            async with chain:
                await chain.receive()
                for _ in range(2):
                    with pytest.raises(anyio.EndOfStream):
                        await chain.receive()
                assert [event async for event in chain] == []
            for _ in range(2):
                with pytest.raises(anyio.ClosedResourceError):
                    await chain.receive()
            with pytest.raises(anyio.ClosedResourceError):
                async with chain:
                    pass
            with pytest.raises(anyio.ClosedResourceError):
                aiter(chain)
            assert "closed" in repr(chain)

    on_both_loops(main)


def test_an_iterator_outlives_a_cancel() -> None:
    """``aiter(chain)`` is an object that can be used again, not a generator that a cancel ends."""

    async def main() -> None:
        iterator = aiter(interval(1).map(str))
        for _ in range(3):
            with anyio.move_on_after(0.2):
                await anext(iterator)
        assert await anext(iterator) == "0"
        assert await anext(iterator) == "1"

    on_both_loops(main)


def test_a_chain_goes_on_under_an_operator_where_it_was_read_to() -> None:
    """Read the head, then hand on the rest."""

    async def main() -> None:
        for chain in (stream(range(4)), stream(range(4)).map(int)):
            assert await chain.receive() == 0
            assert await anext(chain) == 1
            assert await chain.map(str).to_list() == ["2", "3"]
            with pytest.raises(RuntimeError, match="source of map"):
                await chain.receive()

    on_both_loops(main)


def test_an_async_generator_that_a_cancel_has_ended_says_so() -> None:
    """It never looks like an end; the generator's own end does."""

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
    """An operator with a task reads it where the reader's cancel does not reach."""

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
    """A reader of something endless can be cancelled, and loses nothing by it."""

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
    """Sync and async ones, at the end and before it."""

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


def test_letting_go_of_a_chain_lets_go_of_its_source_at_once() -> None:
    """No cycle keeps it alive: a bare ``async for`` that was left by ``break`` holds nothing."""

    async def main() -> None:
        gc.disable()
        try:
            for make in (
                lambda s: s,
                lambda s: s.map(str).filter(bool).scan(lambda a, x: x, 0),
                lambda s: s.concat([1]).catch(lambda e: []).batches(),
                lambda s: s.group_by(str),
            ):
                probe = Probe(5)
                alive = weakref.ref(probe)
                chain = make(stream(probe))
                if not chain._chain.node.needs_task():
                    async for _ in chain:
                        break
                del probe, chain
                assert alive() is None
        finally:
            gc.enable()

    on_both_loops(main)


def test_the_body_of_the_async_with_may_raise_what_it_likes() -> None:
    """A group of its own, a cancel of an outer scope, an error while closing: none of it is wrapped or lost."""

    async def main() -> None:
        group = ExceptionGroup("of the body", [Boom()])
        with pytest.raises(ExceptionGroup) as raised:
            async with marbles("-a").merge(marbles("-")):
                raise group
        assert raised.value is group
        with anyio.CancelScope() as scope:
            async with marbles("-a").merge(marbles("-")):
                scope.cancel()
                await anyio.sleep(1)
        assert scope.cancelled_caught

        class Fails(Probe):
            async def aclose(self) -> None:
                raise LookupError("closing")

        with pytest.raises(LookupError, match="closing"):
            async with stream(Fails(5)).merge(marbles("-")):
                pass
        bench = Bench(5)
        with pytest.raises(LookupError, match="closing"):
            async with stream(Fails(5)).concat(bench.source()) as chain:
                await chain.receive()
        assert bench.all_closed()

    on_both_loops(main)


def test_an_error_while_closing_does_not_hide_the_error_of_the_body() -> None:
    """It becomes a note to it, whether the chain has tasks or not."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError("closing")

    async def main() -> None:
        for make in (lambda s: s.map(str), lambda s: s.merge([])):
            boom = Boom()
            with pytest.raises(Boom) as raised:
                async with make(stream(Fails(5))):
                    raise boom
            assert raised.value is boom
            assert "LookupError('closing')" in boom.__notes__[0]

    on_both_loops(main)


def test_leaving_a_chain_closes_it_though_an_operator_has_taken_it_over() -> None:
    """Whoever entered it has the last word; what was made of it is at its end then."""

    async def main() -> None:
        for make in (lambda s: s.map(int), lambda s: s.merge([])):
            bench = Bench(5, every=1.0)
            async with make(bench.source()) as chain:
                assert await chain.receive() == 0
                rest = chain.map(str)
            assert bench.all_closed()
            await rest.aclose()

    on_both_loops(main)


def test_an_error_while_closing_does_not_hide_the_error_of_the_stream() -> None:
    """It becomes a note to it."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError("closing")

    async def main() -> None:
        boom = Boom()
        chain = stream(Fails(0, error=boom)).map(str)
        with pytest.raises(Boom) as raised:
            await chain.receive()
        assert "LookupError('closing')" in raised.value.__notes__[0]
        with pytest.raises(LookupError):
            await stream(Fails(0)).map(str).receive()

    on_both_loops(main)


def test_an_error_outlives_a_cancel_while_its_chain_is_closed() -> None:
    """The next read raises it again."""

    class Slow(Probe):
        async def aclose(self) -> None:
            await anyio.sleep(5)

    async def main() -> None:
        for make in (lambda s: s.map(str), lambda s: s.batches(2)):
            chain = make(stream(Slow(0, error=Boom())))
            with anyio.move_on_after(1):
                await chain.receive()
            with pytest.raises(Boom):
                await chain.receive()
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()

    on_both_loops(main)


def test_a_kind_of_stream_is_made_by_a_pull() -> None:
    """A subclass with ``_pull`` and ``aclose`` has every operator, and is refused to a second reader."""

    class Countdown(Stream[int]):
        def __init__(self, number: int) -> None:
            self.number = number
            self.closed = False

        async def _pull(self) -> int:
            if not self.number:
                raise anyio.EndOfStream
            self.number -= 1
            return self.number

        def _pull_nowait(self) -> int:
            if not self.number:
                raise anyio.EndOfStream
            self.number -= 1
            return self.number

        async def aclose(self) -> None:
            self.closed = True

    async def main() -> None:
        countdown = Countdown(4)
        assert await countdown.receive() == 3
        assert [number async for number in countdown] == [2, 1, 0]
        countdown = Countdown(4)
        assert await countdown.map(str).batches().to_list() == [("3", "2", "1", "0")]
        assert countdown.closed
        with pytest.raises(RuntimeError, match="source of map"):
            await countdown.receive()
        with pytest.raises(RuntimeError, match="source of map"):
            countdown.filter(bool)

    on_both_loops(main)


def test_a_subscription_is_a_stream_and_is_closed_with_its_chain() -> None:
    """Leaving the end of the chain detaches it from its subject."""

    async def main() -> None:
        numbers = Subject(int)
        async with numbers.subscribe().map(lambda n: n * 2).debounce(0.5) as doubled:
            await numbers.publish_many([1, 2, 3])
            assert await doubled.receive() == 6
            assert len(numbers.statistics().subscriptions) == 1
        assert numbers.statistics().subscriptions == ()
        async with numbers.subscribe().filter(bool).batches() as batches:
            await numbers.publish_many([0, 1, 2])
            assert await batches.receive() == (1, 2)

    on_both_loops(main)
