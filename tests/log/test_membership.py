"""Joining and leaving a group: who is there, what the newest member says, and what is logged."""

from __future__ import annotations

import logging

import pytest

from tests.contract.kit import both

from .events import Ordered, opened


@both
async def test_members_come_and_go() -> None:
    """The number of members is that of open readers."""
    async with opened() as (orders, _):
        async with orders.deliveries("g"), orders.deliveries("g"):
            [group] = await orders.groups()
            assert group.members == 2
        [group] = await orders.groups()
        assert group.members == 0


@both
async def test_a_new_group_and_a_change_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Where it begins, and what the newest member says differently."""
    caplog.set_level(logging.INFO, logger="evenflow.groups")
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(3))
        async with orders.deliveries("g", since="now", max_attempts=3):
            pass
        assert "group g of orders is made" in caplog.text
        assert "3 events" in caplog.text
        caplog.clear()
        async with orders.deliveries("g", max_attempts=5):
            pass
        assert "5" in caplog.text
        assert "max_attempts" in caplog.text
        caplog.clear()
        async with orders.deliveries("g", max_attempts=5):
            pass
        assert "max_attempts" not in caplog.text


@both
async def test_a_new_group_may_begin_with_what_comes() -> None:
    """``since="now"`` counts when the group is made, and never again."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g", since="now"):
            pass
        await orders.publish(Ordered(n=2))
        async with orders.deliveries("g", since="start") as deliveries:
            assert (await deliveries.receive()).event.n == 2
