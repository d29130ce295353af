"""Streams of streams: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams import Stream, _flatten as flatten, share, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench, Boom

INNER = {"a": "12-3|", "b": "4-5|", "c": "#", "d": "|"}


def inner(letter: str) -> Stream[str]:
    return marbles(INNER[letter])


async def slowly(letter: str) -> Stream[str]:
    await anyio.sleep(2)
    return inner(letter)


Case = tuple[str, Callable[[], Stream[Any]], str]

CASES: list[Case] = [
    ("flat_map", lambda: marbles("-a--b--|").flat_map(inner), "-12-(34)-5|"),
    ("flat_map waits for the last", lambda: marbles("-a|").flat_map(inner), "-12-3|"),
    ("flat_map of an error of the source", lambda: marbles("-a-#").flat_map(inner), "-12#"),
    ("flat_map of an error inside", lambda: marbles("-a-c-|").flat_map(inner), "-12#"),
    ("flat_map of nothing", lambda: marbles("-d-|").flat_map(inner), "---|"),
    ("flat_map, one at a time", lambda: marbles("-ab|").flat_map(inner, concurrency=1), "-12-34-5|"),
    ("flat_map, async", lambda: marbles("-a--|").flat_map(slowly), "---12-3|"),
    ("switch_map", lambda: marbles("-a-b---|").switch_map(inner), "-124-5-|"),
    ("switch_map waits for the newest", lambda: marbles("-b|").switch_map(inner), "-4-5|"),
    ("switch_map of an error of the source", lambda: marbles("-a-#").switch_map(inner), "-12#"),
    ("switch_map of an error inside", lambda: marbles("-a-c-|").switch_map(inner), "-12#"),
    ("switch_map, async, cancels the function", lambda: marbles("-ab-----|").switch_map(slowly), "----4-5-|"),
    ("exhaust_map", lambda: marbles("-a-b--b-|").exhaust_map(inner), "-12-3-4-5|"),
    ("exhaust_map of what comes too early", lambda: marbles("-aab-----|").exhaust_map(inner), "-12-3----|"),
    ("exhaust_map of an error inside", lambda: marbles("-c-|").exhaust_map(inner), "-#"),
    ("exhaust_map, async", lambda: marbles("-ab-------|").exhaust_map(slowly), "---12-3---|"),
]


@pytest.mark.parametrize("name, make, expected", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(name: str, make: Callable[[], Stream[Any]], expected: str) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected)


def test_flat_map_runs_a_limited_number_of_streams_and_then_the_source_waits() -> None:
    """With ``concurrency=2`` a third event is not asked for before one of the two streams has ended."""

    async def main() -> None:
        bench = Bench(10)
        running: list[int] = []

        async def count(number: int) -> Any:
            running.append(number)
            await anyio.sleep(10)
            return [number]

        async with bench.source().flat_map(count, concurrency=2) as chain:
            await anyio.sleep(5)
            assert running == [0, 1]
            assert bench.probes[0].given == 2
            assert sorted([await chain.receive(), await chain.receive()]) == [0, 1]

    on_both_loops(main)


def test_a_switch_closes_the_stream_before_it_starts_the_next() -> None:
    """Two streams of one ``switch_map`` are never open at the same time."""

    async def main() -> None:
        bench = Bench(3, every=1.0)
        inside: list[Any] = []

        def start(_: object) -> Stream[Any]:
            assert all(probe.closed for probe in inside)
            made = bench.source(count=10, every=0.4)
            inside.append(bench.probes[-1])
            return made

        async with bench.source().switch_map(start) as chain:
            assert [event async for event in chain]
        assert len(inside) == 3
        assert bench.all_closed()

    on_both_loops(main)


def test_a_switch_drops_what_nobody_has_read() -> None:
    """A slow reader of ``switch_map`` gets the newest event."""

    async def main() -> None:
        async def answer(letter: str) -> list[str]:
            await anyio.sleep(0.5)
            return [letter.upper()]

        async with marbles("abc|").switch_map(answer) as chain:
            await anyio.sleep(10)
            assert [event async for event in chain] == ["C"]

    on_both_loops(main)


@pytest.mark.parametrize("name", ["switch_map", "exhaust_map"])
def test_what_a_stream_gives_without_waiting_it_gives_before_the_source_is_read_on(name: str) -> None:
    """As in Rx, a synchronous stream ends before the next event is taken."""

    async def letters(number: int) -> Any:  # noqa: ASYNC124 -- it must be async
        for letter in "ab":
            yield f"{number}{letter}"

    async def main() -> None:
        for function in (letters, lambda n: [f"{n}a", f"{n}b"], lambda n: stream([f"{n}a", f"{n}b"]).map(str)):
            got = await getattr(stream([1, 2, 3]), name)(function).to_list()
            assert got == ["1a", "1b", "2a", "2b", "3a", "3b"]

    on_both_loops(main)


def test_what_cannot_be_a_stream_is_an_error_of_the_chain() -> None:
    """A function that returns an event where a stream is needed raises ``TypeError`` in the chain."""

    async def main() -> None:
        for name in ("flat_map", "concat_map", "switch_map", "exhaust_map"):
            with pytest.raises(TypeError, match="cannot make a stream of 1"):
                await getattr(stream([1]), name)(lambda n: n).to_list()

    on_both_loops(main)


@pytest.mark.parametrize("name", ["flat_map", "switch_map"])
def test_what_needs_no_time_is_given_in_the_order_of_the_source(name: str) -> None:
    """Of two events at the same time, the stream of the first yields all it has ready before the stream of the second does."""

    async def main() -> None:
        chain = getattr(marbles("-(ab)|"), name)(lambda letter: [letter, letter.upper()])
        assert await chain.to_list() == ["a", "A", "b", "B"]

    on_both_loops(main)


def test_flat_map_gives_what_came_before_an_error() -> None:
    """If an event and an error come at the same time, what the event's stream has ready is yielded before the error."""

    async def main() -> None:
        def fails() -> Any:
            yield "a"
            raise Boom

        seen: list[str] = []
        with pytest.raises(Boom):
            await stream(fails).flat_map(lambda letter: [letter]).for_each(seen.append)
        assert seen == ["a"]

    on_both_loops(main)


