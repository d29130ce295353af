"""Which records of a prefix are due when."""

from __future__ import annotations

import pytest

from evenflow.log._nats import _dues
from evenflow.log._stored import Change, Put
from tests.servers import fresh_nats_name

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_what_another_process_changes_is_followed() -> None:
    """Put, put later, deleted, and no longer due; without reading everything anew."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        puts = {f"g/{number}": Put(b"", float(number)) for number in range(1, 6)}
        await other.commit(Change(puts=puts))
        assert list(await one.due("g/", 9.0, 10)) == [f"g/{number}" for number in range(1, 6)]
        client = one._opened().line.client
        before = client.stats["in_msgs"]
        await other.commit(Change(puts={"g/1": Put(b"", 8.5), "g/2": Put(b"")}, deletes=["g/3"]))
        assert list(await one.due("g/", 9.0, 10)) == ["g/4", "g/5", "g/1"]
        assert client.stats["in_msgs"] - before < 8
        assert await one.next_due("g/") == 4.0


@on_asyncio
async def test_after_a_long_time_everything_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of a deletion may be gone by then."""
    async with opened() as engine:
        await engine.commit(Change(puts={"g/1": Put(b"", 1.0), "g/2": Put(b"", 2.0)}))
        await engine.due("g/", 9.0, 10)
        known = engine._opened().dues._known["g/"]
        known.records["g/9"] = known.records["g/1"]
        assert "g/9" in await engine.due("g/", 9.0, 10)
        monkeypatch.setattr(_dues, "OLD", -1.0)
        assert "g/9" not in await engine.due("g/", 9.0, 10)
