"""The typed signatures hold no state, and their implementations are the face's."""

from __future__ import annotations

import inspect

import pytest

from evenflow.log import DurableSubject
from evenflow.log._group_signatures import Grouping
from evenflow.log._signatures import Reading


@pytest.mark.parametrize("face", [Reading, Grouping])
def test_every_hook_of_a_face_is_implemented(face: type) -> None:
    """What a signature calls is there in the subject."""
    hooks = [name for name in vars(face) if name.startswith("_") and not name.startswith("__")]
    hooks = [name for name in hooks if inspect.isfunction(vars(face)[name])]
    assert hooks
    assert all(getattr(DurableSubject, name) is not vars(face)[name] for name in hooks)


@pytest.mark.parametrize("name", ["subscribe", "records", "read", "first", "deliveries", "consume", "consumer"])
def test_every_signature_has_its_contract(name: str) -> None:
    """Each public method says what it does and what it raises."""
    documentation = inspect.getdoc(getattr(DurableSubject, name)) or ""
    assert len(documentation) > 40
    assert "Raises:" in documentation or "As ``subscribe``" in documentation
