"""evenflow.log.engine: what an engine of your own is written against.

An engine stores events and small records; everything that a log is known for, groups, leases, retries, schedules,
retention, is written above it, once. A log on your engine is a subclass of ``Log`` that sets ``capabilities`` and
overrides ``_engine``, which returns a new engine, not opened yet. `docs/how-to/write-an-engine.md` shows it, and
`evenflow.testing.conformance` is the suite that shows whether it holds.
"""

from ._engine import Engine
from ._routes import Route, Wanted
from ._stored import (
    ABSENT,
    Absent,
    Append,
    Away,
    Change,
    Done,
    IdTaken,
    Lineage,
    Outdated,
    Page,
    Pulse,
    Put,
    Record,
    Reserve,
    Row,
    Size,
    Statement,
)

__all__ = [
    "ABSENT",
    "Absent",
    "Append",
    "Away",
    "Change",
    "Done",
    "Engine",
    "IdTaken",
    "Lineage",
    "Outdated",
    "Page",
    "Pulse",
    "Put",
    "Record",
    "Reserve",
    "Route",
    "Row",
    "Size",
    "Statement",
    "Wanted",
]
