"""Streams on trio: each operator does what it does on asyncio, at the same times, and leaves no task."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from evenflow.testing import run_virtual

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS = 5
"""Trio runs the tasks of one turn in any order, so each case is run more than once."""


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The cases from which the pictures of the operators are drawn."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("marbles")


async def _without_leaving_a_task(run: Any) -> Any:
    before = trio.lowlevel.current_statistics().tasks_living
    rows = await run()
    assert trio.lowlevel.current_statistics().tasks_living == before
    return rows


def _comparable(rows: list[Any]) -> list[Any]:
    """Rows with the events of one tick sorted: across sources no order is promised."""
    return [(row.name, sorted(row.events), row.end, row.failed, row.start) for row in rows]


def test_every_operator_does_on_trio_what_it_does_on_asyncio(cases: Any) -> None:
    """It yields the same events at the same times with the same end, and no task is left."""
    for name, case in cases.CASES.items():
        run = partial(cases.SPECIAL.get(name, cases.run), case)
        expected = _comparable(run_virtual(run))
        for _ in range(RUNS):
            rows = run_virtual(partial(_without_leaving_a_task, run), backend="trio", limit=1_000)
            assert _comparable(rows) == expected, name
