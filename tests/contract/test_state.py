"""Section 2, State: a current value. A subscriber gets the value now, and then each newest one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from evenflow import State, SubjectClosed

from .kit import both, both_real, collect, group, settle, take_all


def test_update_takes_no_async_function() -> None:
    """The value would be a coroutine that nobody awaits."""

    async def more(value: int) -> int:
        return value + 1

    state: State[Any] = State(1)
    with pytest.raises(TypeError, match="update takes a plain function"):
        state.update(more)
    assert state.value == 1


@both
async def test_value_set_and_update() -> None:
    """`value` is the current value; `set` and `update` never wait."""
    state = State(1)
    assert state.value == 1
    state.set(2)
    assert state.value == 2
    state.update(lambda value: value + 10)
    assert state.value == 12


@both
async def test_a_subscription_gets_the_value_now_then_each_newest() -> None:
    """It gets the value at the call first, then what is set."""
    state = State("a")
    async with state.subscribe() as values:
        assert await values.receive() == "a"
        state.set("b")
        assert await values.receive() == "b"


@both
async def test_a_slow_reader_skips_to_the_newest() -> None:
    """After a thousand changes between two reads the reader gets the last one."""
    state = State(0)
    async with state.subscribe() as values:
        assert await values.receive() == 0
        for value in range(1, 1_000):
            state.set(value)
        assert await values.receive() == 999
        with pytest.raises(anyio.WouldBlock):
            values.receive_nowait()


@both
async def test_a_reader_that_never_read_gets_the_newest_only() -> None:
    """The value at the call may come first; after it only the newest one comes."""
    state = State(0)
    async with state.subscribe() as values:
        for value in range(1, 10):
            state.set(value)
        assert take_all(values) in ([9], [0, 9])


@both
async def test_the_same_or_an_equal_value_is_no_change() -> None:
    """Setting an equal value wakes no reader."""
    state: State[Any] = State([1])
    same = state.value
    async with state.subscribe() as values:
        await values.receive()
        state.set([1])
        assert state.value is same
        state.set(same)
        state.update(lambda value: list(value))
        with pytest.raises(anyio.WouldBlock):
            values.receive_nowait()


class Incomparable:
    """A value whose comparison raises."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no comparison")


@both
async def test_set_with_a_comparison_that_raises_changes_nothing() -> None:
    """`set` raises the error and the value stays; the same object is not compared."""
    first = Incomparable()
    state: State[Any] = State(first)
    async with state.subscribe() as values:
        await values.receive()
        with pytest.raises(ZeroDivisionError):
            state.set(Incomparable())
        assert state.value is first
        state.set(first)
        with pytest.raises(anyio.WouldBlock):
            values.receive_nowait()


