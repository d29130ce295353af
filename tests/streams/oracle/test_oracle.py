"""Random programs have the same outcome with our streams as with reactivex: events, times, and the kind of end.

``EVENFLOW_FUZZ_EXAMPLES`` is the number of examples; ``make fuzz`` asks for 50,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx
from hypothesis import assume, given, settings, strategies as st
from reactivex import Observable, operators as ops

from evenflow.streams import Stream
from tests.streams.oracle.differences import DIFFERENCES, document, reference
from tests.streams.oracle.programs import Program, Step, as_drawn, crossings, moments, parts, programs
from tests.streams.oracle.running import Backend, differs, run_ours, run_theirs
from tests.streams.oracle.table import TABLE, Call, Operator
from tests.streams.oracle.timelines import Source

EXAMPLES = int(os.environ.get("EVENFLOW_FUZZ_EXAMPLES", "0"))


def examples(few: int, share: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run ``few`` examples, or a share of those that a long run asks for, whichever is more."""
    return settings(max_examples=max(few, round(EXAMPLES * share)))


def same(program: Program, backend: Backend = "asyncio", *, nervous: bool = False, ties: bool = False) -> None:
    """Run it on both sides, and compare, unless reactivex or trio had to choose what comes first."""
    their = run_theirs(program)
    assume(ties or not their.ties)
    assume(backend == "asyncio" or not their.crowds)  # trio wakes the readers of one source in any order
    mine = run_ours(program, backend, nervous=nervous)
    difference = differs(program, mine, their)
    assert difference is None, f"different: {difference}\n\n{program!r}\n\n  ours   {mine}\n  theirs {their}"


def named(name: str, number: int = 0) -> Operator:
    """Find an operator; several of one name are numbered."""
    return [operator for operator in TABLE if operator.name == name][number]


def ident(operator: Operator) -> str:
    """Return the name of a case."""
    return operator.name


@pytest.mark.parametrize("operator", TABLE, ids=ident)
def test_an_operator_means_what_it_means_in_reactivex(operator: Operator) -> None:
    """One operator, on random timelines and with random arguments, yields the same events at the same times, with the same end."""

    @examples(12, 0.02)
    @given(programs(operator, longest=0))
    def check(program: Program) -> None:
        same(program)

    check()


UNDECIDED = {"timeout", "concat", "exhaust_map", "retry", "repeat"}
"""For these, the order of events at the same time is not defined outside virtual time; see ``differences``."""


@pytest.mark.parametrize(
    "operator", [operator for operator in TABLE if not operator.sink and operator.name not in UNDECIDED], ids=ident
)
def test_what_happens_at_one_moment_happens_as_in_reactivex(operator: Operator) -> None:
    """If several sources and the clock have something at the same time, the first source comes first, and the clock last."""

    @examples(6, 0.01)
    @given(crossings(operator))
    def check(program: Program) -> None:
        same(program, ties=True)

    check()


SEVERAL = [operator for operator in TABLE if operator.others[1] or operator.inners]
"""The operators with several sources."""
TIMED = [
    operator for operator in TABLE if operator.name in {"debounce", "throttle", "sample", "delay", "timeout", "batches"}
]


def all_at_once(operator: Operator) -> Operator:
    """Compare ``flat_map`` with that of reactivex as it is: with turns, ours reads all of one stream first, too."""
    if operator.name != "flat_map":
        return operator
    if not operator.waits:
        return replace(operator, theirs=lambda source, call: source.pipe(ops.flat_map(call.inner)))

    def bounded(source: Observable[Any], call: Call) -> Observable[Any]:
        streams = source.pipe(ops.map(lambda value: rx.defer(lambda _: call.inner(value))))
        return streams.pipe(ops.merge(max_concurrent=call.args[0]))

    return replace(operator, theirs=bounded)


def in_order(program: Program, played: Program, backend: Backend) -> None:
    """Compare both sides to the last event, and the order of events at one moment, too."""
    their = run_theirs(program)
    mine = run_ours(played, backend, turns=True)
    difference = differs(program, mine, their, ordered=True)
    assert difference is None, f"different: {difference}\n\n{program!r}\n\n  ours   {mine}\n  theirs {their}"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("operator", [*SEVERAL, *TIMED, named("retry"), named("repeat"), named("group_by")], ids=ident)
def test_drawings_on_common_ticks_mean_what_they_mean_in_reactivex(operator: Operator, backend: Backend) -> None:
    """Drawings with events, ends and errors in the same ticks give the same events in the same order as in reactivex."""

    @examples(10, 0.02)
    @given(moments(all_at_once(operator)))
    def check(program: Program) -> None:
        in_order(program, as_drawn(program), backend)

    check()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("operator", [operator for operator in SEVERAL if operator.inners], ids=ident)
