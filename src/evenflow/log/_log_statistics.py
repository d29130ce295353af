"""The numbers of a log: frozen copies, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._group_statistics import GroupStatistics
    from ._offsets import Offset


@dataclass(frozen=True, slots=True)
class DurableSubjectStatistics:
    """The numbers of one subject.

    Attributes:
        name: the subject's name.
        end: the offset of its newest event; of nothing yet, where there is none.
        floor: everything up to this offset may have been removed by retention.
        groups: the numbers of each group.
    """

    name: str
    end: Offset
    floor: Offset
    groups: tuple[GroupStatistics, ...]


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """The numbers of a log; None where the engine cannot say cheaply.

    Attributes:
        name: the log's name.
        events: how many events are stored.
        bytes: how much room the log takes.
        wal_bytes: how long its write-ahead log is; it should stay below some megabytes.
        subjects: the numbers of each subject that has, or had, events.
    """

    name: str
    events: int | None
    bytes: int | None
    wal_bytes: int | None
    subjects: tuple[DurableSubjectStatistics, ...]
