"""The suite's tests of capabilities notice a log that lacks something and does not say so when it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from evenflow.log import Capabilities, Capability
from evenflow.testing._memory_store import MemoryStore
from evenflow.testing.conformance import LogConformance, _capabilities
from tests.testing.conformance.kit import CAPABILITIES, TheirLog, failures, failures_of

POOR = replace(CAPABILITIES, transactions=False, schedule=False, last_by=False)


class PoorLogs(LogConformance):
    """Tests for logs that have no transactions, no schedule and no newest of each key."""

    capabilities = POOR
    virtual_time = True


class PoorLog(TheirLog):
    """Lacks what it says, and refuses it."""

    capabilities = POOR


class SilentLog(PoorLog):
    """Lacks what it says, and refuses nothing."""

    def require(self, *needs: Capability) -> None:
        """Find everything in order."""


class Boasting(LogConformance):
    """Says that a log has tables of its user's, which it has not."""

    capabilities = Capabilities(own_rows=True)


def on_a_store(kind: type[TheirLog]) -> Callable[[], Callable[[], TheirLog]]:
    def make() -> Callable[[], TheirLog]:
        store = MemoryStore()
        return lambda: kind(store)

    return make


def test_a_log_that_says_what_it_lacks_passes() -> None:
    """It is asked for what it lacks only to see it refused."""
    assert failures(_capabilities) == set()
    assert failures_of(PoorLogs(), _capabilities, on_a_store(PoorLog)) == set()


def test_a_log_that_refuses_nothing_is_noticed() -> None:
    """What would quietly not happen is worse than an error."""
    assert failures_of(PoorLogs(), _capabilities, on_a_store(SilentLog)) >= {
        "test_what_is_missing_is_named_all_at_once",
        "test_without_transactions_one_is_refused_before_its_block",
    }


def test_a_class_of_tests_that_says_more_than_its_log_is_noticed() -> None:
    """Which tests there are is decided by the class, so it must say what the log says."""
    with pytest.raises(AssertionError):
        Boasting().test_a_log_can_do_what_its_class_of_tests_says(on_a_store(TheirLog)())
