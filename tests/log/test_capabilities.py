"""Capabilities: what can be required, and what is missing."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest

from evenflow.log import Capabilities, Capability, Unsupported
from evenflow.testing import MemoryLog


def test_every_field_can_be_required_and_nothing_else() -> None:
    """The names that may be required are the names of the fields."""
    assert {field.name for field in fields(Capabilities)} == set(get_args(Capability))
    wrong: Any = "teleport"
    with pytest.raises(ValueError, match=r"teleport.*total_order"):
        Capabilities().have(wrong)


def test_what_is_missing_is_named_at_once() -> None:
    """One error names all that an engine lacks."""
    assert Capabilities(trio=False, schedule=False, several_machines=True).missing() == (
        "own_rows", "schedule", "routed_by", "several_processes", "notices_lost_events", "trio",
    )  # fmt: skip
    with pytest.raises(Unsupported, match=r"MemoryLog.*own_rows, several_machines") as caught:
        MemoryLog().require("transactions", "own_rows", "several_machines")
    assert caught.value.missing == ("own_rows", "several_machines")
    MemoryLog().require("transactions", "schedule")
