"""A current value, and everybody who wants to know when it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st

from evenflow import State, SubjectClosed

from .contract.kit import both, group, settle


class Odd:
    """A value that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no")

    __hash__ = None  # type: ignore[assignment]


def deliveries(state: State[Any]) -> int:
    """How often somebody was told."""
    return state._life.delivery.published


@given(st.lists(st.one_of(st.integers(0, 3), st.just("read")), max_size=30))
def test_a_reader_gets_the_newest_value_if_it_has_not_seen_it(steps: list[int | str]) -> None:
    """The model is one slot, which each change fills and each read empties."""
    state: State[int] = State(0)
    subscription = state.subscribe()
    slot: list[int] = [0]
    for step in steps:
        if isinstance(step, int):
            if step != state.value:
                slot = [step]
            state.set(step)
            assert state.value == step
        elif slot:
            assert subscription.receive_nowait() == slot.pop()
        else:
            with pytest.raises(anyio.WouldBlock):
                subscription.receive_nowait()
    subscription.close()


@pytest.mark.parametrize("same", [1, 1.0, True])
def test_an_equal_value_is_no_change(same: object) -> None:
    """Nobody is told, and the value stays the one that it was."""
    state: State[Any] = State(1)
    state.set(same)
    assert type(state.value) is int
    assert deliveries(state) == 0


def test_the_same_object_is_no_change_even_if_it_cannot_be_compared() -> None:
    """It is not asked."""
    odd = Odd()
    state: State[Any] = State(odd)
    state.set(odd)
    assert deliveries(state) == 0


def test_what_a_comparison_raises_goes_out_and_nothing_has_changed() -> None:
    """The value and whoever reads it stay as they were."""
    state: State[Any] = State(1)
    with pytest.raises(ZeroDivisionError):
        state.set(Odd())
    assert state.value == 1
    assert deliveries(state) == 0


def test_an_update_sets_what_its_function_makes_of_the_value() -> None:
    """And returns it; what the function raises changes nothing."""
    state = State(1)
    assert state.update(lambda value: value + 1) == 2
    with pytest.raises(ZeroDivisionError):
        state.update(lambda value: value // 0)
    assert state.value == 2


@pytest.mark.parametrize("change", [lambda state: state.set(2), lambda state: state.update(lambda _: 2)])
def test_a_closed_state_does_not_change(change: Callable[[State[int]], object]) -> None:
    """It can still be read, by those that subscribe late too."""
    state = State(1, name="limit")
    state.close()
    with pytest.raises(SubjectClosed, match="limit is closed"):
        change(state)
    assert state.value == 1
    late = state.subscribe()
    assert late.receive_nowait() == 1
    with pytest.raises(anyio.EndOfStream):
        late.receive_nowait()


@both
async def test_waiting_for_a_value_tries_the_present_one_first() -> None:
    """And then every one that is set, and not only the newest."""
    state = State(1)
    assert await state.wait_for(lambda value: value == 1) == 1
    found: list[int] = []

    async def wait() -> None:
        found.append(await state.wait_for(lambda value: value == 2))

    async with group() as tasks:
        tasks.start_soon(wait)
        await settle()
        state.set(2)
        state.set(3)
        await settle()
    assert found == [2]
    assert not state._life.members.active


@pytest.mark.parametrize("when", ["at once", "later"])
@both
async def test_what_a_predicate_raises_comes_out_of_its_wait(when: str) -> None:
    """Whoever sets the value hears nothing of it."""
    state = State(0 if when == "at once" else 1)
    raised: list[BaseException] = []

    async def wait() -> None:
        try:
            await state.wait_for(lambda value: 1 // value < 0)
        except ZeroDivisionError as error:
            raised.append(error)

    async with group() as tasks:
        tasks.start_soon(wait)
        await settle()
        state.set(0)
        await settle()
    assert len(raised) == 1


@both
async def test_what_a_predicate_sets_is_told_after_what_it_was_asked_about() -> None:
    """All see the values in the order in which they were set, and the newest is the last."""
    state = State(0)
    seen: list[int] = []

    def predicate(value: int) -> bool:
        seen.append(value)
        if value == 1:
            state.set(2)
        return value == 2

    async with group() as tasks, state.subscribe() as subscription:
        tasks.start_soon(state.wait_for, predicate)
        await settle()
        assert subscription.receive_nowait() == 0
        state.set(1)
        await settle()
        assert seen[-2:] == [1, 2]
        assert state.value == subscription.receive_nowait() == 2


@both
async def test_a_wait_that_the_end_makes_vain_raises() -> None:
    """Nobody will set a value any more."""
    state = State(0)
    ended: list[BaseException] = []

    async def wait() -> None:
        try:
            await state.wait_for(lambda value: value == 1)
        except anyio.EndOfStream as error:
            ended.append(error)

    async with group() as tasks:
        tasks.start_soon(wait)
        await settle()
        state.close()
        await settle()
    assert len(ended) == 1


def test_it_says_what_it_holds() -> None:
    """And whether it was closed."""
    state = State([1], name="numbers")
    assert repr(state) == "<State numbers of [1]>"
    state.close()
    assert repr(state) == "<State numbers of [1], closed>"
