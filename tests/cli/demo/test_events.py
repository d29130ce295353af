"""The classes of events that the demo publishes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evenflow.cli.demo import _events as events


def test_an_event_knows_when_it_was_noticed() -> None:
    """The time is that of making the event, in UTC."""
    before = datetime.now(UTC)
    event = events.LoadAverage(source="load", tasks=1.5)
    assert before <= event.at <= datetime.now(UTC)


@pytest.mark.parametrize(
    "name, is_reading",
    [
        ("CoreLoad", True),
        ("MemoryUse", True),
        ("LoadAverage", True),
        ("ProcessCount", True),
        ("DiskFlow", True),
        ("NetFlow", True),
        ("ProcessStarted", False),
        ("ProcessEnded", False),
    ],
)
def test_only_readings_are_made_worthless_by_newer_ones(name: str, is_reading: bool) -> None:
    """The table wants readings, and a process that starts is none; the archive wants everything that was noticed."""
    cls = getattr(events, name)
    assert issubclass(cls, events.Noticed)
    assert issubclass(cls, events.Reading) is is_reading
