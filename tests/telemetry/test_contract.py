"""A part of the contract once more, with every subject instrumented; `pytest --instrumented tests/contract` has it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import evenflow
from evenflow.testing import MemoryLog

from ..contract.test_07_isolation import *  # noqa: F403 -- its tests, run here under the fixture below
from ..contract.test_08_the_end_reaches_everyone import *  # noqa: F403 -- the same
from ..contract.test_publishing import *  # noqa: F403 -- the same
from ..instrumented import all_followed


@pytest.fixture(autouse=True)
def followed() -> Iterator[None]:
    """Whatever is made in a test of this file is instrumented."""
    with all_followed():
        yield


def test_what_is_made_here_is_instrumented() -> None:
    """Subjects, those of a class of one's own, logs and their subjects: each has the methods that make spans."""

    class Noted(evenflow.Event):
        pass

    class Bus(evenflow.Subject[object]):
        pass

    log = MemoryLog()
    for made, cls in ((evenflow.Subject(), evenflow.Subject), (Bus(), Bus), (log, MemoryLog)):
        assert isinstance(made, cls)
        assert type(made) is not cls
        assert "_telemetry" in vars(made)
    assert "_telemetry" in vars(log.subject("notes", Noted))
