"""Examples in a document: real events, from what the classes say or made, the same in every run."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ConfigDict, Field, Json, field_validator
from pydantic_core import to_json

from evenflow import Event, Subject
from evenflow.asyncapi import document
from evenflow.asyncapi._accepts import accepts
from evenflow.asyncapi._examples import examples_of
from evenflow.log._codec import codec_of

from .kit import Cat, Changed, Everything, Settings, Tree, valid


class Endless(BaseModel):
    """Needs itself, for ever."""

    inner: Endless


def examples(cls: type) -> list[Any]:
    """The payloads of the examples of a class."""
    made = document(Subject(cls, name="all"), title="t", version="1")
    messages = made["components"]["messages"].values()
    message = next(each for each in messages if each["name"] == codec_of(cls).name)
    payloads = [example["payload"] for example in message.get("examples", [])]
    assert all(valid(made, message["payload"], payload) for payload in payloads)
    assert all(codec_of(cls).decode(to_json(payload)) is not None for payload in payloads)
    return payloads


@pytest.mark.parametrize("cls", [Everything, Settings, Tree, Changed[Cat], Changed[int]])
def test_every_class_has_a_valid_example(cls: type) -> None:
    """One that its schema accepts, and that is read back."""
    assert len(examples(cls)) == 1


def test_examples_of_fields_go_before_defaults_and_defaults_before_made_values() -> None:
    """Each as it is on the wire: a Decimal that was written as a number is a text there."""

    class Sold(Event):
        named: str = Field("default", examples=["example", "other"])
        money: Decimal = Field(examples=[9.99])
        default: int = 7
        made: int
        at: datetime

    assert examples(Sold) == [
        {"named": "example", "money": "9.99", "default": 7, "made": 1, "at": "2026-01-31T12:00:00Z"}
    ]


def test_examples_of_the_class_go_first_and_those_that_are_none_are_left_out() -> None:
    """`json_schema_extra` of the class: what its validators refuse is not shown to anybody."""

    class Sold(Event):
        model_config = ConfigDict(json_schema_extra={"examples": [{"n": 3}, {"n": -1}, {"n": 4, "to": "me"}, {}]})
        n: int = Field(gt=0)
        to: str = "you"

    assert examples(Sold) == [{"n": 3, "to": "you"}, {"n": 4, "to": "me"}]

    class Single(Event):
        model_config = ConfigDict(json_schema_extra={"example": {"n": 3}})
        n: int

    assert examples(Single) == [{"n": 3}]


def test_an_example_that_a_default_factory_would_complete_is_the_same_in_every_run() -> None:
    """Time and random ids would make another document each time."""
    at = datetime(2026, 1, 1, tzinfo=UTC)

    class Sold(Event):
        model_config = ConfigDict(json_schema_extra={"examples": [{"n": 3}]})
        n: int
        at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    assert examples(Sold) == [{"n": 3, "at": "2026-01-31T12:00:00Z"}]
    assert at.tzinfo is UTC


def test_an_example_of_a_field_that_the_class_refuses_is_replaced() -> None:
    """The field's default, or a made value, takes its place; the schema shows no example that is not valid."""

    class Sold(Event):
        n: int = Field(5, gt=0, examples=[-1])

    assert examples(Sold) == [{"n": 5}]
    made = document(Subject(Sold, name="all"), title="t", version="1")
    assert "examples" not in made["components"]["schemas"]["Sold"]["properties"]["n"]


def test_a_class_for_which_nothing_can_be_made_has_no_example() -> None:
    """A validator that takes only what nobody can guess; a class that needs itself for ever."""

    class Guarded(Event):
        word: str

        @field_validator("word")
        @classmethod
        def _secret(cls, word: str) -> str:
            if word != "xyzzy":
                raise RuntimeError("anything may be raised here")
            return word

    class Never(Event):
        inner: Endless

    assert examples(Guarded) == []
    assert examples(Never) == []


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Field(gt=10, lt=12)],
        Annotated[int, Field(ge=7, multiple_of=5)],
        Annotated[int, Field(lt=-3)],
        Annotated[float, Field(gt=0, lt=0.1)],
        Annotated[float, Field(ge=1e300)],
        Annotated[str, Field(min_length=12, max_length=13)],
        Annotated[str, Field(max_length=2)],
        Annotated[bytes, Field(min_length=7)],
        Annotated[list[int], Field(min_length=3)],
        Annotated[list[int], Field(max_length=0)],
        Annotated[dict[str, int], Field(min_length=2)],
        Json[dict[str, int]],
        tuple[int, str, None],
        bool | None,
    ],
)
def test_a_made_value_keeps_the_limits_of_its_field(annotation: Any) -> None:
    """Ranges, lengths, multiples."""

    class Made(Event):
        __annotations__ = {"value": annotation}

    assert len(examples(Made)) == 1


@given(
    st.recursive(
        st.sampled_from([{"type": "string"}, {"type": "integer", "minimum": 3}, {"type": "null"}, {"const": 1}]),
        lambda inner: (
            st.builds(lambda part: {"type": "array", "items": part}, inner)
            | st.builds(lambda part: {"type": "object", "properties": {"a": part}, "required": ["a"]}, inner)
            | st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner)
        ),
    )
)
def test_a_made_value_is_valid_by_its_schema(schema: dict[str, Any]) -> None:
    """Whatever the schema is made of; a codec that takes everything hides nothing."""

    class Anything:
        """A codec that takes everything."""

        def decode(self, data: bytes) -> bytes:
            return data

        def encode(self, event: bytes) -> bytes:
            return event

    values = examples_of(Anything(), schema, {})  # type: ignore[arg-type]
    assert all(accepts(schema, value, {}) for value in values)
    assert values or schema == {"type": "null"} or "null" in str(schema)
