"""Random steps against the model: a state machine on asyncio, and scripts of steps on asyncio and on trio.

`EVENFLOW_MODEL_EXAMPLES` is the number of runs of fifty steps (50 in CI, 2,000 in `make fuzz`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import async_solipsism
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ..kit import BACKENDS, Backend, run
from .world import KEYS, KINDS, WANTS, World

EXAMPLES = int(os.environ.get("EVENFLOW_MODEL_EXAMPLES", "50"))
STEPS = 50
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

pytestmark = pytest.mark.timeout(
    max(600, EXAMPLES)
)  # Nothing hangs in virtual time, but making a failure small takes time.

kinds = st.integers(0, len(KINDS) - 1)
keys = st.integers(0, len(KEYS) - 1)
which = st.integers(0, 31)
subscriptions = {
    "wants": st.sampled_from([0, 0, *range(len(WANTS))]),
    "buffer": st.sampled_from([1, 1, 2, 3]),
    "overflow": st.sampled_from(["block", "block", "block", "block", "drop_oldest", "drop_newest", "disconnect"]),
    "conflate": st.booleans() | st.just(False),
    "gaps": st.booleans(),
}


some_subscriptions = st.lists(st.fixed_dictionaries(subscriptions), min_size=1, max_size=4)


class SubjectOnAsyncio(RuleBasedStateMachine):
    """One `asyncio.Runner` for each machine; each rule runs one step of the world in it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=async_solipsism.EventLoop)
        self.tasks: set[asyncio.Task[None]] = set()
        self.world = World(0, self.spawn)

    def spawn(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.runner.get_loop().create_task(run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.runner.run(coroutine)
        self.world.check_failures()

    @initialize(replay=st.sampled_from([0, 0, 3]), first=some_subscriptions)
    def start(self, replay: int, first: list[dict[str, Any]]) -> None:
        self.world.close_all()
        self.world = World(replay, self.spawn)
        for options in first:
            self.step(self.world.subscribe(**options))

    @rule(**subscriptions)
    def subscribe(self, **options: Any) -> None:
        self.step(self.world.subscribe(**options))

    @rule(kind=kinds, key=keys)
    def publish(self, kind: int, key: int) -> None:
        self.step(self.world.publish(kind, key))

    @rule(kind=kinds, key=keys)
    def publish_again(self, kind: int, key: int) -> None:
        self.step(self.world.publish(kind, key))

    @rule(kind=kinds, key=keys, count=st.integers(1, 4), way=st.integers(0, 2))
    def publish_many(self, kind: int, key: int, count: int, way: int) -> None:
        self.step(self.world.publish_many(kind, key, count, way))

    @rule(kind=kinds, key=keys)
    def publish_nowait(self, kind: int, key: int) -> None:
        self.step(self.world.publish_nowait(kind, key))

    @rule(which=which, way=st.integers(0, 2))
    def receive(self, which: int, way: int) -> None:
        self.step(self.world.receive(which, way))

    @rule(which=which)
    def receive_nowait(self, which: int) -> None:
        self.step(self.world.receive_nowait(which))

    @rule(which=which)
    def cancel_publish(self, which: int) -> None:
        self.step(self.world.cancel_publish(which))

    @rule(which=which)
    def cancel_reader(self, which: int) -> None:
        self.step(self.world.cancel_reader(which))

    @rule(which=which)
    def close_subscription(self, which: int) -> None:
        self.step(self.world.close_subscription(which))

    @rule(chance=st.integers(0, 5))
    def close(self, chance: int) -> None:
        if chance == 0:
            self.step(self.world.close())

    @rule(times=st.integers(1, 3))
    def turn(self, times: int) -> None:
        self.step(self.world.turn(times))

    @rule()
    def settle(self) -> None:
        self.step(self.world.settle())

    def teardown(self) -> None:
        try:
            if not self.world.failures:
                self.step(self.world.finish())
        finally:
            self.world.close_all()
            self.runner.close()


def test_a_subject_agrees_with_the_model_after_every_step() -> None:
    """In every sequence of steps order, all or none, the sum and the bounds hold, and nobody waits without a reason."""
    run_state_machine_as_test(SubjectOnAsyncio, settings=SETTINGS)


steps = st.lists(
    st.one_of(
        st.just(("turn", {"times": 0})),  # No step: what Hypothesis puts in place of steps that do not matter.
        st.tuples(st.just("subscribe"), st.fixed_dictionaries(subscriptions)),
        st.tuples(st.just("publish"), st.fixed_dictionaries({"kind": kinds, "key": keys})),
        st.tuples(st.just("publish"), st.fixed_dictionaries({"kind": kinds, "key": keys})),
        st.tuples(
            st.just("publish_many"),
            st.fixed_dictionaries({"kind": kinds, "key": keys, "count": st.integers(1, 4), "way": st.integers(0, 2)}),
        ),
        st.tuples(st.just("publish_nowait"), st.fixed_dictionaries({"kind": kinds, "key": keys})),
        st.tuples(st.just("receive"), st.fixed_dictionaries({"which": which, "way": st.integers(0, 2)})),
        st.tuples(st.just("receive"), st.fixed_dictionaries({"which": which, "way": st.integers(0, 2)})),
        st.tuples(st.just("receive_nowait"), st.fixed_dictionaries({"which": which})),
        st.tuples(st.just("cancel_publish"), st.fixed_dictionaries({"which": which})),
        st.tuples(st.just("cancel_reader"), st.fixed_dictionaries({"which": which})),
        st.tuples(st.just("close_subscription"), st.fixed_dictionaries({"which": which})),
        st.tuples(st.just("turn"), st.fixed_dictionaries({"times": st.integers(1, 3)})),
        st.tuples(st.just("settle"), st.just({})),
    ),
    min_size=STEPS - 10,
    max_size=STEPS,
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_subject_agrees_with_the_model_in_every_script(backend: Backend) -> None:
    """The same steps as a script in one run of the loop: on trio, which runs tasks in any order, and on asyncio."""

    @SETTINGS
    @given(first=some_subscriptions, script=steps, replay=st.sampled_from([0, 0, 3]), end=st.integers(0, 2))
    def play(first: list[dict[str, Any]], script: list[tuple[str, dict[str, Any]]], replay: int, end: int) -> None:
        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                world = World(replay, tasks.start_soon)
                try:
                    for options in first:
                        await world.subscribe(**options)
                    for name, arguments in script:
                        await getattr(world, name)(**arguments)
                        world.check_failures()
                    if end == 0:
                        await world.close()
                    await world.finish()
                finally:
                    world.close_all()
                    tasks.cancel_scope.cancel()

        run(main, backend)

    play()
