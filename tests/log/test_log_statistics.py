"""The numbers of a log are explained, and frozen."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields

import pytest

from evenflow.log import DurableSubjectStatistics, GroupStatistics, LogStatistics


@pytest.mark.parametrize("kind", [LogStatistics, DurableSubjectStatistics, GroupStatistics])
def test_every_number_is_explained(kind: type) -> None:
    """The docstring names each attribute, in order."""
    explained = re.findall(r"^\s+(\w+): ", (kind.__doc__ or "").partition("Attributes:")[2], re.MULTILINE)
    assert explained == [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass


def test_they_are_frozen() -> None:
    """A copy of a moment is not changed."""
    statistics = LogStatistics("shop", 1, 2, None, ())
    with pytest.raises(FrozenInstanceError):
        statistics.events = 5  # type: ignore[misc]  # on purpose
