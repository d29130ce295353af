"""From the numbers of psutil to events."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from evenflow.cli.demo._events import CoreLoad, MemoryUse, NetFlow, ProcessEnded, ProcessStarted
from evenflow.cli.demo._machine import CoreTime, Flow, Meters, Processes, busy_percent, whole_disks


@pytest.mark.parametrize(
    "before, after, percent",
    [
        (CoreTime(10, 20), CoreTime(11, 24), 25.0),
        (CoreTime(10, 20), CoreTime(10, 20), 0.0),
        (CoreTime(10, 20), CoreTime(9, 21), 0.0),
        (CoreTime(10, 20), CoreTime(13, 21), 100.0),
    ],
    ids=["a quarter", "no time has passed", "a counter went back", "more busy than there was time"],
)
def test_how_busy_a_core_was_is_a_part_of_the_time_that_passed(
    before: CoreTime, after: CoreTime, percent: float
) -> None:
    """The percentage is between 0 and 100, whatever the kernel counts."""
    assert busy_percent(before, after) == percent


def test_disks_are_whole_and_real() -> None:
    """A partition is not counted again, and a disk in memory or in a file is not counted at all."""
    names = dict.fromkeys(["loop0", "zram0", "ram1", "vda", "vda1", "nvme0n1", "nvme0n1p2", "sr0", "mmcblk0"])
    assert whole_disks(names) == ["mmcblk0", "nvme0n1", "vda"]


def test_a_flow_is_bytes_a_second() -> None:
    """A rate is the difference of two counters, divided by the seconds between them."""
    assert Flow(3_000, 500).per_second(Flow(1_000, 0), 2.0) == (1_000.0, 250.0)


def test_every_core_the_memory_and_the_loopback_are_read() -> None:
    """The readings are those of this machine."""
    meters = Meters()
    readings = meters.read()
    assert sum(isinstance(reading, CoreLoad) for reading in readings) == psutil.cpu_count()
    memory = next(reading for reading in readings if isinstance(reading, MemoryUse))
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.used < memory.total
    assert len({reading.source for reading in readings}) == len(readings)
    assert any(isinstance(reading, NetFlow) for reading in readings) or not psutil.net_io_counters(pernic=True)


def test_a_machine_that_hides_its_disks_and_its_network_is_read_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container that hides something, the rest is shown."""

    def hidden(**_: object) -> None:
        raise FileNotFoundError("/proc/diskstats")

    monkeypatch.setattr(psutil, "disk_io_counters", hidden)
    monkeypatch.setattr(psutil, "net_io_counters", hidden)
    sources = {reading.source for reading in Meters().read()}
    assert "memory" in sources
    assert not any(source.startswith(("disk", "net")) for source in sources)


def test_a_process_is_noticed_when_it_starts_and_when_it_ends() -> None:
    """A child process that starts and ends makes two events."""
    processes = Processes()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = [event for event in processes.changes() if event.pid == child.pid]
        child.communicate(b"\n")
    ended = [event for event in processes.changes() if event.pid == child.pid]
    assert [type(event) for event in started + ended] == [ProcessStarted, ProcessEnded]
    assert isinstance(ended[0], ProcessEnded)
    assert ended[0].lived is not None
    assert ended[0].lived >= 0


def test_a_process_that_was_there_before_is_not_new() -> None:
    """Only changes are events, and this process was there before."""
    assert all(event.pid != os.getpid() for event in Processes().changes())


def test_a_process_that_is_gone_before_it_is_named_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may end before its name is read."""
    processes = Processes()
    nobody = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    monkeypatch.setattr(psutil, "pids", lambda: [nobody])
    assert [(event.pid, event.name) for event in processes.changes() if isinstance(event, ProcessStarted)] == [
        (nobody, "?")
    ]
