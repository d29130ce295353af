"""Deliveries that are acknowledged in a commit of somebody else's."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow._errors import LeaseLost
from evenflow.log._group_transaction import commit_with
from evenflow.log._stored import ABSENT, Append, Change, Outdated, Put
from tests.testing.kit import both

from .kit import Placed, ns, process, taken

PUBLISHED = Change(appends=[Append("other", "Placed", 1, b"{}")])


@both
@pytest.mark.parametrize("ordered", [True, False])
async def test_what_is_acknowledged_in_a_commit_is_acknowledged_with_it(ordered: bool) -> None:
    """Deliveries of several groups are gone once the commit is made, and leaving their blocks does nothing."""
    options: dict[str, Any] = {"ordered_by": Placed.customer} if ordered else {}
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries("g", Placed, **options) as first, one.deliveries("h", Placed, **options) as second:
            async with await first.receive() as mine, await second.receive() as other:
                done = await commit_with(one.engine, PUBLISHED, [mine, other])
                assert done.seqs == [3]
            assert [*ns(await taken(first)), *ns(await taken(second))] == [2, 2]
        assert (await one.statistics("g")).due == 1


@both
async def test_a_commit_that_is_refused_acknowledges_nothing() -> None:
    """What is outdated, or fails, leaves the deliveries as they were: they may be settled again."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries("g", Placed, ack_wait=100) as deliveries:
            delivery, other = await taken(deliveries)
            with pytest.raises(Outdated):
                await commit_with(one.engine, Change(expect={"mine": 7}, puts={"mine": Put(b"")}), [delivery])
            commit = one.engine.commit

            async def lost(change: Change, *, made: Any = None) -> Any:
                await commit(change)
                raise LogError("the answer was lost")

            one.engine.commit = lost  # type: ignore[method-assign]
            with pytest.raises(LogError):
                await commit_with(one.engine, Change(puts={"mine": Put(b"")}), [delivery])
            one.engine.commit = commit  # type: ignore[method-assign]
            await delivery.ack()  # it was acknowledged: the page says so
            await other.ack()
            assert await taken(deliveries, 20) == []


@both
async def test_a_delivery_that_went_out_again_stops_the_whole_commit() -> None:
    """Its change is not made either: what is read, handled and published on is exactly once."""
    async with process() as one:
        await one.publish(Placed(n=1), Placed(n=2))
        async with one.deliveries("g", Placed, ack_wait=10) as deliveries:
            late, fine = [await deliveries.receive() for _ in range(2)]
            await fine.extend(1_000)
            await anyio.sleep(12)
            with pytest.raises(LeaseLost):
                await commit_with(one.engine, PUBLISHED, [fine, late])
            assert await one.engine.end("other") == 0
            await commit_with(one.engine, PUBLISHED, [fine])
            with pytest.raises(RuntimeError, match="settled once"):
                await commit_with(one.engine, PUBLISHED, [fine])
        # a page that another has taken is seen in the commit itself
        async with one.deliveries("g", Placed, ack_wait=10) as deliveries:
            again = await deliveries.receive()
            await one.groups.delete("g")
            with pytest.raises(LeaseLost):
                await commit_with(one.engine, Change(expect={"mine": ABSENT}, puts={"mine": Put(b"")}), [again])
            assert "mine" not in one.records()


@both
async def test_a_commit_that_is_cancelled_before_it_is_made_acknowledges_nothing() -> None:
    """The delivery is still in hand, and may be settled."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries("g", Placed) as deliveries:
            delivery = await deliveries.receive()
            lock = deliveries._member._desk.settling  # type: ignore[union-attr]

            async def settle_slowly() -> None:
                async with lock:
                    await anyio.sleep(2)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(settle_slowly)
                await anyio.sleep(0.1)
                with anyio.move_on_after(1):
                    await commit_with(one.engine, PUBLISHED, [delivery])
            assert await one.engine.end("other") == 0
            await delivery.ack()
