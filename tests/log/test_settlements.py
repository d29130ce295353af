"""Settlements: what a reader handed over, until the log knows what became of it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow._errors import LeaseLost
from tests.testing.kit import both

from .kit import Placed, Process, ns, process, taken


def stalled(one: Process, monkeypatch: pytest.MonkeyPatch) -> tuple[anyio.Event, list[int]]:
    """Commits of this process wait for the event; the list has one entry for each that was asked for."""
    may, asked, commit = anyio.Event(), list[int](), one.engine.commit

    async def waiting(*arguments: Any, **options: Any) -> Any:
        asked.append(1)
        await may.wait()
        return await commit(*arguments, **options)

    monkeypatch.setattr(one.engine, "commit", waiting)
    return may, asked


@both
async def test_what_is_settled_while_a_commit_runs_shares_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five acknowledgements of five tasks are two commits."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(6)))
        async with one.deliveries(buffer=6, ack_wait=1_000) as deliveries:
            found = await taken(deliveries)
            may, asked = stalled(one, monkeypatch)
            async with anyio.create_task_group() as tasks:
                for delivery in found[:5]:
                    tasks.start_soon(delivery.ack)
                    await anyio.wait_all_tasks_blocked()
                may.set()
            assert len(asked) == 2


@both
async def test_a_settlement_that_is_cancelled_is_stored_before_the_task_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is cancelled while it waits knows that the event does not go out again."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries(ack_wait=1_000) as deliveries:
            first, second = await taken(deliveries)
            may, asked = stalled(one, monkeypatch)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first.ack)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
                tasks.start_soon(_set_later, may)
            assert asked == [1]
            with pytest.raises(RuntimeError, match="settled once"):
                await first.ack()
            await second.ack()
        async with one.deliveries() as deliveries:
            assert await taken(deliveries) == []


async def _set_later(may: anyio.Event) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(1)
        may.set()


@both
async def test_what_could_not_be_stored_can_be_settled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the caller's, and the delivery is as it was before."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=1_000) as deliveries:
            delivery = await deliveries.receive()

            async def failing(*_: Any, **__: Any) -> Any:
                raise LogError("no server", stored=False)

            with monkeypatch.context() as broken:
                broken.setattr(one.engine, "commit", failing)
                with pytest.raises(LogError, match="no server"):
                    await delivery.ack()
            await delivery.ack()
        assert (await one.statistics()).due == 0


@both
async def test_the_time_of_a_delivery_begins_again_when_its_block_could_not_settle_it() -> None:
    """``extend`` moves it; inside its block there is none."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries(ack_wait=10, retry_after=0) as deliveries:
            first, second = await taken(deliveries)
            await second.extend(100)
            async with first:
                await anyio.sleep(50)
            assert ns(await taken(deliveries, 40)) == []
            assert ns(await taken(deliveries, 20)) == [2]
            with pytest.raises(LeaseLost):
                await second.ack()


@both
async def test_what_lapses_together_with_an_event_in_doubt_can_be_settled_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer to the first event's acknowledgement was lost; both lapse in one commit, and the second goes out again."""
    async with process() as one:
        await one.publish(Placed(n=1))
        commit = one.engine.commit
        async with one.deliveries(buffer=1, ack_wait=10.0) as deliveries:
            first = await deliveries.receive()

            async def lost(*arguments: Any, **options: Any) -> Any:
                await commit(*arguments)
                raise LogError("the answer was lost")

            with monkeypatch.context() as patched:
                patched.setattr(one.engine, "commit", lost)
                with pytest.raises(LogError, match="the answer was lost"):
                    await first.ack()
            await one.publish(Placed(n=2))
            second = await deliveries.receive()
            again = await deliveries.receive()
            assert (again.event.n, again.attempt) == (2, 2)
            with pytest.raises(LeaseLost):
                await second.ack()
            await again.ack()


@both
async def test_an_event_that_a_lost_answer_has_sent_out_again_cannot_be_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The retry was stored, and nobody heard of it: the acknowledgement comes too late, and says so."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        commit = one.engine.commit
        async with one.deliveries(retry_after=5.0, ack_wait=1_000) as deliveries:
            first, second = await taken(deliveries)

            async def lost(*arguments: Any, **options: Any) -> Any:
                await commit(*arguments)
                raise LogError("the answer was lost")

            with monkeypatch.context() as patched:
                patched.setattr(one.engine, "commit", lost)
                with pytest.raises(LogError, match="the answer was lost"):
                    await first.retry()
            with pytest.raises(LeaseLost):
                await first.ack()
            await second.ack()
            again = await deliveries.receive()
            assert (again.event.n, again.attempt) == (1, 2)
            await again.ack()
