"""What becomes of deliveries: their state at once, and one outcome for each, by page."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log._delivery import SETTLING, State
from evenflow.log._group_rules import Fate
from evenflow.log._outcomes import settlement_of
from tests.testing.kit import both

from .kit import Placed, process, taken


@both
async def test_what_is_acknowledged_is_a_bit_of_its_page() -> None:
    """Two claims are two pages, whatever the order of their deliveries; these are being settled from then on."""
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(4)))
        async with one.deliveries(buffer=2, ack_wait=1_000) as deliveries:
            found = await taken(deliveries)
            member: Any = deliveries._member
            settlement = settlement_of(one.host, member.spec, [*found[::2], *found[1::2]], Fate.DONE)
            try:
                assert len(settlement.acked) >= 2
                for page, bits in settlement.acked.items():
                    assert bits == sum(1 << each._index for each in found if each._page is page)
                assert not settlement.outcomes
                assert {delivery._state for delivery in found} == {SETTLING}
            finally:
                for delivery in found:
                    delivery._state = State.HANDED


@both
@pytest.mark.parametrize("after, wait", [(None, 7.0), (0.0, 0.0), (3.0, 3.0)])
async def test_what_goes_out_again_says_when(after: float | None, wait: float) -> None:
    """After the given time, or as the group's ``retry_after`` says; with ``lapse`` it is the caller's no more."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=1_000, retry_after=7.0) as deliveries:
            delivery = await deliveries.receive()
            member: Any = deliveries._member
            settlement = settlement_of(
                one.host, member.spec, [delivery], Fate.AGAIN, after=after, error="why", lapse=True
            )
            [[outcome]] = settlement.outcomes.values()
            assert outcome == (0, Fate.AGAIN, one.engine.wall() + wait, "why", delivery._row, False)
            assert delivery._state is State.LAPSED


@both
async def test_a_retry_after_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the default pause is taken."""

    def broken(_: int) -> float:
        raise KeyError("no pause")

    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=1_000, retry_after=broken) as deliveries:
            await (await deliveries.receive()).retry()
            assert "retry_after of group g of orders raised" in caplog.text
            [again] = await taken(deliveries, 1.5)
            assert again.attempt == 2
