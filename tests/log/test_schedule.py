"""Times of scheduled events, and pauses that are never too short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from evenflow.log._schedule import checked_time, pause_of
from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 1e-7, 0.0004, 0.5, 0.9999, 12.0])
def test_a_pause_is_in_milliseconds_and_never_too_short(seconds: float) -> None:
    """Rounded up, at least one millisecond, at most one too many."""
    pause = pause_of(seconds)
    assert pause >= max(seconds, 0.001)
    assert pause <= max(seconds, 0) + 0.0011
    assert round(pause * 1000) == pytest.approx(pause * 1000)


def test_a_time_is_given_in_one_way() -> None:
    """An aware datetime, or seconds from now."""
    at = datetime(2026, 11, 28, tzinfo=UTC)
    assert checked_time(at, None, 0.0) == at.timestamp() * 1e6
    assert checked_time(None, 1.5, 10.0) == 11_500_000
    wrong: Any
    for wrong in ((None, None), (at, 1.0), ("soon", None), (None, "1"), (None, True)):
        with pytest.raises(TypeError):
            checked_time(*wrong, 0.0)
    for wrong in ((at.replace(tzinfo=None), None), (None, -1), (None, float("nan")), (None, float("inf"))):
        with pytest.raises(ValueError, match=r"aware|seconds"):
            checked_time(*wrong, 0.0)


@both
async def test_what_is_later_goes_out_at_its_second() -> None:
    """In virtual time an event goes out at its second, and what is past goes out at once."""
    log = MemoryLog(start=datetime(2026, 1, 1, tzinfo=UTC))
    orders = log.subject("orders", Ordered)
    async with log, orders.records() as feed:
        await orders.schedule(Ordered(n=2), at=datetime(2026, 1, 1, 0, 10, tzinfo=UTC))
        await orders.schedule(Ordered(n=1), at=datetime(2025, 1, 1, tzinfo=UTC))
        assert (await feed.receive()).event.n == 1
        with anyio.fail_after(700):
            record = await feed.receive()
        assert record.event.n == 2
        late = record.published_at - datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
        assert timedelta(0) <= late < timedelta(seconds=1)
