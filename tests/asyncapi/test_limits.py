"""Lengths, ranges and patterns: a limit that is not kept is one that some value breaks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow.asyncapi._accepts import accepts
from evenflow.asyncapi._limits import broken_limits, most_items, other_form

BOUND = st.sampled_from([-1, 0, 0.5, 1, 2])
RANGES = st.fixed_dictionaries(
    {},
    optional={
        "minimum": BOUND, "maximum": BOUND, "exclusiveMinimum": BOUND, "exclusiveMaximum": BOUND,
        "multipleOf": st.sampled_from([0.5, 1, 2]),
    },
)  # fmt: skip


@given(st.sampled_from(["integer", "number"]), RANGES, RANGES)
def test_a_range_that_is_kept_is_kept_by_every_number(kind: str, sent: dict[str, Any], read: dict[str, Any]) -> None:
    """And a range keeps itself."""
    sent, read = {"type": kind, **sent}, {"type": kind, **read}
    assert broken_limits(read, read, kind) == []
    if not broken_limits(sent, read, kind):
        numbers = [step / 4 for step in range(-12, 13)] + list(range(-3, 4))
        assert [each for each in numbers if accepts(sent, each, {}) and not accepts(read, each, {})] == []


@pytest.mark.parametrize(
    "kind, sent, read, broken",
    [
        ("string", {}, {"minLength": 1}, ["minLength"]),
        ("string", {"maxLength": 3}, {"maxLength": 3}, []),
        ("string", {"pattern": "a"}, {"pattern": "b"}, ["pattern"]),
        ("array", {"maxItems": 1}, {"uniqueItems": True}, []),
        ("array", {"maxItems": 2}, {"uniqueItems": True}, ["uniqueItems"]),
        ("object", {"required": ["a", "b"]}, {"minProperties": 2}, []),
        ("object", {}, {"minProperties": 1}, ["minProperties"]),
        ("object", {"properties": {"a": {}}}, {"maxProperties": 1}, []),
        ("object", {"additionalProperties": True}, {"maxProperties": 1}, ["maxProperties"]),
        ("boolean", {}, {"minLength": 1}, []),
        ("number", {}, {"multipleOf": 2}, ["multipleOf"]),
    ],
)
def test_the_words_that_are_not_kept_are_named(
    kind: str, sent: dict[str, Any], read: dict[str, Any], broken: list[str]
) -> None:
    """Of each type its own words, and no others."""
    assert broken_limits(sent, read, kind) == broken


def test_how_many_items_an_array_has_and_what_form_a_text_has() -> None:
    """A tuple has as many as it has schemas; another format is another type."""
    assert most_items({"items": [{}, {}], "additionalItems": False}) == 2
    assert most_items({"items": [{}, {}], "maxItems": 1}) == 1
    assert other_form({}, {"format": "date"})
    assert not other_form({"format": "date"}, {})
