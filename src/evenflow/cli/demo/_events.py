"""What the demo publishes: a class for each kind of thing that happens on a machine."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from evenflow import Event


def _now() -> datetime:
    return datetime.now(UTC)


class Noticed(Event):
    """Something about this machine at one moment; ``source`` says which part of the machine."""

    source: str
    at: datetime = Field(default_factory=_now)


class Reading(Noticed):
    """How things are now. A newer reading of the same source makes an older one worthless."""


class CoreLoad(Reading):
    """How busy one core was over the last half second."""

    core: int
    percent: float


class MemoryUse(Reading):
    """How much memory is in use, in bytes."""

    percent: float
    used: int
    total: int


class LoadAverage(Reading):
    """How many tasks wanted a core, over the last minute."""

    tasks: float


class ProcessCount(Reading):
    """How many processes there are."""

    processes: int


class DiskFlow(Reading):
    """Bytes a second to and from one disk."""

    disk: str
    read: float
    written: float


class NetFlow(Reading):
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