@pytest.mark.parametrize("within", [None, 9.0])
def test_flat_map_gives_the_batches_of_all_streams_before_the_error_that_closed_them(within: float | None) -> None:
    """If two streams read one source in batches and it fails, both yield what they hold, and then the error comes."""

    async def main() -> None:
        seen: list[Any] = []
        async with share(marbles("-ab#", error=Boom())) as source:
            batches = stream(["one", "two"]).flat_map(lambda name: source.subscribe().batches(3, within))
            with pytest.raises(Boom):
                await batches.for_each(seen.append)
        assert seen == [("a", "b"), ("a", "b")]
        assert anyio.current_time() == 3

    on_both_loops(main)


def test_a_stream_that_is_never_out_of_events_does_not_hold_up_the_source() -> None:
    """``switch_map`` leaves a stream that always has another event, and ``flat_map`` starts the next one beside it."""

    async def main() -> None:
        async def endless() -> Any:
            while True:
                yield "more"
                await checkpoint()

        for name in ("flat_map", "switch_map"):
            chain = getattr(stream(["endless", "other"]), name)(lambda what: endless() if what == "endless" else [what])
            assert await chain.filter(lambda event: event == "other").first() == "other"

    on_both_loops(main)


@pytest.mark.parametrize("keys", [16, 17, 1_000])
def test_flat_map_reads_all_groups_of_group_by(keys: int) -> None:
    """Without a limit as many streams run as come, so groups that end with their source do not wait for each other."""

    async def main() -> None:
        got = await stream(range(2_000)).group_by(lambda n: n % keys).flat_map(lambda pair: pair[1]).to_list()
        assert sorted(got) == list(range(2_000))

    on_both_loops(main)


def test_more_streams_at_once_than_flat_map_can_run_are_an_error() -> None:
    """It says how many there are, and that a limit makes the source wait."""
    assert flatten.MOST_STREAMS == 10_000

    async def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flatten, "MOST_STREAMS", 20)
            never = stream(range(100)).flat_map(lambda n: marbles("-"))
            with pytest.raises(RuntimeError, match=r"runs 20 streams at once.*concurrency=n, so that the source waits"):
                await never.to_list()
            twenty = stream(range(20)).flat_map(lambda n: marbles("-|"))
            assert await twenty.to_list() == []

    on_both_loops(main)


async def written_by_hand(pair: tuple[int, Stream[int]]) -> Any:
    async for event in pair[1]:
        yield event


Inner = Callable[[Any], Any]
WAITS_AT_ONCE: dict[str, Inner] = {
    "the group": lambda pair: pair[1],
    "operators on it": lambda pair: pair[1].map(str).filter(bool).enumerate(),
    "an async generator": written_by_hand,
    "with others before it": lambda pair: stream([1]).concat(pair[1]),
}
WAITS_FOR_LONG: dict[str, Inner] = {
    "an operator that looks at the clock": lambda pair: pair[1].debounce(0.1),
    "an operator with a task": lambda pair: pair[1].merge(marbles("--x|")),
    "a time that comes late": lambda pair: pair[1].take_until(marbles("------------------x")),
}


@pytest.mark.parametrize("kind", [*WAITS_AT_ONCE, *WAITS_FOR_LONG])
def test_a_limit_below_the_number_of_groups_is_an_error_and_no_hang(kind: str) -> None:
    """``flat_map`` that reads no further group, and groups that wait for each other, say so: at once where that is sure."""
    read = (WAITS_AT_ONCE | WAITS_FOR_LONG)[kind]

    async def main() -> None:
        began = anyio.current_time()
        with pytest.raises(RuntimeError, match=r"at most concurrency=3 streams, and all of them wait for groups"):
            await stream(range(100)).group_by(lambda n: n % 4).flat_map(read, concurrency=3).to_list()
        assert anyio.current_time() - began < (0.1 if kind in WAITS_AT_ONCE else 10)

    on_both_loops(main)


