"""What can be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenflow import State, Subject, share
from evenflow.log import SQLiteLog
from evenflow.web._inspector._sources import can_be_shown

from .kit import Order


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_subjects_states_shared_streams_and_logs_can_be_shown(tmp_path: Path) -> None:
    """These can, and subjects of a log; a stream has one reader, so looking at it would take from it."""
    log = SQLiteLog(tmp_path / "log.db")
    subject = Subject(Order)
    async with subject.subscribe() as stream, share(stream) as shared:
        for found in (subject, State(1), shared, log, log.subject("orders", Order)):
            assert can_be_shown(found)
        assert not can_be_shown(stream)


@pytest.mark.parametrize("found", [None, 3, "orders", Order, Subject, State, []])
def test_nothing_else_can(found: object) -> None:
    """Their classes cannot be shown, nor can a list, which the command line takes apart itself."""
    assert not can_be_shown(found)