def test_inner_streams_that_run_all_the_time_take_their_turns(operator: Operator, backend: Backend) -> None:
    """A stream that runs whether it is read or not, and has something with the source, comes after the source."""

    @examples(10, 0.02)
    @given(moments(all_at_once(operator), hot=True))
    def check(program: Program) -> None:
        in_order(program, program, backend)

    check()


@examples(80, 1)
@given(programs(longest=4))
def test_chains_mean_what_they_mean_in_reactivex(program: Program) -> None:
    """A random chain of operators, whose other sources and inner streams are chains too, has the outcome that it has in reactivex."""
    same(program)


@examples(30, 0.2)
@given(programs(longest=3))
def test_a_reader_that_cancels_its_reads_sees_the_same(program: Program) -> None:
    """A reader that keeps cancelling its reads, and reads again, sees what a calm reader would see."""
    assume(not any(isinstance(part, Step) and part.operator.clocked for part in parts(program)))
    same(program, nervous=True)


@examples(30, 0.1)
@given(programs(longest=3), st.booleans())
def test_chains_mean_the_same_on_trio(program: Program, nervous: bool) -> None:
    """On trio a chain has the same outcome."""
    assume(not nervous or not any(isinstance(part, Step) and part.operator.clocked for part in parts(program)))
    same(program, "trio", nervous=nervous)


STARTS = Source(0, hot=False, events=((1017, 1), (2033, 2)), end=3050)


@pytest.mark.parametrize("size, within", [(3, None), (3, 9_450)], ids=["by size", "by time"])
@pytest.mark.parametrize("concurrency", [None, 2], ids=["unbounded", "bounded"])
@pytest.mark.parametrize(
    "events, given_at_last",
    [
        (((3511, 5), (4522, 6)), [(5, 6), (5, 6)]),
        (((1511, 5), (4522, 6)), [(5, 6), (6,)]),
        (((1511, 5), (1722, 6), (4533, 1)), []),
    ],
    ids=["the same", "another", "nothing in the first"],
)
def test_batches_that_one_error_closes_come_before_it(
    events: tuple[tuple[int, int], ...],
    given_at_last: list[object],
    concurrency: int | None,
    size: int,
    within: int | None,
) -> None:
    """If the streams of one flat_map read one source in batches and it fails, each yields what it holds, up to the first that holds nothing."""
    source = Source(1, hot=True, events=events, end=5571, error="source 1")
    batches = Step(named("batches", within is not None), (size, within)[: 1 + (within is not None)], source)
    flat_map = named("flat_map", concurrency is not None)
    program = Step(flat_map, (concurrency,) if concurrency else (), STARTS, (), (batches, batches))
    for nervous in (False, True):
        mine = run_ours(program, nervous=nervous)
        assert differs(program, mine, run_theirs(program)) is None
        assert [event for time, event in mine.events if time == 5571] == given_at_last
        assert (mine.end, mine.ended) == ("boom: source 1", 5571)


def test_a_first_source_that_is_over_at_once_is_over_before_the_next_begins() -> None:
    """The end of ``repeat(0)`` comes before what the next source gives at the same moment; then no tuple can follow."""
    rest = Step(named("start_with"), (0,), Source(0, hot=False, events=(), end=1011))
    program = Step(named("combine_latest"), (), Step(named("repeat"), (0,), STARTS), (rest,))
    mine = run_ours(program)
    assert (mine.events, mine.ended) == ([], 0)
    assert differs(program, mine, run_theirs(program)) is None


def test_every_operator_is_in_the_table_or_among_the_differences() -> None:
    """Every operator is compared, or is listed as different on purpose."""
    given_names = {name for name in dir(Stream) if not name.startswith("_")}
    ways_in = {"receive", "receive_nowait", "aclose", "extra", "extra_attributes"}
    known = {operator.name for operator in TABLE} | {name for difference in DIFFERENCES for name in difference.names}
    assert given_names - ways_in - known == set()
    assert {operator.name for operator in TABLE} - given_names == set()


def test_the_page_of_differences_is_the_list() -> None:
    """DIFFERENCES.md, and the table in the reference, have the same lines as the list."""
    page, text = document()
    assert page.read_text() == text, "run: python -m tests.streams.oracle.differences"
    lines = (Path(__file__).parents[3] / "docs/reference/streams.md").read_text().splitlines()
    assert [line for line in reference() if line not in lines] == []
