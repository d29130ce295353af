"""``share`` compared with ``publish`` and ``replay`` of reactivex: one source, run once, for subscribers that come at any time."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from hypothesis import assume, given, settings, strategies as st
from reactivex import operators as ops

from evenflow import share
from evenflow.streams import stream
from evenflow.testing import run_virtual
from tests.streams.oracle.programs import Numbers, chains, hot_sources, ours, shielded, theirs
from tests.streams.oracle.running import Outcome
from tests.streams.oracle.table import TABLE
from tests.streams.oracle.timelines import HORIZON, TICK, Stage, World, kind_of

if TYPE_CHECKING:
    from tests.streams.oracle.programs import Program

EXAMPLES = max(40, round(int(os.environ.get("EVENFLOW_FUZZ_EXAMPLES", "0")) * 0.1))
OPERATORS = [operator for operator in TABLE if not operator.sink and not operator.instant]

times = st.integers(0, 30).map(lambda ticks: ticks * TICK + 700)
"""When somebody subscribes: at times when nothing else happens."""


@st.composite
def shared(draw: st.DrawFn) -> Program:
    """Draw what is shared: a source, or one operator on it."""
    return draw(chains(draw(st.lists(st.sampled_from(OPERATORS), max_size=1)), Numbers(), depth=1))


@settings(max_examples=EXAMPLES)
@given(shared(), st.integers(0, 3), st.lists(times, min_size=1, max_size=4).map(sorted))
def test_every_subscriber_of_a_shared_stream_sees_what_it_would_see_in_reactivex(
    program: Program, replay: int, arrivals: list[int]
) -> None:
    """A subscriber of a shared stream gets the replay, then the new events, then the end, as in reactivex."""
    their = run_theirs(program, replay, arrivals)
    assume(their is not None)
    mine = run_virtual(partial(run_ours, program, replay, arrivals), limit=1e7)
    for number, (our_outcome, their_outcome) in enumerate(zip(mine, their or [], strict=True)):
        assert str(our_outcome) == str(their_outcome), (
            f"subscriber {number} of {arrivals}, replay {replay}\n{program!r}"
        )


async def run_ours(program: Program, replay: int, arrivals: list[int]) -> list[Outcome]:
    """Share it from the start, subscribe at the given times, and always read."""
    world = World(hot_sources(program))
    outcomes = [Outcome() for _ in arrivals]

    async def arrive(outcome: Outcome, at: int) -> None:
        await anyio.sleep_until(at)
        with anyio.CancelScope(deadline=HORIZON):
            try:
                async with source.subscribe() as subscription:
                    async for event in subscription:
                        outcome.events.append((anyio.current_time(), event))
            except Exception as error:
                outcome.close(kind_of(error), anyio.current_time())
            else:
                outcome.close("end", anyio.current_time())

    async with anyio.create_task_group() as group:
        group.start_soon(world.run, group)
        async with share(stream(ours(program, world, lambda: None)), replay=replay) as source:
            async with anyio.create_task_group() as readers:
                for outcome, at in zip(outcomes, arrivals, strict=True):
                    readers.start_soon(arrive, outcome, at)
        group.cancel_scope.cancel()
    assert not world.running
    return outcomes


def run_theirs(program: Program, replay: int, arrivals: list[int]) -> list[Outcome] | None:
    """Connect at the start. Return None if things happened at the same time without a defined order."""
    stage = Stage(hot_sources(program))
    clock = stage.clock
    source = theirs(program, stage, lambda: None)
    hub: Any = source.pipe(ops.replay(replay) if replay else ops.publish())
    outcomes = [Outcome() for _ in arrivals]

    def arrive(outcome: Outcome, *_: Any) -> None:
        shielded(hub).subscribe(
            lambda value: outcome.events.append((float(clock.clock), value)),
            lambda error: outcome.close(kind_of(error), clock.clock),
            lambda: outcome.close("end", clock.clock),
        )

    clock.schedule_absolute(0.0, lambda *_: hub.connect())
    for outcome, at in zip(outcomes, arrivals, strict=True):
        clock.schedule_absolute(float(at), partial(arrive, outcome))
    clock.schedule_absolute(HORIZON, lambda *_: clock.stop())
    clock.start()
    return None if stage.ties() else outcomes