def test_the_error_comes_in_real_time_and_under_a_time_limit_too() -> None:
    """A limit around everything changes nothing about what waits for what."""

    async def main() -> None:
        with anyio.fail_after(3), pytest.raises(RuntimeError, match="all of them wait for groups"):
            await stream(range(100)).group_by(lambda n: n % 3).flat_map(lambda pair: pair[1], concurrency=2).to_list()

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)


async def handle_slowly(_: object) -> None:
    await anyio.sleep(1)


@pytest.mark.parametrize("kind", [*WAITS_AT_ONCE, *WAITS_FOR_LONG, "an operator that holds an event"])
def test_a_slow_reader_does_not_turn_that_error_into_a_hang(kind: str) -> None:
    """An event that the reader has not taken yet may be the last move: when it is taken, the streams are looked at again."""
    read = (WAITS_AT_ONCE | WAITS_FOR_LONG).get(kind, lambda pair: pair[1].map(str, concurrency=2))

    async def main() -> None:
        with anyio.fail_after(60), pytest.raises(RuntimeError, match="all of them wait for groups"):
            await stream(range(100)).group_by(lambda n: n % 4).flat_map(read, concurrency=3).for_each(handle_slowly)

    on_both_loops(main)


MOVES: dict[str, tuple[Inner, int]] = {
    "streams that end by themselves": (lambda pair: pair[1].take(2), 8),
    "streams that are busy with an event": (lambda pair: pair[1].take(1).map(slowly_itself), 4),
    "streams that another source ends": (lambda pair: pair[1].take_until(marbles("--x")), 0),
    "streams that a time limit ends": (lambda pair: pair[1].timeout(2).catch(lambda error: []), 0),
}


async def slowly_itself(number: int) -> int:
    await anyio.sleep(20)
    return number


@pytest.mark.parametrize("kind", MOVES)
def test_a_limit_below_the_number_of_groups_is_no_error_where_streams_end(kind: str) -> None:
    """Whatever will end makes room for the next group, so it is waited for."""
    read, count = MOVES[kind]

    async def main() -> None:
        got = await stream(range(100)).group_by(lambda n: n // 25).flat_map(read, concurrency=2).to_list()
        assert len(got) == count or (not count and got)

    on_both_loops(main)


def test_a_slow_reader_of_groups_at_their_limit_is_no_error() -> None:
    """What waits for the reader does not stand still, however long that takes."""

    async def main() -> None:
        groups = stream(range(12)).group_by(lambda n: n // 3)
        async with groups.flat_map(lambda pair: pair[1].merge([]).take(2), concurrency=2) as chain:
            got = []
            async for event in chain:
                got.append(event)
                await anyio.sleep(100)
        assert sorted(got) == [0, 1, 3, 4, 6, 7, 9, 10]

    on_both_loops(main)


def test_idle_groups_make_room_for_more() -> None:
    """With ``group_by(idle=...)`` a limit is no error: the groups end, and the next one is read."""

    async def main() -> None:
        chain = marbles("abcdef|").group_by(str, idle=3).flat_map(lambda pair: pair[1], concurrency=2)
        assert "".join(await chain.to_list()) == "abcdef"

    on_both_loops(main)


@pytest.mark.parametrize("kind", WAITS_AT_ONCE)
def test_concat_map_over_groups_that_wait_for_each_other_is_an_error_and_no_hang(kind: str) -> None:
    """It reads no further group before the one that it reads has ended, and that ends with the source."""

    async def main() -> None:
        groups = stream(range(100)).group_by(lambda n: n % 2)
        with anyio.fail_after(60), pytest.raises(RuntimeError, match=r"read the groups with flat_map, side by side"):
            await groups.concat_map(WAITS_AT_ONCE[kind]).to_list()

    on_both_loops(main)


def test_concat_map_over_groups_that_end_or_of_which_there_is_one_is_no_error() -> None:
    """Whatever ends makes way for the next group."""

    async def main() -> None:
        got = await stream(range(9)).group_by(lambda n: n // 3).concat_map(lambda pair: pair[1].take(2)).to_list()
        assert got == [0, 1, 3, 4, 6, 7]
        assert await stream(range(9)).group_by(lambda n: 0).concat_map(lambda pair: pair[1]).to_list() == list(range(9))
        ends = (
            stream(range(9)).group_by(lambda n: n % 2).concat_map(lambda pair: pair[1].timeout(1).catch(lambda _: []))
        )
        assert (await ends.to_list())[0] == 0
        idle = marbles("abc|").group_by(str, idle=3).concat_map(lambda pair: pair[1])
        assert await idle.to_list() == ["a", "b", "c"]

    on_both_loops(main)


def test_streams_at_their_limit_that_end_once_they_were_read_are_no_error() -> None:
    """However late the reader comes, its reading makes room for the next group."""

    async def main() -> None:
        firsts = stream(range(5)).group_by(lambda n: n).flat_map(lambda pair: pair[1].merge([]).take(1), concurrency=2)
        async with firsts as chain:
            await anyio.sleep(100)
            assert [event async for event in chain] == [0, 1, 2, 3, 4]

    on_both_loops(main)
