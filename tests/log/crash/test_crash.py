"""SIGKILL at random moments: nothing is lost whose publish had returned, nothing comes again after its ack had returned.

A few rounds here; ``make crash`` does 200 with one process at a time, and 100 with four.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from evenflow.log import SQLiteLog

from .program import GROUPS, made

ROUNDS = int(os.environ.get("EVENFLOW_CRASH_ROUNDS", "2"))
ROOT = Path(__file__).parents[3]


def start(file: Path, journal: Path, name: str, seconds: float) -> subprocess.Popen[str]:
    """A process of the program, which is ready."""
    command = [sys.executable, "-m", "tests.log.crash.program", str(file), str(journal), name, str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """As a power switch would."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def count(journal: Path) -> int:
    """How many events are known to be published."""
    return journal.read_text().count("P ") if journal.exists() else 0


@pytest.mark.timeout(120 + 30 * ROUNDS)
@pytest.mark.parametrize("processes", [1, 4])
def test_a_kill_loses_nothing_and_repeats_nothing_that_was_acknowledged(processes: int, tmp_path: Path) -> None:
    """After each kill the log opens again at once; at the end every promise is looked at, line by line."""
    file, journal = tmp_path / "crash.db", tmp_path / "journal"
    chance = random.Random(processes)
    running: dict[int, subprocess.Popen[str]] = {}
    try:
        for each in range(ROUNDS):
            published = count(journal)
            for place in range(processes):
                if place not in running:
                    running[place] = start(file, journal, f"{each}.{place}", 60)
            while count(journal) < published + 2:  # however slow the machine is
                time.sleep(0.01)
            victim = chance.choice(sorted(running))
            try:
                running[victim].wait(chance.uniform(0.05, 0.6))
                raise AssertionError("it has ended by itself")
            except subprocess.TimeoutExpired:
                kill(running.pop(victim))
    finally:
        for process in running.values():
            kill(process)
    rest = start(file, journal, "rest", 0)
    assert rest.wait(60 + 10 * ROUNDS) == 0
    assert rest.stdout is not None
    rest.stdout.close()
    check(file, journal)


def check(file: Path, journal: Path) -> None:
    """Compare what is stored with what the processes knew."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    stored = anyio.run(read, file)
    names = [name for name, _ in stored.values()]
    assert len(names) == len(set(names)), "an event is stored twice"
    lines = [line.split() for line in journal.read_text().splitlines()]
    confirmed = {line[1] for line in lines if line[0] == "P"}
    assert confirmed <= set(names), "an event is lost whose publish had returned"
    assert len(confirmed) > ROUNDS, "hardly anything was published, so nothing was tested"
    acknowledged: set[tuple[str, int]] = set()
    handled: dict[str, list[int]] = {group: [] for group in GROUPS}
    for line in lines:
        if line[0] == "A":
            acknowledged.add((line[1], int(line[2])))
        elif line[0] == "H":
            assert (line[1], int(line[2])) not in acknowledged, f"handed over again after its ack: {line}"
            handled[line[1]].append(int(line[2]))
    for group, seqs in handled.items():
        assert set(seqs) == set(stored), f"{group} has not handled everything"
    by_key: dict[int, list[int]] = {}
    for seq in dict.fromkeys(handled["ordered"]):
        by_key.setdefault(stored[seq][1], []).append(seq)
    for key, seqs in by_key.items():
        assert seqs == sorted(seqs), f"the events of key {key} were begun out of order"


async def read(file: Path) -> dict[int, tuple[str, int]]:
    """The name and key of each stored event, by its number."""
    log = SQLiteLog(file)
    subject = made(log)
    async with log.opened(consumers=False):
        return {record.offset.seq: (record.event.name, record.event.key) async for record in subject.read()}
