"""From the numbers of psutil to events. The calls block, so run them in a thread."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import psutil

from ._events import (
    CoreLoad,
    DiskFlow,
    LoadAverage,
    MemoryUse,
    NetFlow,
    ProcessCount,
    ProcessEnded,
    ProcessStarted,
    Reading,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WINDOW = 0.5
"""Seconds over which a rate is measured. A kernel counts a core's time in hundredths of a second."""

NOT_DISKS = re.compile(r"(loop|ram|zram|fd|sr)\d+$")
PARTITION = re.compile(r"p?\d+$")


class Flow(NamedTuple):
    """Bytes since the machine started, in two directions."""

    there: int
    back: int

    def per_second(self, before: Flow, seconds: float) -> tuple[float, float]:
        """Bytes a second since ``before``, in both directions."""
        return round((self.there - before.there) / seconds, 1), round((self.back - before.back) / seconds, 1)


class CoreTime(NamedTuple):
    """Seconds since the machine started."""

    busy: float
    total: float


@dataclass(frozen=True)
class Snapshot:
    """The counters of the machine at one moment."""

    at: float
    cores: tuple[CoreTime, ...]
    disks: Mapping[str, Flow]
    interfaces: Mapping[str, Flow]


class Meters:
    """Reads the machine. Rates are measured over the last ``WINDOW`` seconds."""

    def __init__(self) -> None:
        self._snapshots = deque([take_snapshot()])

    def read(self) -> list[Reading]:
        """A reading of every source."""
        now = take_snapshot()
        snapshots = self._snapshots
        snapshots.append(now)
        # The last one is never older than the window, so at least one is left to compare it with.
        while snapshots[1].at <= now.at - WINDOW:
            snapshots.popleft()
        return [*_levels(), *_rates(snapshots[0], now)]


def _levels() -> Iterator[Reading]:
    memory = psutil.virtual_memory()
    yield MemoryUse(source="memory", percent=memory.percent, used=memory.total - memory.available, total=memory.total)
    yield LoadAverage(source="load", tasks=psutil.getloadavg()[0])
    yield ProcessCount(source="processes", processes=len(psutil.pids()))


def _rates(then: Snapshot, now: Snapshot) -> Iterator[Reading]:
    for number, (before, after) in enumerate(zip(then.cores, now.cores, strict=False)):
        yield CoreLoad(source=f"cpu{number}", core=number, percent=busy_percent(before, after))
    seconds = max(now.at - then.at, 1e-3)
    for disk, flow in now.disks.items():
        read, written = flow.per_second(then.disks.get(disk, flow), seconds)
        yield DiskFlow(source=f"disk {disk}", disk=disk, read=read, written=written)
    for name, flow in now.interfaces.items():
        received, sent = flow.per_second(then.interfaces.get(name, flow), seconds)
        yield NetFlow(source=f"net {name}", interface=name, received=received, sent=sent)


def busy_percent(before: CoreTime, after: CoreTime) -> float:
    """How busy a core was between two moments; 0 if its clock has not moved."""
    passed = after.total - before.total
    if passed <= 0:
        return 0.0
    return round(min(max(100 * (after.busy - before.busy) / passed, 0.0), 100.0), 1)


def take_snapshot() -> Snapshot:
    """Read all counters; those that this machine does not have are left out."""
    return Snapshot(time.monotonic(), _cores(), _disks(), _interfaces())


def _cores() -> tuple[CoreTime, ...]:
    cores: list[CoreTime] = []
    for times in psutil.cpu_times(percpu=True):
        spent: dict[str, float] = times._asdict()
        # The time of guests is part of user and nice already.
        total = sum(seconds for kind, seconds in spent.items() if not kind.startswith("guest"))
        cores.append(CoreTime(total - spent["idle"] - spent.get("iowait", 0.0), total))
    return tuple(cores)


def _disks() -> dict[str, Flow]:
    try:
        counters = psutil.disk_io_counters(perdisk=True)
    except (NotImplementedError, OSError):
        # A container can hide its disks.
        return {}
    return {disk: Flow(counters[disk].read_bytes, counters[disk].write_bytes) for disk in whole_disks(counters)}


def whole_disks(names: Mapping[str, object]) -> list[str]:
    """The disks among these names, without partitions, and without disks in memory or in a file."""
    return [
        name
        for name in sorted(names)
        if not NOT_DISKS.match(name) and PARTITION.sub("", name) not in names.keys() - {name}
    ]


def _interfaces() -> dict[str, Flow]:
    try:
        counters = psutil.net_io_counters(pernic=True)
        up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    except OSError:
        return {}
    return {name: Flow(counted.bytes_recv, counted.bytes_sent) for name, counted in counters.items() if name in up}


class Processes:
    """Which processes start and end between one look and the next."""

    def __init__(self) -> None:
        self._names = {pid: _name(pid) for pid in psutil.pids()}
        self._first_seen: dict[int, float] = {}

    def changes(self) -> list[ProcessStarted | ProcessEnded]:
        """What has changed since the last look. A process that starts and ends between two looks is not seen."""
        now = set(psutil.pids())
        known = self._names.keys()
        return [*map(self._ended, sorted(known - now)), *map(self._started, sorted(now - known))]

    def _started(self, pid: int) -> ProcessStarted:
        name = self._names[pid] = _name(pid)
        self._first_seen[pid] = time.monotonic()
        return ProcessStarted(source=f"process {pid}", pid=pid, name=name)

    def _ended(self, pid: int) -> ProcessEnded:
        seen = self._first_seen.pop(pid, None)
        lived = None if seen is None else round(time.monotonic() - seen, 3)
        return ProcessEnded(source=f"process {pid}", pid=pid, name=self._names.pop(pid), lived=lived)


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        # It has ended, or we may not look at it.
        return "?"
