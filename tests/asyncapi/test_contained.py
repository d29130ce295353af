"""Which values may be sent that a reader does not understand: what is said is true, and nothing is left unsaid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from evenflow.asyncapi._accepts import accepts
from evenflow.asyncapi._contained import Comparison, Difference

from .schemas import SCHEMAS, VALUES


def differences(
    sent: Any, read: Any, *, strict: bool = False, schemas: dict[str, Any] | None = None
) -> list[Difference]:
    """What does not fit."""
    return Comparison(schemas or {}, schemas or {}, strict=strict).differences(sent, read)


def as_sent(schema: Any) -> Any:
    """The schema of what evenflow sends: no other fields than those that are named or fit a pattern, unless it says so."""
    if not isinstance(schema, dict):
        return schema
    made = {key: _each(key, value) for key, value in schema.items()}
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def _each(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties"):
        return {name: as_sent(part) for name, part in value.items()}
    if isinstance(value, list) and key not in ("enum", "type", "required", "const"):
        return [as_sent(part) for part in value]
    return as_sent(value) if key in ("items", "additionalItems", "additionalProperties") else value


@settings(max_examples=80)
@given(SCHEMAS, SCHEMAS, st.lists(VALUES, min_size=4, max_size=8))
def test_what_fits_is_understood(sent: Any, read: Any, values: list[Any]) -> None:
    """No difference means: whatever is valid for the sender is valid for the reader."""
    sent = as_sent(sent)
    assume(any(accepts(sent, value, {}) for value in values))
    assume(not _has_one_of(read))
    if not differences(sent, read):
        assert [value for value in values if accepts(sent, value, {}) and not accepts(read, value, {})] == []


def _has_one_of(schema: Any) -> bool:
    """That two of several are valid at once is not looked at: a discriminator says which one is meant."""
    return "oneOf" in str(schema)


@settings(max_examples=100)
@given(SCHEMAS)
def test_every_schema_fits_itself(schema: Any) -> None:
    """In both directions: a document that did not change is compatible."""
    assert differences(schema, schema, strict=True) == []
    assert differences(schema, schema) == []


@settings(max_examples=80)
@given(SCHEMAS, st.lists(SCHEMAS, max_size=2), st.integers(0, 2))
def test_a_reader_that_takes_more_takes_what_it_took(schema: Any, others: list[Any], at: int) -> None:
    """One more alternative, a field fewer that is needed, anything at all: never a difference."""
    assert differences(schema, {"anyOf": [*others[:at], schema, *others[at:]]}) == []
    assert differences(schema, {}) == []
    assert differences(schema, True) == []
    if schema.get("type") == "object":
        assert differences({**schema, "required": ["a", "b", "c"]}, schema) == []


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
OBJECT = {"type": "object", "properties": {"a": NUMBER, "b": TEXT}, "required": ["a"]}
CAT = {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": NUMBER}, "required": ["kind", "lives"]}
DOG = {"type": "object", "properties": {"kind": {"const": "dog"}, "age": NUMBER}, "required": ["kind", "age"]}


def changed(schema: dict[str, Any], field: str, part: Any) -> dict[str, Any]:
    """The schema with another field."""
    return {**schema, "properties": {**schema["properties"], field: part}}


@pytest.mark.parametrize(
    "sent, read, path, kind",
    [
        (TEXT, NUMBER, "", "type"),
        ({"type": "number"}, NUMBER, "", "type"),
        ({"type": ["integer", "null"]}, NUMBER, "", "type"),
        ({"anyOf": [TEXT, NUMBER]}, TEXT, "", "type"),
        ({}, TEXT, "", "type"),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, "", "type"),
        (TEXT, {"type": "string", "format": "date"}, "", "type"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "", "value"),
        (TEXT, {"enum": ["a"]}, "", "value"),
        (NUMBER, {"enum": ["a"], "type": "string"}, "", "type"),
        ({"const": "b"}, {"const": "a"}, "", "value"),
        ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 4}, "", "limit"),
        (TEXT, {"type": "string", "minLength": 1}, "", "limit"),
        (TEXT, {"type": "string", "pattern": "a"}, "", "limit"),
        ({"type": "integer", "minimum": 0}, {"type": "integer", "exclusiveMinimum": 0}, "", "limit"),
        ({"type": "number", "maximum": 2}, {"type": "number", "maximum": 1}, "", "limit"),
        (NUMBER, {"type": "integer", "multipleOf": 2}, "", "limit"),
        ({"type": "array", "items": NUMBER}, {"type": "array", "items": NUMBER, "maxItems": 3}, "", "limit"),
        ({"type": "array", "items": NUMBER}, {"type": "array", "items": NUMBER, "uniqueItems": True}, "", "limit"),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}, "[]", "type"),
        ({"type": "array", "items": [NUMBER, TEXT]}, {"type": "array", "items": [NUMBER, NUMBER]}, "[1]", "type"),
        ({"type": "array", "items": NUMBER}, {"type": "array", "items": [NUMBER], "additionalItems": False}, "", "limit"),
        (changed(OBJECT, "a", TEXT), OBJECT, "a", "type"),
        ({**OBJECT, "required": []}, OBJECT, "a", "missing"),
        ({"type": "object", "properties": {"b": TEXT}}, OBJECT, "a", "removed"),
        (changed(OBJECT, "c", TEXT), {**OBJECT, "additionalProperties": False}, "c", "extra"),
        ({**OBJECT, "additionalProperties": True}, {**OBJECT, "additionalProperties": False}, "", "extra"),
        ({"type": "object", "additionalProperties": TEXT}, {"type": "object", "additionalProperties": NUMBER}, "[]", "type"),
        ({"type": "object", "additionalProperties": TEXT},
         {"type": "object", "additionalProperties": TEXT, "propertyNames": {"enum": ["a"]}}, "[key]", "value"),
        ({"oneOf": [CAT, DOG]}, CAT, "kind", "value"),
        ({"oneOf": [CAT, changed(DOG, "age", TEXT)]}, {"oneOf": [CAT, DOG]}, "age", "type"),
        (TEXT, {"type": "string", "not": {"const": "a"}}, "", "unclear"),
        (True, {"minimum": 3}, "", "unclear"),
        (TEXT, False, "", "type"),
        (TEXT, {"allOf": [TEXT, {"maxLength": 3}]}, "", "limit"),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_found(sent: Any, read: Any, path: str, kind: str) -> None:
    """At its place, with its kind."""
    found = differences(sent, read)
    assert (path, kind) in [(".".join(each.path), each.kind) for each in found]


@pytest.mark.parametrize(
    "sent, read",
    [
        (NUMBER, {"type": "number"}),
        (NUMBER, {"type": ["integer", "null"]}),
        ({"type": "boolean"}, {"enum": [True, False, None]}),
        ({"type": "boolean"}, {"anyOf": [{"const": True}, {"const": False}]}),
        ({"const": 3}, {"type": "integer", "maximum": 3}),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
        ({"type": "string", "format": "date"}, TEXT),
        (
            {"type": "array", "items": [NUMBER, NUMBER], "minItems": 2, "maxItems": 2},
            {"type": "array", "items": NUMBER},
        ),
        (changed(OBJECT, "c", TEXT), OBJECT),
        (OBJECT, {**OBJECT, "additionalProperties": False}),
        ({**OBJECT, "title": "Other", "description": "text", "x-other": 1}, OBJECT),
        (DOG, {"oneOf": [CAT, DOG], "discriminator": "kind"}),
        ({"allOf": [DOG], "default": {}}, DOG),
        (False, TEXT),
        ({"type": "integer", "multipleOf": 4}, {"type": "integer", "multipleOf": 2}),
        (
            {"type": "object", "additionalProperties": NUMBER},
            {"type": "object", "additionalProperties": {"type": "number"}},
        ),
    ],
)
def test_what_fits_is_no_difference(sent: Any, read: Any) -> None:
    """Narrower, more, or said in other words."""
    assert differences(sent, read) == []


def test_a_field_that_was_there_sometimes_and_is_never_sent_is_a_difference_to_readers_alone() -> None:
    """Who reads waits for it; who publishes may always have left it out."""
    without = {"type": "object", "properties": {"a": NUMBER}, "required": ["a"]}
    assert differences(without, OBJECT, strict=True) == [Difference(("b",), "removed")]
    assert differences(without, OBJECT, strict=False) == []


def node(part: Any) -> dict[str, Any]:
    """A schema that contains itself."""
    return {
        "type": "object",
        "properties": {"value": part, "next": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}},
        "required": ["value", "next"],
    }


def test_schemas_that_contain_themselves_are_compared_to_the_end() -> None:
    """A difference deep inside is found; without one there is none; and both end."""
    reference = {"$ref": "#/components/schemas/Node"}
    for part, expected in ((NUMBER, []), (TEXT, ["value"])):
        comparison = Comparison({"Node": node(part)}, {"Node": node(NUMBER)}, strict=True)
        assert [".".join(each.path) for each in comparison.differences(reference, reference)] == expected


def test_what_was_taken_for_granted_is_asked_again() -> None:
    """Two schemas that contain each other: what was assumed while one was compared is no answer for the other."""
    a, b = {"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}

    def schemas(part: Any) -> dict[str, Any]:
        first = {"type": "object", "properties": {"b": b, "n": part}, "required": ["n"]}
        return {"A": first, "B": {"type": "object", "properties": {"a": a}}}

    both = {"type": "object", "properties": {"x": a, "y": b}}
    found = Comparison(schemas(TEXT), schemas(NUMBER), strict=True).differences(both, both)
    assert {".".join(each.path) for each in found} == {"x.n", "y.a.n"}
