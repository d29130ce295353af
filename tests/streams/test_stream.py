"""Stream: an anyio stream with operators, which any kind of stream can have."""

from __future__ import annotations

import anyio
import anyio.abc
import pytest

from evenflow import Subject
from evenflow.streams import Stream, interval, stream

from .drawing import on_both_loops


def test_it_is_an_anyio_stream() -> None:
    """It can be given to everything that takes an anyio receive stream."""
    assert isinstance(stream([1]), anyio.abc.ObjectReceiveStream)


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


def test_a_kind_of_stream_is_made_by_a_pull() -> None:
    """A subclass with ``_pull`` and ``aclose`` has every operator, and refuses a second reader."""

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
    """Leaving the chain detaches the subscription from its subject."""

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