@both
async def test_an_update_that_raises_changes_nothing() -> None:
    """`update` raises what the function raised, and the value stays."""
    state = State(1)
    with pytest.raises(ZeroDivisionError):
        state.update(lambda value: value // 0)
    assert state.value == 1


@both
async def test_nan_is_the_same_object_or_a_change() -> None:
    """Setting the same nan object is no change, though it is not equal to itself."""
    nan = float("nan")
    state = State(nan)
    async with state.subscribe() as values:
        await values.receive()
        state.set(nan)
        with pytest.raises(anyio.WouldBlock):
            values.receive_nowait()


@both
async def test_wait_for_tests_the_present_value_first() -> None:
    """If the predicate is already true the value is returned at once."""
    state = State(5)
    with anyio.fail_after(1):
        assert await state.wait_for(lambda value: value > 3) == 5


@both
async def test_wait_for_tests_every_value_set() -> None:
    """A value that was there only for an instant is seen."""
    state = State(0)
    found: list[int] = []

    async def wait() -> None:
        found.append(await state.wait_for(lambda value: value == 7))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await settle()
        for value in range(1, 20):
            state.set(value)
    assert found == [7, 7, 7]


@both
async def test_wait_for_returns_the_first_value_that_holds() -> None:
    """Several values hold before the task that waits runs again: it gets the first of them, and not a later one."""
    state = State(0)
    found: list[int] = []

    async def wait() -> None:
        found.append(await state.wait_for(lambda value: value > 2))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await settle()
        for value in range(1, 6):
            state.set(value)
    assert found == [3]


@both
async def test_a_predicate_that_raises_ends_its_own_wait() -> None:
    """Its waiter gets the error; `set` and the other waiters are not affected."""
    state = State(1)
    outcomes: list[object] = []

    async def broken() -> None:
        try:
            await state.wait_for(lambda value: 1 // (value - 2) > 100)
        except ZeroDivisionError:
            outcomes.append("raised")

    async def fine() -> None:
        outcomes.append(await state.wait_for(lambda value: value == 3))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broken)
        tasks.start_soon(fine)
        await settle()
        state.set(2)
        assert state.value == 2
        await settle()
        state.set(3)
    assert outcomes == ["raised", 3]


@both
async def test_a_cancelled_wait_leaves_nothing() -> None:
    """After a wait that timed out its predicate is not called any more."""
    state = State(0)
    asked: list[int] = []

    def predicate(value: int) -> bool:
        asked.append(value)
        return False

    with anyio.move_on_after(1):
        await state.wait_for(predicate)
    state.set(1)
    assert asked == [0]


@both
async def test_set_from_another_thread_is_refused_and_changes_nothing() -> None:
    """`set` raises RuntimeError in the thread, and the value stays."""
    state = State(0)
    async with state.subscribe() as values:
        await values.receive()
        with anyio.move_on_after(1):
            await values.receive()
        caught: list[BaseException] = []

        def intrude() -> None:
            try:
                state.set(1)
            except RuntimeError as error:
                caught.append(error)

        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join(60)
        assert len(caught) == 1
        assert state.value == 0
        with pytest.raises(anyio.WouldBlock):
            values.receive_nowait()


@both
async def test_a_predicate_that_sets_the_value_leaves_no_stale_one() -> None:
    """The predicate sets another value while it is called: readers get that value last."""
    state = State(0)
    async with state.subscribe() as values:
        await values.receive()

        def predicate(value: int) -> bool:
            if value == 1:
                state.set(2)
            return False

        async with group() as tasks:
            tasks.start_soon(state.wait_for, predicate)
            await settle()
            state.set(1)
            await settle()
        assert state.value == 2
        assert take_all(values)[-1] == 2


@both
async def test_close_ends_readers_and_waits() -> None:
    """After close readers get the newest value, then the end; `wait_for` raises EndOfStream."""
    state = State(0)
    outcomes: list[object] = []

    async def wait() -> None:
        with pytest.raises(anyio.EndOfStream):
            await state.wait_for(lambda value: value == 100)
        outcomes.append("end")

    async def read() -> None:
        async with state.subscribe() as values:
            outcomes.append([value async for value in values])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await settle()
        tasks.start_soon(read)
        await settle()
        state.set(1)
        state.close()
        state.close()
    assert sorted(map(str, outcomes)) == sorted(["end", "[0, 1]"])
    with anyio.fail_after(1), pytest.raises(anyio.EndOfStream):
        await state.wait_for(lambda value: value == 100)


@both
async def test_after_close_the_value_can_be_read() -> None:
    """The last value stays, and setting another one is an error."""
    state = State(1)
    state.close()
    assert state.value == 1
    with pytest.raises(anyio.ClosedResourceError):
        state.set(2)
    assert state.value == 1


@both
async def test_state_can_be_made_without_a_loop_and_shows_its_value() -> None:
    """Its repr shows the class and the value."""
    state = State(41)
    assert "41" in repr(state)
    assert "State" in repr(state)


@both
async def test_set_wakes_a_waiting_reader() -> None:
    """A reader that waits gets the value that is set next."""
    state = State(0)
    received: list[int] = []

    async def read() -> None:
        async with state.subscribe() as values:
            async for value in values:
                received.append(value)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for value in (1, 2, 3):
            state.set(value)
            await settle()
    assert received == [0, 1, 2, 3]


@both
async def test_a_value_that_a_predicate_sets_in_its_first_call_is_tested_too() -> None:
    """A predicate that sets values while it tests the present one is called for each of them as well."""
    state = State(0)

    def predicate(value: int) -> bool:
        if value == 0:
            state.set(1)
            state.set(2)
        return value == 1

    with anyio.fail_after(1):
        assert await state.wait_for(predicate) == 1


@both
async def test_values_that_a_predicate_sets_while_it_is_told_of_one_are_tested_in_order() -> None:
    """It sets two values in one call: each is tested once, the first of them first."""
    state = State(0)
    tested: list[int] = []

    def predicate(value: int) -> bool:
        tested.append(value)
        if value == 1:
            state.set(2)
            state.set(3)
        return value == 3

    async with group() as tasks:
        tasks.start_soon(state.wait_for, predicate)
        await settle()
        state.set(1)
        await settle()
    assert tested == [0, 1, 2, 3]


@both
async def test_a_predicate_that_must_be_awaited_is_refused() -> None:
    """An async predicate would be true for every value: it is a TypeError, and leaves no coroutine behind."""
    state = State(0)

    async def predicate(_: int) -> bool:
        return False

    with pytest.raises(TypeError, match="awaited"):
        await state.wait_for(predicate)  # type: ignore[arg-type]  # what checkers refuse as well
    collect()


@both_real
async def test_closing_from_another_thread_is_refused_and_changes_nothing() -> None:
    """`close` raises RuntimeError in the thread, and the state goes on."""
    state = State(0)
    async with state.subscribe() as subscription:
        assert await subscription.receive() == 0
        with pytest.raises(RuntimeError):
            await anyio.to_thread.run_sync(state.close)
        state.set(1)
        async with state.subscribe() as late:
            assert late.receive_nowait() == 1
            with pytest.raises(anyio.WouldBlock):
                late.receive_nowait()


@both
async def test_an_update_of_a_closed_state_does_not_call_the_function() -> None:
    """It raises SubjectClosed at once."""
    state = State(0)
    state.close()
    asked: list[int] = []

    def add(value: int) -> int:
        asked.append(value)
        return value + 1

    with pytest.raises(SubjectClosed):
        state.update(add)
    assert asked == []


# ------------------------------------------------------------------ from another thread


async def in_thread(call: Callable[[], object]) -> None:
    """Call it in a thread of its own."""
    await anyio.to_thread.run_sync(call)


@both_real
async def test_a_thread_sets_the_value_in_the_loop_of_the_state() -> None:
    """`set_from_thread` returns when the value is set; a reader that is slow makes it wait for nothing."""
    state = State(0)
    seen: list[int] = []

    def sensor() -> None:
        for value in range(1, 4):
            state.set_from_thread(value)
            seen.append(state.value)

    async with state.subscribe() as values:
        assert await values.receive() == 0
        await in_thread(sensor)
        assert seen == [1, 2, 3]
        assert await values.receive() == 3


@both_real
async def test_whoever_waits_for_a_value_is_woken_by_a_thread() -> None:
    """`wait_for` returns the first value that holds, although a thread has set the next one at once."""
    state = State(0)
    found: list[int] = []

    async def wait() -> None:
        found.append(await state.wait_for(lambda value: value >= 2))

    async with group() as tasks:
        tasks.start_soon(wait)
        await settle()
        await in_thread(lambda: [state.set_from_thread(value) for value in (1, 2, 3)])
    assert found == [2]


@both_real
async def test_setting_from_a_thread_in_the_ordinary_way_names_the_other_one() -> None:
    """The error of `set` and `update` in a foreign thread names `set_from_thread`, which a state has."""
    state = State(0)
    async with state.subscribe() as values:
        await values.receive()
        for call in (lambda: state.set(1), lambda: state.update(lambda value: value + 1)):
            with pytest.raises(RuntimeError, match="use only set_from_thread"):
                await in_thread(call)
    assert state.value == 0


@both_real
async def test_set_from_thread_is_refused_in_the_threads_own_loop() -> None:
    """It would block the loop that it waits for."""
    state = State(0)
    async with state.subscribe() as values:
        await values.receive()
        with pytest.raises(RuntimeError, match="there use 'set'"):
            state.set_from_thread(1)
    assert state.value == 0


def test_set_from_thread_sets_at_once_before_something_waits_and_is_refused_after_the_loop_has_ended() -> None:
    """Before something has waited there is no loop to set it in, and nobody to disturb."""
    state = State(-1, name="level")
    state.set_from_thread(0)
    assert state.value == 0

    async def main() -> None:
        async with state.subscribe() as values:
            await values.receive()

    anyio.run(main)
    with pytest.raises(SubjectClosed, match="its loop has ended"):
        state.set_from_thread(1)
    assert state.value == 0


@both_real
async def test_what_the_comparison_raises_goes_to_the_thread() -> None:
    """So do the errors of a state that was closed; the loop goes on."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = object.__hash__

    state: State[object] = State(Odd())
    async with state.subscribe() as values:
        await values.receive()
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: state.set_from_thread(1))
        state.close()
        with pytest.raises(SubjectClosed):
            await in_thread(lambda: state.set_from_thread(1))


@both_real
async def test_a_thread_does_not_hang_on_a_loop_that_ends_meanwhile() -> None:
    """The loop has taken the call in, and ends before it comes to it: the thread gets `SubjectClosed`."""
    state = State(0)
    asked, said = threading.Event(), list[str]()

    def sensor() -> None:
        asked.set()
        try:
            state.set_from_thread(1)
        except SubjectClosed as error:
            said.append(str(error))

    def other() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(state.wait_for(lambda value: value == 0))
        loop.run_until_complete(first(state))
        thread = threading.Thread(target=sensor)
        thread.start()
        while not loop._ready:  # type: ignore[attr-defined]  # the call has arrived
            asked.wait(0.01)
        loop.close()
        thread.join()

    await in_thread(other)
    assert len(said) == 1
    assert "its loop has ended" in said[0]
    assert state.value == 0


async def first(state: State[int]) -> int:
    """The value now, read by a task."""
    async with state.subscribe() as values:
        return await values.receive()
