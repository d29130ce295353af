"""Random steps of the readers of one group, in several processes, against the model.

`EVENFLOW_MODEL_EXAMPLES` is the number of runs of fifty steps (40 in CI, 2,000 in `make fuzz`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from evenflow.testing import VirtualLoop

from .world import KEYS, World

EXAMPLES = int(os.environ.get("EVENFLOW_MODEL_EXAMPLES", "40"))
# Making a failure small takes minutes: without that, its steps are shown as they were.
PHASES = [phase for phase in Phase if phase is not Phase.explain and (phase is not Phase.shrink or EXAMPLES > 40)]
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

pytestmark = pytest.mark.timeout(max(600, EXAMPLES))

which = st.integers(0, 7)


class Group(RuleBasedStateMachine):
    """One loop in virtual time for each machine; each rule runs one step of the world in it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=partial(VirtualLoop, limit=1e9))
        self.world = World(ordered=False, hold=False)

    def step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runner.run(coroutine)
        self.world.note_lapsed()

    @initialize(ordered=st.booleans(), hold=st.booleans(), buffer=st.sampled_from([1, 2, 4]))
    def start(self, ordered: bool, hold: bool, buffer: int) -> None:
        self.world = World(ordered, hold)
        self.step(self.world.start())
        self.step(self.world.open_reader(0, buffer))

    @rule(key=st.integers(0, KEYS - 1), count=st.integers(1, 4))
    def publish(self, key: int, count: int) -> None:
        self.step(self.world.publish(key, count))

    @rule(which=which, buffer=st.sampled_from([1, 2, 4]))
    def open_reader(self, which: int, buffer: int) -> None:
        self.step(self.world.open_reader(which, buffer))

    @rule(which=which)
    def close_reader(self, which: int) -> None:
        self.step(self.world.close_reader(which))

    @rule(which=which, count=st.integers(1, 3))
    def receive(self, which: int, count: int) -> None:
        self.step(self.world.receive_batch(which, count))

    @rule(which=which, index=which, how=st.sampled_from(["ack", "ack", "ack", "retry", "reject", "release", "block"]))
    def settle(self, which: int, index: int, how: str) -> None:
        self.step(self.world.settle(which, index, how))

    @rule(which=which)
    def kill(self, which: int) -> None:
        self.step(self.world.kill(which))

    @rule(which=which, count=st.integers(1, 3), after=st.booleans())
    def fail(self, which: int, count: int, after: bool) -> None:
        self.step(self.world.fail(which, count, after))

    @rule(seconds=st.sampled_from([0.5, 3.0, 15.0]))
    def wait(self, seconds: float) -> None:
        self.step(self.world.wait(seconds))

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.step(self.world.pause(paused))

    @rule(to=st.integers(0, 10), chance=st.integers(0, 3))
    def seek(self, to: int, chance: int) -> None:
        if chance == 0:
            self.step(self.world.seek(to))

    @rule(discard=st.booleans())
    def redrive(self, discard: bool) -> None:
        self.step(self.world.redrive(discard=discard))

    def teardown(self) -> None:
        try:
            self.step(self.world.finish())
        finally:
            self.step(self.world.close())
            self.runner.close()


def test_random_steps_of_a_group() -> None:
    """Whatever its readers do, die and fail: every event is handled, in the order of its key, and settled once."""
    run_state_machine_as_test(Group, settings=SETTINGS)
