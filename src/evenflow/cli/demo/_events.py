"""What the demo publishes: a class for each kind of thing that happens on a machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

from pydantic import Field

from evenflow import Event


def _now() -> datetime:
    return datetime.now(UTC)


class Noticed(Event):
    """Something about this machine at one moment; ``source`` says which part of the machine."""

    source: str
    at: datetime = Field(default_factory=_now)


class CoreLoad(Noticed):
    """How busy one core was over the last half second."""

    core: int
    percent: float


class MemoryUse(Noticed):
    """How much memory is in use, in bytes."""

    percent: float
    used: int
    total: int


class LoadAverage(Noticed):
    """How many tasks wanted a core, over the last minute."""

    tasks: float


class ProcessCount(Noticed):
    """How many processes there are."""

    processes: int


class DiskFlow(Noticed):
    """Bytes a second to and from one disk."""

    disk: str
    read: float
    written: float


class NetFlow(Noticed):
    """Bytes a second through one network interface."""

    interface: str
    received: float
    sent: float


class ProcessStarted(Noticed):
    """A new process."""

    pid: int
    name: str


class ProcessEnded(Noticed):
    """A process has ended; ``lived`` is in seconds, and None if its start was not seen."""

    pid: int
    name: str
    lived: float | None


Reading: TypeAlias = CoreLoad | MemoryUse | LoadAverage | ProcessCount | DiskFlow | NetFlow
"""How things are now. A newer reading of the same source makes an older one worthless."""
