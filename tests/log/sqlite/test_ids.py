"""Ids whose time is over."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from evenflow.log._sqlite import _changes
from evenflow.log._stored import Reserve

from .kit import Change, append, both_real, opened, select, texts


@both_real
async def test_an_id_is_known_for_as_long_as_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is another one: also while its row is still there."""
    now = [time.time_ns()]
    monkeypatch.setattr(_changes, "time_ns", lambda: now[0])
    async with opened(tmp_path / "log.db", keep_ids=timedelta(hours=1)) as engine:
        (first,) = await append(engine, "a", id="one")
        now[0] += 3599 * 10**9
        assert await append(engine, "a", id="one") == [first]
        now[0] += 2 * 10**9
        (second,) = await append(engine, "a", id="one")
        assert second > first
        assert await append(engine, "a", id="one") == [second]
        assert await texts(engine) == ["a", "a"]


@both_real
async def test_ids_whose_time_is_over_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, with later commits; those of scheduled events stay, however old."""
    now = [time.time_ns()]
    monkeypatch.setattr(_changes, "time_ns", lambda: now[0])
    async with opened(tmp_path / "log.db", keep_ids=timedelta(hours=1)) as engine:
        await engine.commit(Change(reserves=[Reserve("orders", "scheduled", b"x")]))
        for n in range(1_200):
            if n % 300 == 0:
                now[0] += 60 * 10**9
            if n % 100 == 0:
                await engine.commit(Change(appends=[_id(n + more) for more in range(100)]))
        now[0] += 3600 * 10**9
        for _ in range(5):
            await append(engine, "later")
    assert select(tmp_path / "log.db", "SELECT id FROM evenflow_dedup") == [("scheduled",)]


def _id(n: int):  # type: ignore[no-untyped-def]  # an Append
    from .kit import event

    return event(f"{n}", id=f"id-{n}")
