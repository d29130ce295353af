"""share: one stream for many subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from evenflow import Source, State, Subject, share as from_the_top, streams
from evenflow.streams import interval, share, stream
from evenflow.streams._chain import Chain
from evenflow.testing import marbles, run_virtual

from .streams.drawing import on_both_loops
from .streams.probes import Bench, Boom


def test_the_source_is_read_once_for_all_subscribers() -> None:
    """Each subscriber gets everything, and the source gave each item once."""

    async def main() -> None:
        bench = Bench(5)
        async with share(bench.source()) as shared:
            one, other = shared.subscribe(), shared.subscribe()
            assert await one.to_list() == [0, 1, 2, 3, 4]
            assert await other.map(str).to_list() == ["0", "1", "2", "3", "4"]
        assert bench.probes[0].given == 5
        assert bench.all_closed()

    on_both_loops(main)


def test_a_late_subscriber_gets_the_replay_then_what_comes() -> None:
    """With `replay=False` it gets only what comes from then on."""

    async def main() -> None:
        async with share(interval(1), replay=2) as shared:
            await anyio.sleep(3.5)
            async with shared.subscribe() as late, shared.subscribe(replay=False) as live:
                assert [await late.receive() for _ in range(3)] == [1, 2, 3]
                assert await live.receive() == 3

    on_both_loops(main)


def test_a_subscriber_after_the_end_gets_the_replay_and_the_end() -> None:
    """It does not wait."""

    async def main() -> None:
        async with share([1, 2, 3], replay=1) as shared:
            assert await shared.subscribe().to_list() == [1, 2, 3]
            assert await shared.subscribe().to_list() == [3]

    on_both_loops(main)


def test_an_error_reaches_every_subscriber_after_what_came_before() -> None:
    """Leaving the share raises nothing, because the error belongs to the subscribers."""

    async def main() -> None:
        boom = Boom()
        async with share(marbles("ab#", error=boom)) as shared:
            readers = [shared.subscribe(), shared.subscribe()]
            for reader in readers:
                got: list[Any] = []
                with pytest.raises(Boom):
                    await reader.for_each(got.append)
                assert got == ["a", "b"]

    on_both_loops(main)


def test_leaving_ends_the_source_and_what_is_buffered_stays_readable() -> None:
    """The subscribers get their buffers, then the end."""

    async def main() -> None:
        bench = Bench(100, every=1.0)
        async with share(bench.source()) as shared:
            reader = shared.subscribe()
            await anyio.sleep(2.5)
        assert bench.all_closed()
        assert await reader.to_list() == [0, 1, 2]

    on_both_loops(main)


def test_a_full_subscriber_makes_the_source_wait() -> None:
    """Backpressure passes through the share."""

    async def main() -> None:
        bench = Bench(100)
        async with share(bench.source()) as shared, shared.subscribe(buffer=3) as slow:
            await anyio.sleep(1)
            assert bench.probes[0].given == 4
            assert [await slow.receive() for _ in range(100)] == list(range(100))

    on_both_loops(main)


def test_what_the_body_raises_goes_out_as_it_is() -> None:
    """It is in no group, and the source is closed."""

    async def main() -> None:
        boom = Boom()
        bench = Bench(100, every=1.0)
        with pytest.raises(Boom) as raised:
            async with share(bench.source()):
                await anyio.sleep(1)
                raise boom
        assert raised.value is boom
        assert bench.all_closed()

    on_both_loops(main)


def test_a_share_owns_its_source_and_runs_once_at_a_time() -> None:
    """Nobody else can read the source, and a share that runs cannot be entered again."""

    async def main() -> None:
        source = stream([1])
        shared: Source[int] = share(source)
        with pytest.raises(RuntimeError, match="source of share"):
            source.map(str)
        async with share([1]) as running:
            with pytest.raises(RuntimeError, match="runs already"):
                await running.__aenter__()
        assert "Shared" in repr(shared)
        with pytest.raises(ValueError, match="replay"):
            share([1], replay=-1)

    on_both_loops(main)


def test_a_state_can_be_shared_and_both_names_are_one_function() -> None:
    """`evenflow.share` and `evenflow.streams.share` are the same."""
    assert share is from_the_top
    with pytest.raises(AttributeError, match="no attribute 'shared'"):
        getattr(streams, "sha" + "red")

    async def main() -> None:
        state = State(1)
        async with share(state.subscribe().map(str)) as shared, shared.subscribe() as values:
            assert await values.receive() == "1"
            state.set(2)
            assert await values.receive() == "2"

    on_both_loops(main)


def test_what_is_published_right_after_entering_is_shared() -> None:
    """A subject is subscribed to when the share is entered, and not when its task first runs."""

    async def main() -> None:
        subject = Subject(int)
        async with share(subject) as shared, shared.subscribe() as reader:
            subject.publish_nowait(1)
            assert await reader.receive() == 1
        assert subject.statistics().subscriptions == ()

    on_both_loops(main)


class NoException(BaseException):
    """What no `except Exception` catches."""


def test_what_is_no_exception_reaches_the_subscribers_and_whoever_leaves() -> None:
    """Nobody waits for ever."""

    async def source() -> AsyncIterator[int]:
        yield 1
        raise NoException

    async def main() -> None:
        got: list[int] = []
        with pytest.raises(NoException):
            async with share(source) as shared:
                reader = shared.subscribe()
                with pytest.raises(NoException):
                    await reader.for_each(got.append)
                got.append(2)
        assert got == [1, 2]

    on_both_loops(main)


def test_a_cancellation_that_the_source_lets_out_ends_the_subscribers() -> None:
    """Such as that of a future that somebody else has cancelled."""

    async def source() -> AsyncIterator[int]:
        yield 1
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async def main() -> None:
        got: list[int] = []
        async with share(source) as shared:
            with pytest.raises(RuntimeError, match="cancelled by somebody else"):
                await shared.subscribe().for_each(got.append)
        assert got == [1]

    run_virtual(main)


def test_a_share_that_was_left_cannot_be_entered_again() -> None:
    """Its source is closed."""

    async def main() -> None:
        shared = share([1])
        async with shared:
            pass
        with pytest.raises(anyio.ClosedResourceError):
            await shared.__aenter__()

    on_both_loops(main)


def test_a_share_that_is_being_entered_cannot_be_entered_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sources take a while to begin; if that is cancelled, it can be entered after all."""
    enter = Chain.enter

    async def enter_slowly(chain: Chain[Any]) -> None:
        await anyio.sleep(1)
        await enter(chain)

    monkeypatch.setattr(Chain, "enter", enter_slowly)

    async def main() -> None:
        shared, refused = share([1], replay=1), list[bool]()
        with anyio.move_on_after(0.5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shared.__aenter__)
                await anyio.sleep(0.1)
                with pytest.raises(RuntimeError, match="runs already"):
                    await shared.__aenter__()
                refused.append(True)
        assert refused
        async with shared:
            assert await shared.subscribe().to_list() == [1]

    on_both_loops(main)
