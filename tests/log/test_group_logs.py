"""What a group tells of events that nobody will handle."""

from __future__ import annotations

import pytest

from evenflow.log._group_logs import GroupLogs, tell_dead
from evenflow.log._group_records import DeadRecord
from evenflow.log._stored import Row

from .kit import spec


def test_what_does_not_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """That nothing more is fetched, and each floor that has passed the group."""
    logs = GroupLogs(spec("g"), "orders")
    for _ in range(2):
        logs.choked()
        logs.removed(1, 5)
        logs.removed(5, 9)
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in said] == [
        "group g of orders fetches no more",
        "retention has removed events of orders before group g had them",
        "retention has removed events of orders before group g had them",
    ]
    assert all(record.group == "g" for record in caplog.records)  # type: ignore[attr-defined]  # a field of ours


def test_events_that_are_gone_and_dead_letters_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """With their numbers, and why they are dead; nothing is said of none."""
    logs = GroupLogs(spec("g"), "orders")
    logs.gone([])
    logs.gone([7])
    logs.gone([8, 9])
    tell_dead("orders", "g", [DeadRecord(Row(3, "A", 1, b"{}", {}, "", 0), 12, "no", 0.0)])
    assert [record.getMessage() for record in caplog.records] == [
        "retention has removed 1 event that group g of orders had still to handle: [7]",
        "retention has removed 2 events that group g of orders had still to handle: [8, 9]",
        "event 3 of orders is a dead letter of group g, after 12 attempts: no",
    ]
