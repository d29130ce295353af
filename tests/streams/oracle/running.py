"""Runs a program in virtual time, ours and theirs, and compares the outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio

from evenflow.streams import Stream, stream
from evenflow.testing import run_virtual
from tests.streams.oracle.programs import Program, Step, hot_sources, ours, parts, theirs
from tests.streams.oracle.timelines import HORIZON, Stage, Start, World, kind_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

Backend = Literal["asyncio", "trio"]
PATIENCE = 619 + 1 / 64
"""The seconds after which a nervous reader cancels its read, and reads again."""


@dataclass
class Outcome:
    """What a reader saw: events with their times, and how and when it ended; None if it did not."""

    events: list[tuple[float, object]] = field(default_factory=list)
    end: str | None = None
    ended: float | None = None
    finished: list[float] = field(default_factory=list)
    """When ``finally_do`` called its function."""
    starts: list[Start] = field(default_factory=list)
    """Which source was started when."""
    ties: set[float] = field(default_factory=set)
    """When reactivex had to choose what comes first."""
    crowds: set[float] = field(default_factory=set)
    """When a hot source had something for several readers."""

    def __str__(self) -> str:
        seen = " ".join(f"{time:g}:{value}" for time, value in self.events)
        return f"{seen} -> {self.end or 'goes on'}{'' if self.ended is None else f' at {self.ended:g}'}"

    def close(self, kind: str, now: float) -> None:
        """Note the end."""
        self.end, self.ended = kind, now


# -- ours


def run_ours(program: Program, backend: Backend = "asyncio", *, nervous: bool = False, turns: bool = False) -> Outcome:
    """Run it with a reader that always reads; a ``nervous`` one cancels its reads all the time."""
    return run_virtual(partial(_ours, program, nervous, turns), backend=backend, limit=1e7)


async def _ours(program: Program, nervous: bool, turns: bool) -> Outcome:
    outcome = Outcome()
    world = World(hot_sources(program), turns=turns)
    async with anyio.create_task_group() as group:
        group.start_soon(world.run, group)
        await anyio.lowlevel.checkpoint()
        work = ours(program, world, lambda: outcome.finished.append(anyio.current_time()))
        with anyio.CancelScope(deadline=HORIZON):
            try:
                if isinstance(program, Step) and program.operator.sink:
                    await _await(work, outcome)
                else:
                    await _read(stream(work), outcome, nervous)
            except Exception as error:
                outcome.close(kind_of(error), anyio.current_time())
            else:
                outcome.close("end", anyio.current_time())
        outcome.starts = world.starts
        assert not world.running, f"still open: {world.running}"
        group.cancel_scope.cancel()
    return outcome


async def _await(sink: Awaitable[object], outcome: Outcome) -> None:
    value = await sink
    outcome.events.append((anyio.current_time(), value))


async def _read(chain: Stream[Any], outcome: Outcome, nervous: bool) -> None:
    async with chain:
        while True:
            try:
                with anyio.move_on_after(PATIENCE if nervous else None):
                    event = await chain.receive()
                    outcome.events.append((anyio.current_time(), event))
            except anyio.EndOfStream:
                return


# -- theirs


def run_theirs(program: Program) -> Outcome:
    """Run it on the test scheduler of reactivex."""
    outcome = Outcome()
    stage = Stage(hot_sources(program))
    clock = stage.clock
    chain = theirs(program, stage, lambda: outcome.finished.append(clock.clock))
    disposables: list[Any] = []

    def subscribe(*_: Any) -> None:
        disposables.append(
            chain.subscribe(
                lambda value: outcome.events.append((float(clock.clock), value)),
                lambda error: outcome.close(kind_of(error), clock.clock),
                lambda: outcome.close("end", clock.clock),
            )
        )

    def leave(*_: Any) -> None:
        disposables[0].dispose()
        clock.stop()

    clock.schedule_absolute(0.0, subscribe)
    clock.schedule_absolute(HORIZON, leave)
    clock.start()
    outcome.starts = stage.starts
    outcome.ties = stage.ties()
    outcome.crowds = set(stage.crowds())
    return outcome


# -- compared


def differs(program: Program, mine: Outcome, their: Outcome, *, ordered: bool = False) -> str | None:
    """Return what is different, or None. The order of events at the same time does not count, unless ``ordered``."""
    if ordered and mine.events != their.events:
        return "the events"
    if (mine.end, mine.ended) != (their.end, their.ended):
        return "the end"
    if mine.events != their.events and Counter(map(repr, mine.events)) != Counter(map(repr, their.events)):
        return "the events"
    if idle(program):
        return None
    if lacking(mine.starts, their.starts, mine.ended) or lacking(their.starts, mine.starts, mine.ended):
        return f"when the sources start: ours {mine.starts}, theirs {their.starts}"
    late = any(isinstance(part, Step) and part.operator.waits for part in parts(program))
    if Counter(mine.finished) != Counter(their.finished) and not late:
        return f"when finally_do calls: ours {sorted(mine.finished)}, theirs {sorted(their.finished)}"
    return None


def lacking(some: list[Start], others: list[Start], ended: float | None) -> bool:
    """Whether a start is missing among the others. Brief starts, and those at the time of the end, do not count."""
    left = Counter((start.number, start.at) for start in some if not start.brief and start.at != ended)
    return bool(left - Counter((start.number, start.at) for start in others))


def idle(program: Program) -> bool:
    """Whether a part of it takes nothing from its source; which sources are started then differs."""
    return any(
        isinstance(part, Step) and part.args == (0,) and part.operator.name in {"take", "repeat"}
        for part in parts(program)
    )
