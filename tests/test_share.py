"""share: one stream for many subscribers."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import Source, State, share as from_the_top, streams
from evenflow.streams import interval, share, stream
from evenflow.testing import marbles

from .streams.drawing import on_both_loops
from .streams.probes import Bench, Boom


def test_everyone_who_subscribed_gets_everything_once_read() -> None:
    """The source is read once, whoever and how many read it."""

    async def main() -> None:
        bench = Bench(5)
        async with share(bench.source()) as shared:
            one, other = shared.subscribe(), shared.subscribe()
            assert await one.to_list() == [0, 1, 2, 3, 4]
            assert await other.map(str).to_list() == ["0", "1", "2", "3", "4"]
        assert bench.probes[0].given == 5
        assert bench.all_closed()

    on_both_loops(main)


def test_who_comes_late_gets_the_replay_and_then_what_comes() -> None:
    """Without a replay it is what comes from then on."""

    async def main() -> None:
        async with share(interval(1), replay=2) as shared:
            await anyio.sleep(3.5)
            async with shared.subscribe() as late, shared.subscribe(replay=False) as live:
                assert [await late.receive() for _ in range(3)] == [1, 2, 3]
                assert await live.receive() == 3

    on_both_loops(main)


def test_after_the_end_there_is_the_replay_and_the_end() -> None:
    """A subscriber that comes after the end is not left waiting."""

    async def main() -> None:
        async with share([1, 2, 3], replay=1) as shared:
            assert await shared.subscribe().to_list() == [1, 2, 3]
            assert await shared.subscribe().to_list() == [3]

    on_both_loops(main)


def test_an_error_reaches_every_subscriber_after_what_came_before() -> None:
    """And leaving goes without an error: the error is theirs."""

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
    """The subscribers get what they have, and then the end."""

    async def main() -> None:
        bench = Bench(100, every=1.0)
        async with share(bench.source()) as shared:
            reader = shared.subscribe()
            await anyio.sleep(2.5)
        assert bench.all_closed()
        assert await reader.to_list() == [0, 1, 2]

    on_both_loops(main)


def test_a_slow_subscriber_holds_the_source_up() -> None:
    """Backpressure goes through: a full buffer is a source that waits."""

    async def main() -> None:
        bench = Bench(100)
        async with share(bench.source()) as shared, shared.subscribe(buffer=3) as slow:
            await anyio.sleep(1)
            assert bench.probes[0].given == 4
            assert [await slow.receive() for _ in range(100)] == list(range(100))

    on_both_loops(main)


def test_what_the_body_raises_goes_out_as_it_is() -> None:
    """In no group, and the source is closed."""

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


def test_it_owns_its_source_and_runs_once_at_a_time() -> None:
    """The stream has one reader, which is the share; and that is entered once."""

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


def test_a_state_can_be_shared_and_the_function_is_found_at_both_places() -> None:
    """``evenflow.share`` and ``evenflow.streams.share`` are one."""
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
