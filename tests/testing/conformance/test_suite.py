"""Which tests a class of the suite has, on which loops, and what fails beside an assertion."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import pytest

from evenflow.log import Capabilities
from evenflow.testing import MemoryLog
from evenflow.testing.conformance import EngineConformance, LogConformance
from evenflow.testing.conformance._suite import Case, Suite, cases
from tests.testing.conformance.kit import TheirLogs


class Alone(LogConformance):
    """A log that one process may open, on asyncio, and that has no schedule."""

    capabilities = Capabilities(schedule=False, trio=False)


class AlonePlus(LogConformance):
    """The same, whose author knows that two of them can share a storage."""

    capabilities = Alone.capabilities
    shared = True


def test_a_class_has_the_tests_that_its_capabilities_call_for() -> None:
    """What a log cannot do is not tested, but that it is refused is; nothing is skipped."""
    mine, theirs = cases(Alone), cases(TheirLogs)
    assert "test_two_processes_send_it_once" in theirs
    assert not {name for name, case in mine.items() if {"schedule", "several_processes"} & set(case.needs)}
    assert "test_without_schedules_scheduling_is_refused" in mine.keys() - theirs.keys()
    assert "test_one_id_is_one_event" in mine.keys() & theirs.keys()
    assert "test_two_processes_share_the_events_of_a_group" in cases(AlonePlus).keys() - mine.keys()


def test_a_test_of_what_is_shared_is_left_out_below_too() -> None:
    """An engine whose storage has one opening at a time is asked nothing about two."""

    class OneAtATime(EngineConformance):
        capabilities = MemoryLog.capabilities

    assert "test_two_openings_write_to_one_log" not in cases(OneAtATime)
    assert "test_numbers_grow_over_all_subjects" in cases(OneAtATime)


def test_each_test_runs_on_the_loops_that_the_log_knows() -> None:
    """Refusing trio is tested on trio."""
    assert TheirLogs()._back_ends(Case()) == ["asyncio", "trio"]
    assert Alone()._back_ends(Case()) == ["asyncio"]
    assert Alone()._back_ends(Case(lacks=("trio",))) == ["trio"]


def test_a_class_that_makes_nothing_says_what_is_missing() -> None:
    """The error names the class, and what it has to define."""
    with pytest.raises(NotImplementedError, match=r"Alone needs a fixture `make`"):
        Suite.make.__wrapped__(Alone())  # type: ignore[attr-defined]  # what pytest calls


@pytest.mark.parametrize("virtual", [True, False])
def test_a_task_that_is_left_behind_fails_the_test(virtual: bool) -> None:
    """Whatever the test itself has found."""
    suite = type("Some", (Suite,), {"virtual_time": virtual})()

    async def main() -> None:
        tasks.append(asyncio.ensure_future(anyio.sleep_forever()))
        await anyio.lowlevel.checkpoint()

    tasks: list[object] = []
    with pytest.raises(AssertionError, match="left behind"):
        suite.run(main, "asyncio", real=False)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_test_that_never_ends_fails(backend: str) -> None:
    """In virtual time at once."""
    with pytest.raises((TimeoutError, AssertionError)):
        TheirLogs().run(anyio.sleep_forever, backend, real=False)  # type: ignore[arg-type]  # a str here


def test_what_is_declared_decides_and_not_the_base() -> None:
    """A class that declares other capabilities has other tests than the one beside it."""

    class Poor(LogConformance):
        capabilities = replace(TheirLogs.capabilities, transactions=False)

    assert "test_a_transaction_is_bounded" not in cases(Poor)
    assert "test_a_transaction_is_bounded" in cases(TheirLogs)
