"""Several sources: drawings, and what a drawing cannot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench, Boom

Case = tuple[str, Callable[[], Stream[Any]], str, dict[str, Any]]

AX = ("a", "x")
AY = ("a", "y")
BX = ("b", "x")
BY = ("b", "y")

CASES: list[Case] = [
    ("merge", lambda: marbles("-a--b|").merge(marbles("--x---y|")), "-ax-b-y|", {}),
    ("merge of three", lambda: marbles("a|").merge(marbles("-b|"), marbles("--c|")), "abc|", {}),
    ("merge of an error", lambda: marbles("-a--b|").merge(marbles("--#")), "-a#", {}),
    ("merge with nothing", lambda: marbles("-a-|").merge(), "-a-|", {}),
    ("zip", lambda: marbles("-a-b-c|").zip(marbles("--x----y-|")), "--p----q-|", {"p": AX, "q": BY}),
    (
        "zip ends with the pair that was the last",
        lambda: marbles("-a|").zip(marbles("---x----y")),
        "---(p|)",
        {"p": AX},
    ),
    ("zip ends without a partner", lambda: marbles("-a-b|").zip(marbles("---|")), "---|", {}),
    ("zip of an error", lambda: marbles("-a-b|").zip(marbles("--x#")), "--p#", {"p": AX}),
    ("zip_latest", lambda: marbles("-ab----|").zip_latest(marbles("---x--y|")), "---p---|", {"p": BX}),
    ("zip_latest ends with the last pair", lambda: marbles("-a|").zip_latest(marbles("---x-y|")), "---(p|)", {"p": AX}),
    ("zip_latest of an error", lambda: marbles("-a----|").zip_latest(marbles("---#")), "---#", {}),
    (
        "combine_latest",
        lambda: marbles("-a--b---|").combine_latest(marbles("--x--y|")),
        "--p-qr--|",
        {"p": AX, "q": BX, "r": BY},
    ),
    ("combine_latest with nothing", lambda: marbles("-a-|").combine_latest(marbles("----|")), "----|", {}),
    ("combine_latest that can give none", lambda: marbles("-a-b|").combine_latest(marbles("--|")), "---|", {}),
    ("combine_latest of an error", lambda: marbles("-a-b|").combine_latest(marbles("--#")), "--#", {}),
]


@pytest.mark.parametrize("name, make, expected, values", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(
    name: str, make: Callable[[], Stream[Any]], expected: str, values: dict[str, Any]
) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected, **values)


def test_all_sources_are_started_together() -> None:
    """The time of the second source runs from the start, not from the first event of the first source."""

    async def main() -> None:
        async with marbles("---a|").zip(marbles("---x|")) as chain:
            start = anyio.current_time()
            assert await chain.receive() == AX
            assert anyio.current_time() - start == pytest.approx(3)

    on_both_loops(main)


def test_a_source_that_has_ended_is_closed_while_the_others_go_on() -> None:
    """``merge`` closes each source at its end, not at the end of all."""

    async def main() -> None:
        bench = Bench(10, every=1.0)
        async with bench.source(count=1).merge(bench.source()) as chain:
            assert [await chain.receive() for _ in range(4)]
            assert [probe.closed for probe in bench.probes] == [1, 0]

    on_both_loops(main)


def test_an_error_does_not_overtake_the_tuple_that_is_complete() -> None:
    """``zip`` yields the complete tuples first, then raises the error."""

    async def main() -> None:
        boom = Boom()
        got = []
        with pytest.raises(Boom):
            async with stream("abc").zip(marbles("(xy#)", error=boom)) as chain:
                async for pair in chain:
                    got.append(pair)
        assert got == [AX, BY]

    on_both_loops(main)


def test_events_may_compare_as_they_like() -> None:
    """The operators never compare events with ``==``."""

    class Equal:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("nobody asks")

        __hash__ = None

    async def main() -> None:
        events = [Equal(), Equal()]
        assert await stream(events).zip(events).count() == 2
        assert await stream(events).combine_latest(events).count() >= 1
        assert await stream(events).with_latest_from(events).count() == 2

    on_both_loops(main)


def test_a_stream_cannot_be_merged_with_itself() -> None:
    """A stream has one reader, and the error names ``share``."""
    source = stream([1])
    with pytest.raises(RuntimeError, match="share"):
        source.merge(source)


def test_a_read_that_waits_gets_the_end_when_the_chain_is_closed_elsewhere() -> None:
    """Closing wakes the reader with ``ClosedResourceError``."""

    async def main() -> None:
        makes: list[Callable[[Stream[Any]], Stream[Any]]] = [
            lambda s: s.merge(marbles("-----")),
            lambda s: s.zip(marbles("-----")),
            lambda s: s.race(marbles("-----")),
            lambda s: s.debounce(1),
            lambda s: s.delay(1),
            lambda s: s.batches(within=1),
            lambda s: s.flat_map(lambda x: [x]),
            lambda s: s.group_by(lambda x: x),
        ]
        for make in makes:
            raised: list[type[BaseException]] = []
            async with make(marbles("----")) as chain, anyio.create_task_group() as group:
                group.start_soon(read_one, chain, raised)
                await anyio.sleep(1)
                await chain.aclose()
            assert raised == [anyio.ClosedResourceError]

    on_both_loops(main)


async def read_one(chain: Stream[Any], raised: list[type[BaseException]]) -> None:
    try:
        await chain.receive()
    except Exception as error:
        raised.append(type(error))
