"""The readers' own work."""

from __future__ import annotations

import json

from evenflow.cli.demo._events import CoreLoad, ProcessStarted
from evenflow.cli.demo._readers import as_line, weigh


def test_a_line_of_the_archive_is_json_with_the_name_of_the_class() -> None:
    """The archive can be read again, and names the class of each event."""
    event = ProcessStarted(source="process 7", pid=7, name='a "name"')
    line = as_line(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert found["event"] == "ProcessStarted"
    assert found["name"] == 'a "name"'


def test_what_is_unlike_the_record_weighs_more() -> None:
    """A usual event adds few bytes to a compressed record, and a new one adds many."""
    record = tuple(as_line(CoreLoad(source=f"cpu{n % 2}", core=n % 2, percent=50.0)) for n in range(50))
    usual = as_line(CoreLoad(source="cpu1", core=1, percent=50.0))
    news = as_line(ProcessStarted(source="process 4711", pid=4711, name="never-seen-before"))
    assert weigh(record, usual) < weigh(record, news)
