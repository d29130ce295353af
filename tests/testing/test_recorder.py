"""subject_recorder: what is published while a piece of code runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from evenflow import Event, Subject
from evenflow.testing import subject_recorder
from tests.testing.kit import both, project

if TYPE_CHECKING:
    from pathlib import Path


class Placed(Event):
    """An order was placed."""

    n: int


class Shipped(Event):
    """An order was sent."""

    n: int


@both
async def test_it_has_all_that_was_published_since() -> None:
    """It has everything that was published since it was made, in order, and nothing from before."""
    orders = Subject(Placed, Shipped)
    await orders.publish(Placed(n=0))
    with subject_recorder(orders) as recorder:
        await orders.publish(Placed(n=1))
        assert recorder.events == (Placed(n=1),)
        orders.publish_nowait(Shipped(n=1))
        assert recorder.events == (Placed(n=1), Shipped(n=1))


@both
async def test_it_can_want_less() -> None:
    """Classes and a condition choose events, as for any subscription."""
    orders = Subject(Placed, Shipped)
    with subject_recorder(orders, Placed, where=Placed.n > 1) as recorder:
        await orders.publish_many([Placed(n=1), Shipped(n=2), Placed(n=3)])
        assert recorder.events == (Placed(n=3),)


@both
async def test_it_stops_at_the_end_of_its_block_and_keeps_what_it_has() -> None:
    """After the block, nothing is added and nothing is lost."""
    orders = Subject(Placed)
    async with subject_recorder(orders) as recorder:
        await orders.publish(Placed(n=1))
    assert await orders.publish(Placed(n=2)) == 0
    assert recorder.events == (Placed(n=1),)


@both
async def test_the_end_of_the_subject_leaves_the_recording() -> None:
    """The error of a subject is not raised by the recorder, but can be read there."""
    orders = Subject(Placed, replay=5)
    await orders.publish(Placed(n=0))
    with subject_recorder(orders) as recorder:
        await orders.publish(Placed(n=1))
        assert recorder.error is None
        orders.close(gone := LookupError("gone"))
        assert recorder.events == (Placed(n=1),)
        assert recorder.error is gone
        with pytest.raises(LookupError, match="gone"):
            await recorder.wait_for(2)


@both
async def test_a_condition_that_raises_is_not_passed_over() -> None:
    """If `where` raises, the recording ends, and the next look at it raises the same error."""
    orders = Subject(Placed)
    with subject_recorder(orders, where=lambda event: 1 / event.n > 0) as recorder:
        await orders.publish_many([Placed(n=1), Placed(n=0), Placed(n=2)])
        with pytest.raises(ZeroDivisionError):
            assert recorder.events


@both
async def test_it_can_forget() -> None:
    """After `clear`, only later events count."""
    orders = Subject(Placed)
    with subject_recorder(orders) as recorder:
        await orders.publish(Placed(n=1))
        recorder.clear()
        await orders.publish(Placed(n=2))
        assert recorder.events == (Placed(n=2),)


@both
async def test_one_can_wait_for_a_number_of_events() -> None:
    """`wait_for` returns as soon as that many events have been recorded since the beginning."""
    orders = Subject(Placed)

    async def producer() -> None:
        for n in range(5):
            await anyio.sleep(1)
            await orders.publish(Placed(n=n))

    with subject_recorder(orders) as recorder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(producer)
            assert len(await recorder.wait_for(2)) == 2
            assert anyio.current_time() == 2
            with anyio.move_on_after(0.5):
                await recorder.wait_for(5)
            assert [event.n for event in await recorder.wait_for(5)] == [0, 1, 2, 3, 4]
            assert anyio.current_time() == 5


@both
async def test_waiting_for_more_than_there_will_be_fails() -> None:
    """If the subject ends before that, the test fails, and the message shows the events that there were."""
    orders = Subject(Placed)
    with subject_recorder(orders) as recorder:
        await orders.publish(Placed(n=1))
        orders.close()
        with pytest.raises(AssertionError, match=r"ended after 1 of 2 events: \[Placed\(n=1\)\]"):
            await recorder.wait_for(2)


@both
async def test_it_never_holds_a_publisher() -> None:
    """If there are more events than it can hold, the publisher goes on, and the recorder says that it lost count."""
    orders = Subject(Placed)
    with subject_recorder(orders, buffer=2) as recorder:
        await orders.publish_many([Placed(n=1), Placed(n=2), Placed(n=3)])
        with pytest.raises(OverflowError, match="lost count after 2 events: give it a larger buffer="):
            assert recorder.events
        with pytest.raises(OverflowError):
            await recorder.wait_for(3)


@both
async def test_a_burst_while_one_waits_is_not_passed_over() -> None:
    """If more events come at once than fit, waiting for them raises that the count was lost."""
    orders = Subject(Placed)

    async def burst() -> None:
        for n in range(5):
            orders.publish_nowait(Placed(n=n))

    with subject_recorder(orders, buffer=1) as recorder:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(burst)
            with pytest.raises(OverflowError, match="lost count"):
                await recorder.wait_for(5)


def test_as_a_fixture_it_ends_with_the_test(tmp_path: Path) -> None:
    """Recorders of the fixture are closed at the end of the test."""
    ran = project(
        tmp_path,
        """
        import pytest
        from evenflow import Event, Subject

        class Placed(Event):
            n: int

        orders = Subject(Placed)

        @pytest.mark.virtual_time
        @pytest.mark.parametrize("n", [1, 2])
        async def test_orders(subject_recorder, n):
            placed = subject_recorder(orders, Placed)
            assert await orders.publish(Placed(n=n)) == 1
            assert placed.events == (Placed(n=n),)

        def test_sync(subject_recorder):
            placed = subject_recorder(orders)
            orders.publish_nowait(Placed(n=3))
            assert placed.events == (Placed(n=3),)
        """,
    )
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr
