"""Random steps of a subject with observers: it is started, stopped, left by an error, and cut off, again and again."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import anyio
import hypothesis.strategies as st
import pytest
from hypothesis import given

from ..kit import BACKENDS, Backend, run
from .lives import Lives
from .test_model import EXAMPLES, SETTINGS, STEPS

pytestmark = pytest.mark.timeout(max(600, EXAMPLES))  # as for the other model

which = st.integers(0, 7)


def step(name: str, **arguments: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


observers = {"concurrency": st.integers(1, 3), "buffer": st.sampled_from([1, 2, 64]), "ordered": st.booleans()}
steps = st.lists(
    st.one_of(
        st.just(("check", {})),  # What Hypothesis puts in place of steps that do not matter.
        step("publish", symbol=st.sampled_from("ab")),
        step("publish", symbol=st.sampled_from("ab")),
        step("publish", symbol=st.sampled_from("ab")),
        step("go_on", which=which, fails=st.booleans()),
        step("go_on", which=which, fails=st.booleans()),
        step("start"),
        step("stop", by_error=st.booleans()),
        step("cancel_stop", which=which, by_task=st.booleans()),
        step("cancel_task", which=which),
        step("detach", which=which),
        step("close"),
        step("add", **observers),
    ),
    min_size=STEPS - 20,
    max_size=STEPS,
)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """What handlers raise is logged, hundreds of times."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def live(first: list[dict[str, Any]], script: list[tuple[str, dict[str, Any]]], *, only_one_task: bool) -> None:
    async with anyio.create_task_group() as tasks:
        lives = Lives(tasks, only_one_task=only_one_task)
        try:
            for options in first:
                await lives.add(**options)
            await lives.start()
            await lives.check()
            for name, arguments in script:
                await getattr(lives, name)(**arguments)
                await lives.check()
            await lives.finish()
        finally:
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("backend", BACKENDS)
def test_observers_agree_with_the_model_in_every_life(backend: Backend) -> None:
    """Handled, failed, cancelled and unhandled are exact, whoever stops the subject, and no stop ends too early."""

    @SETTINGS
    @given(first=st.lists(st.fixed_dictionaries(observers), max_size=2), script=steps)
    def play(first: list[dict[str, Any]], script: list[tuple[str, dict[str, Any]]]) -> None:
        run(partial(live, first, script, only_one_task=backend == "trio"), backend)

    play()
