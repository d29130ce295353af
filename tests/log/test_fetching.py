"""Fetching: a reader claims as long as there is room, and sleeps until there is more."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from evenflow import LogError
from evenflow.log._desk import Desk
from tests.testing.kit import both

from .kit import Placed, ns, process, taken


@both
async def test_more_is_fetched_once_half_of_the_hand_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each event: a claim is a commit."""
    rooms: list[int] = []
    claim = Desk.claim

    async def noted(self: Desk, room: int, *, hungry: bool = True) -> Any:
        claimed = await claim(self, room, hungry=hungry)
        if claimed.page is not None:
            rooms.append(room)
        return claimed

    monkeypatch.setattr(Desk, "claim", noted)
    async with process() as one:
        await one.publish(*(Placed(n=n) for n in range(8)))
        async with one.deliveries(buffer=4) as deliveries:
            await deliveries.receive()
            await anyio.sleep(1)
            assert rooms == [4]
            await deliveries.receive()
            await anyio.sleep(1)
            assert rooms == [4, 2]


@both
async def test_with_nothing_to_claim_a_reader_sleeps_until_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten idle minutes ask the log for nothing; the event after it is there at once."""
    async with process() as one:
        async with one.deliveries(ack_wait=10_000) as deliveries:
            await anyio.sleep(1)
            reads = 0
            read = one.engine.read

            async def counted(*arguments: Any, **options: Any) -> Any:
                nonlocal reads
                reads += 1
                return await read(*arguments, **options)

            monkeypatch.setattr(one.engine, "read", counted)
            await anyio.sleep(600)
            assert reads == 0
            await one.publish(Placed(n=1))
            assert ns(await taken(deliveries)) == [1]


@both
async def test_a_retry_wakes_a_reader_when_it_is_due() -> None:
    """Nothing else has to happen."""
    async with process() as one:
        await one.publish(Placed(n=1))
        async with one.deliveries(ack_wait=1_000) as deliveries:
            await (await deliveries.receive()).retry(after=30)
            assert await taken(deliveries, 29) == []
            assert ns(await taken(deliveries, 1.5)) == [1]


@both
async def test_a_reader_of_a_log_that_fails_fetches_again_when_it_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault is logged once, and so is its end."""
    claim = Desk.claim
    fails = True

    async def failing(self: Desk, room: int, *, hungry: bool = True) -> Any:
        if fails:
            raise LogError("no server")
        return await claim(self, room, hungry=hungry)

    monkeypatch.setattr(Desk, "claim", failing)
    async with process() as one:
        await one.publish(Placed(n=1))
        with caplog.at_level(logging.INFO, "evenflow.groups"):
            async with one.deliveries() as deliveries:
                assert await taken(deliveries, 100) == []
                fails = False
                assert ns(await taken(deliveries, 31)) == [1]
        assert caplog.text.count("no server") == 1
        assert caplog.text.count("the log answers again") == 1
