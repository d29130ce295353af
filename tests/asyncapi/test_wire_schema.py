"""The schema of a message is that of what is written: events made at random are valid by it."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from evenflow import Event, Subject
from evenflow.asyncapi import document
from evenflow.log._codec import codec_of

from .kit import Cat, Changed, Choice, Closed, Corner, Dog, Everything, Open, Point, Settings, Tree, check, valid

pets = st.builds(Cat, lives=st.integers()) | st.builds(
    Dog, friends=st.lists(st.builds(Dog, friends=st.just([])), max_size=2)
)
EVERYTHING = st.builds(
    Everything,
    number=st.integers(),
    ranged=st.integers(1, 100),
    real=st.floats(),
    finite=st.floats(allow_nan=False, allow_infinity=False),
    positive=st.floats(min_value=0, allow_nan=False),
    money=st.decimals(allow_nan=False, allow_infinity=False),
    text=st.text(max_size=8),
    raw=st.binary(max_size=9),
    key=st.binary(max_size=4),
    span=st.timedeltas(),
    maybe=st.none() | st.integers(),
    either=st.integers() | st.text() | st.booleans(),
    pet=pets,
    many=st.lists(st.builds(Cat, lives=st.integers())),
    unique=st.frozensets(st.integers()),
    longer=st.lists(st.integers()).map(tuple),
    corner=st.builds(Corner, st.integers(), st.floats()),
    choice=st.builds(Choice, needed=st.integers()) | st.just(Choice(needed=1, perhaps="x")),
    point=st.builds(Point, st.floats(), st.text()),
    by_name=st.dictionaries(st.text(), st.integers()),
    by_number=st.dictionaries(st.integers(), st.lists(st.floats())),
    anything=st.none() | st.integers() | st.lists(st.text()),
    parsed=st.lists(st.integers()).map(json.dumps),
    rounded=st.floats(-1e9, 1e9),
)
trees = st.deferred(lambda: TREE)
TREE = st.builds(Tree, value=st.integers(), parts=st.just([]), first=st.none()) | st.builds(
    Tree, value=st.integers(), parts=st.lists(trees, max_size=2), first=st.none() | trees
)
EVENTS = (
    EVERYTHING
    | TREE
    | st.builds(Settings, raw=st.binary(max_size=3), span=st.timedeltas(), real=st.floats(-1e9, 1e9))
    | st.builds(Changed[Cat], before=st.none() | st.builds(Cat), after=st.builds(Cat))
    | st.builds(Closed)
    | st.builds(Open, number=st.integers(), other=st.text())
)
WHOLE = document(Subject(Everything, Settings, Tree, Changed[Cat], Closed, Open, name="all"), title="Kit", version="1")


@settings(max_examples=60)
@given(EVENTS)
def test_whatever_is_written_is_valid(event: Event) -> None:
    """Events of every kind of field, with its extremes: not a number, nothing, hex, ISO 8601, other names."""
    check(WHOLE, event)


def test_a_field_with_a_default_is_always_there_and_a_computed_or_excluded_one_is_not() -> None:
    """The names on the wire, too."""
    schema = WHOLE["components"]["schemas"]["Everything"]
    assert set(schema["required"]) == set(schema["properties"])
    assert "other-name" in schema["properties"]
    assert schema["properties"].keys().isdisjoint({"renamed", "hidden", "twice"})
    assert WHOLE["components"]["schemas"]["Choice"]["required"] == ["needed"]


@pytest.mark.parametrize(
    "field, good, bad",
    [
        ("real", ["NaN", "-Infinity", 1, 1.5], ["inf", None]),
        ("finite", [1.5], ["NaN", "Infinity"]),
        ("money", ["1E+5", "0.10"], [1.5]),
        ("key", ["a2V5MQ=="], ["a2V5MTIzNDU2Nzg5"]),
        ("span", ["PT1H"], [3600.0]),
        ("parsed", ["[1]"], [[1]]),
        ("rounded", [1], ["1"]),
        ("unknown", [1, "x", None], []),
        ("pair", [[1, "a"]], [[1], ["a", 1], [1, "a", 2]]),
        ("by_number", [{"1": [1.0]}], [{"1": 1.0}, []]),
        ("pet", [{"kind": "dog", "friends": []}], [{"kind": "dog"}, {"kind": "cow", "lives": 1}]),
        ("maybe", [None, 1], ["1"]),
    ],
)
def test_a_field_is_described_as_it_is_written(field: str, good: list[Any], bad: list[Any]) -> None:
    """Neither more nor less than what the codec writes."""
    schema = WHOLE["components"]["schemas"]["Everything"]["properties"][field]
    assert [value for value in good if not valid(WHOLE, schema, value)] == []
    assert [value for value in bad if valid(WHOLE, schema, value)] == []


def test_settings_of_a_class_are_followed_as_far_as_the_codec_follows_them() -> None:
    """Bytes in hex where both ways say so; never a timedelta as a number, because that loses digits."""
    event = Settings(raw=b"abc", span=timedelta(seconds=1), real=1.0)
    check(WHOLE, event)
    properties = WHOLE["components"]["schemas"]["Settings"]["properties"]
    assert properties["raw"] == {"contentEncoding": "base16", "maxLength": 6, "title": "Raw", "type": "string"}
    assert properties["span"]["format"] == "duration"
    assert properties["real"]["type"] == "number"
    assert math.isfinite(event.real)


def test_what_pydantic_cannot_write_is_a_type_error() -> None:
    """A class in memory may be anything; a document is for what can leave the process."""

    class Plain:
        pass

    with pytest.raises(TypeError, match="cannot be stored"):
        document(Subject(Plain, name="plain"), title="t", version="1")


def test_plain_classes_are_described_too() -> None:
    """A dataclass, a pydantic model and a type of Python, each by its own name."""
    made = document(Subject(Point, Cat, int, name="plain"), title="t", version="1")
    assert {message["name"] for message in made["components"]["messages"].values()} == {"Point", "Cat", "int"}
    for event in (Point(math.nan), Cat(), 7):
        check(made, event)
    assert codec_of(int).name == "int"
