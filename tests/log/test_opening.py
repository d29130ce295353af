"""An opening: its parts are made once, and ended with it."""

from __future__ import annotations

import anyio
import pytest

from evenflow.testing import MemoryLog
from tests.contract.kit import both, only_asyncio, settle

from .events import Ordered, opened


@both
async def test_a_subject_has_one_tail_and_one_set_of_groups() -> None:
    """Asked for twice they are the same; a subject without classes can be looked at by its name."""
    async with opened() as (orders, opening):
        kind = orders._kind
        assert opening.tail(kind) is opening.tail(kind)
        assert opening.groups(kind) is opening.groups(kind) is opening.groups_by_name("orders")
        assert await opening.groups_by_name("unknown").statistics() == ()


@only_asyncio
async def test_a_cancelled_close_ends_everything_too() -> None:
    """Handlers are cancelled, tasks end, the engine closes, and the cancellation goes out."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async with log:
            await orders.publish(Ordered(n=1))
            await begun.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert not log._openings.is_open
    await settle()
    async with log.opened(consumers=False):
        [group] = await orders.groups()
        assert (group.in_hand, group.members) == (0, 0)


@both
async def test_a_body_that_raises_cancels_handlers() -> None:
    """As a subject does: the body's exception goes out as it is, and what was cut off is given back."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    with pytest.raises(KeyError):
        async with log:
            await orders.publish(Ordered(n=1))
            await begun.wait()
            raise KeyError
    async with log.opened(consumers=False), orders.deliveries("g", Ordered) as deliveries:
        assert (await deliveries.receive()).attempt == 1
