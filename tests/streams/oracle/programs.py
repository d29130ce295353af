"""Random programs: sources, and chains of operators on them, whose other sources may be chains too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from reactivex import Observable

from evenflow.streams import Stream, interval, stream, timer
from tests.streams.oracle.functions import weigh
from tests.streams.oracle.table import TABLE, Call, Operator, durations
from tests.streams.oracle.timelines import Given, Now, Source, Stage, Ticks, World, drawings, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STREAMING = tuple(operator for operator in TABLE if not operator.sink)
PATIENT = tuple(operator for operator in STREAMING if operator.patient)

RESTARTING = {"concat", "catch", "retry", "repeat"}
"""Operators that start a source later, or again: it must be cold on both sides."""


@dataclass(frozen=True)
class Step:
    """An operator on a source."""

    operator: Operator
    args: tuple[Any, ...]
    source: Program
    others: tuple[Program, ...] = ()
    inners: tuple[Program, ...] = ()

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *map(repr, self.others), *(f"-> {inner!r}" for inner in self.inners)]
        return f"{self.source!r}\n  .{self.operator.name}({', '.join(given)})"


Program = Source | Now | Ticks | Step


def parts(program: Program) -> Iterator[Program]:
    """Yield every part of a program."""
    yield program
    if isinstance(program, Step):
        for part in (program.source, *program.others, *program.inners):
            yield from parts(part)


def hot_sources(program: Program) -> list[Source]:
    """Return the sources that run whether anybody reads them or not."""
    return list({part.number: part for part in parts(program) if isinstance(part, Source) and part.hot}.values())


# -- drawing one


class Numbers:
    """Numbers the sources of a program."""

    def __init__(self) -> None:
        self.last = -1

    def next(self) -> int:
        self.last += 1
        return self.last


@st.composite
def programs(draw: st.DrawFn, about: Operator | None = None, longest: int = 3, *, ties: bool = False) -> Program:
    """Draw a chain of up to ``longest`` operators, and ``about`` among them."""
    names = draw(st.lists(st.sampled_from(STREAMING), max_size=longest, min_size=0 if about else 1))
    if about is not None:
        place = len(names) if about.sink else draw(st.integers(0, len(names)))
        names.insert(place, about)
    return draw(chains(names, Numbers(), depth=1, ties=ties))


@st.composite
def crossings(draw: st.DrawFn, operator: Operator) -> Program:
    """Draw one operator on hot sources, with everything on the tick, so that much happens at the same time."""
    numbers = Numbers()
    first, *others = (
        draw(sources(numbers.next(), hot=True, calm=True, ties=True))
        for _ in range(1 + draw(st.integers(*operator.others)))
    )
    inners = (draw(sources(numbers.next(), hot=False, calm=True, ties=True)) for _ in range(operator.inners))
    args = on_the_tick(draw(operator.arguments(True)))
    return Step(operator, args, first, tuple(others), tuple(inners))


@st.composite
def moments(draw: st.DrawFn, operator: Operator, *, hot: bool = False) -> Program:
    """Draw one operator on drawings with common ticks, bursts and errors.

    What is read from the start only is hot on their side, because that gives the sources their order there.
    Inner streams are hot, too, if ``hot`` asks for it.
    """
    numbers = Numbers()
    restarts = operator.name in RESTARTING

    def drawing(*, hot: bool) -> Source:
        return draw(drawings(numbers.next(), hot=hot, calm=operator.waits))

    first, *others = (drawing(hot=not restarts) for _ in range(1 + draw(st.integers(*operator.others))))
    inners = tuple(drawing(hot=hot) for _ in range(operator.inners))
    return Step(operator, on_the_tick(draw(operator.arguments(True))), first, tuple(others), inners)


def as_drawn(program: Program) -> Program:
    """Make every source cold, for ours: a drawing that is read from the start says the same as a hot source."""
    if isinstance(program, Step):
        source, others = as_drawn(program.source), tuple(map(as_drawn, program.others))
        return replace(program, source=source, others=others, inners=tuple(map(as_drawn, program.inners)))
    return replace(program, hot=False) if isinstance(program, Source) else program


@st.composite
def chains(
    draw: st.DrawFn, names: list[Operator], numbers: Numbers, *, depth: int, calm: bool = False, ties: bool = False
) -> Program:
    """Draw a chain of these operators; only patient ones stand before one that waits."""
    last_wait = max((place for place, operator in enumerate(names) if operator.waits), default=-1)
    names = [
        operator if place >= last_wait or operator.patient else draw(st.sampled_from(PATIENT))
        for place, operator in enumerate(names)
    ]
    program: Program = draw(beginnings(numbers, calm=calm or last_wait >= 0, ties=ties))
    for place, operator in enumerate(names):
        quiet = calm or place < last_wait
        waits = place <= last_wait
        fewest, most = operator.others
        others = tuple(
            draw(smaller(numbers, depth=depth - 1, patient=waits, calm=quiet or waits, ties=ties))
            for _ in range(draw(st.integers(fewest, most)))
        )
        inners = tuple(
            draw(smaller(numbers, depth=depth - 1, patient=False, calm=calm, ties=ties, now=True))
            for _ in range(operator.inners)
        )
        args = draw(operator.arguments(quiet or waits))
        program = Step(operator, on_the_tick(args) if ties else args, program, others, inners)
    return program


@st.composite
def beginnings(draw: st.DrawFn, numbers: Numbers, *, calm: bool, ties: bool, now: bool = False) -> Program:
    """Draw a source."""
    if now and draw(st.integers(0, 3)) == 0:
        return Now(tuple(draw(st.lists(st.integers(0, 6), max_size=3))))
    if not ties and draw(st.integers(0, 7)) == 7:
        return Ticks(draw(durations()), draw(st.booleans()))
    return draw(sources(numbers.next(), calm=calm, ties=ties))


@st.composite
def smaller(
    draw: st.DrawFn, numbers: Numbers, *, depth: int, patient: bool, calm: bool, ties: bool, now: bool = False
) -> Program:
    """Draw another source, or a short chain on one."""
    names = [
        operator
        for operator in (PATIENT if patient else STREAMING)
        if depth or not (operator.others[1] or operator.inners)
    ]
    chosen = draw(st.lists(st.sampled_from(names), max_size=1))
    if not chosen:
        return draw(beginnings(numbers, calm=calm, ties=ties, now=now))
    return draw(chains(chosen, numbers, depth=depth, calm=calm, ties=ties))


def on_the_tick(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Round durations to whole ticks."""
    return tuple(max(arg // 1_000, 1) * 1_000 if isinstance(arg, int) and arg > 400 else arg for arg in args)


# -- building it


def ours(program: Program, world: World, finished: Callable[[], None]) -> Any:
    """Build the program of our operators; the result can be given to ``stream()``."""
    if isinstance(program, Now):
        return list(program.values)
    if isinstance(program, Ticks):
        return (interval if program.endless else timer)(program.seconds)
    if isinstance(program, Source):
        return Given(world, program)

    def inner(value: object) -> Any:
        return ours(program.inners[weigh(value) % len(program.inners)], world, finished)

    source: Stream[Any] = stream(ours(program.source, world, finished))
    others = [ours(other, world, finished) for other in program.others]
    return program.operator.ours(source, Call(program.args, others, inner, None, finished))  # type: ignore[arg-type]


def theirs(program: Program, stage: Stage, finished: Callable[[], None]) -> Observable[Any]:
    """Build the program of operators of reactivex."""
    return shielded(_theirs(program, stage, finished))


def shielded(source: Observable[Any]) -> Observable[Any]:
    """Do not pass an operator's scheduler up the chain, as some do: that would change what happens at once."""
    return Observable(lambda observer, scheduler=None: source.subscribe(observer))


def _theirs(program: Program, stage: Stage, finished: Callable[[], None]) -> Observable[Any]:
    if not isinstance(program, Step):
        return stage.observable(program)

    def inner(value: object) -> Observable[Any]:
        return theirs(program.inners[weigh(value) % len(program.inners)], stage, finished)

    source = theirs(program.source, stage, finished)
    others = [theirs(other, stage, finished) for other in program.others]
    return program.operator.theirs(source, Call(program.args, others, inner, stage.clock, finished))
