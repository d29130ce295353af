"""Tests that run in processes of their own, each with evenflow broken in one way."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import pytest

from tests.mutants._mutant import Mutant

# Forked, a process has pytest, trio and evenflow imported already, which takes longer than most tests here.
_CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

TIMEOUT = 20
"""Seconds for one test: a mutant that hangs is noticed."""
DEADLINE = 300
"""Seconds for all tests of a mutant: one may hang beyond what a test's own timeout can end."""


@dataclass(frozen=True)
class Outcome:
    """What pytest's run gave."""

    ran: bool
    """False where no test could run at all."""
    failed: set[str]
    said: str


@dataclass(frozen=True)
class Job:
    """Tests to run, with a mutant or without."""

    mutant: Mutant | None
    tests: tuple[str, ...]


def run(jobs: Iterable[Job]) -> Iterator[tuple[Job, Outcome]]:
    """Run as many jobs at once as there are processors, and give each as it ends."""
    waiting = list(jobs)
    running: dict[Connection, tuple[multiprocessing.process.BaseProcess, Job, float]] = {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            job = waiting.pop(0)
            here, there = _CONTEXT.Pipe(duplex=False)
            process = _CONTEXT.Process(target=_run_here, args=(job, there))
            process.start()
            there.close()
            running[here] = (process, job, time.monotonic() + DEADLINE)
        for connection in wait(list(running), timeout=1):
            assert isinstance(connection, Connection)
            process, job, _ = running.pop(connection)
            try:
                outcome = connection.recv()
            except EOFError:
                outcome = Outcome(ran=False, failed=set(), said="the process ended without a word")
            yield job, outcome
            _end(process)
        for connection, (process, job, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                del running[connection]
                yield job, Outcome(ran=True, failed=set(job.tests), said=f"it hung for {DEADLINE} s")
                _end(process)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()


class _Failures:
    """A plugin that notes which tests fail, and stops when enough have."""

    def __init__(self, mutant: Mutant | None) -> None:
        self.mutant = mutant
        self.failed: set[str] = set()
        self.session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
            if self.session and self.mutant and not self.mutant.unnoticed(self.failed):
                self.session.shouldstop = "noticed"


def _run_here(job: Job, answer: Connection) -> None:
    options = ["-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "--timeout", str(TIMEOUT)]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # the plugins were imported before the fork
    failures = _Failures(job.mutant)
    with tempfile.TemporaryFile() as said, ExitStack() as stack:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            if job.mutant:
                stack.enter_context(job.mutant.applied())
            code = int(pytest.main([*options, *job.tests], plugins=[failures]))
        except Exception as error:
            # pytest raises, after all tests, what the mutant has made destructors raise.
            answer.send(Outcome(bool(failures.failed), failures.failed, f"{type(error).__name__}: {error}"))
            return
        sys.stdout.flush()
        said.seek(0)
        text = said.read().decode(errors="replace")
    ran = code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} or bool(failures.failed)
    answer.send(Outcome(ran, failures.failed, text))
