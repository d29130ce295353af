"""Schemas ready to be compared, and in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.asyncapi._merged import branches, joined, plain, worded

SCHEMAS = {"Person": {"type": "object", "title": "Person", "properties": {}}, "All": {"title": "All"}}
PERSON = {"$ref": "#/components/schemas/Person"}


def test_words_that_only_describe_are_left_out_and_references_looked_up() -> None:
    """What remains are demands; nothing remains of a schema that demands nothing."""
    assert plain(PERSON, SCHEMAS) == {"type": "object", "properties": {}}
    assert plain({"$ref": "#/components/schemas/All"}, SCHEMAS) is True
    assert plain({"type": "string", "x-mine": 1, "examples": []}, {}) == {"type": "string"}
    assert plain({"x-may-be-left-out": ["a"]}, {}) == {"x-may-be-left-out": ["a"]}
    assert plain(False, {}) is False


@pytest.mark.parametrize(
    "parts, whole",
    [
        ([{"type": "string"}, {"maxLength": 3}], {"type": "string", "maxLength": 3}),
        ([{"required": ["b"]}, {"required": ["a"]}], {"required": ["a", "b"]}),
        ([{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"maxLength": 3}}}],
         {"properties": {"a": {"allOf": [{"type": "string"}, {"maxLength": 3}]}}}),
        ([{"type": "string"}, {"type": "integer"}], False),
        ([{"type": "number"}, {"type": "integer"}], {"type": "number"}),
        ([True, {}], True),
        ([False], False),
        ([{"allOf": [{"type": "string"}, {"type": "null"}]}], False),
    ],
)  # fmt: skip
def test_several_schemas_become_one(parts: list[Any], whole: Any) -> None:
    """What no value can keep is nothing."""
    assert joined({"allOf": parts}, {}) == whole


def test_alternatives_are_schemas_of_their_own() -> None:
    """Those of anyOf and oneOf keep what is demanded beside them."""
    assert branches({"anyOf": [{"type": "null"}, PERSON]}) == [{"type": "null"}, PERSON]
    assert branches({"oneOf": [PERSON], "minProperties": 1}) == [{"allOf": [PERSON, {"minProperties": 1}]}]
    assert branches({"enum": ["a", 1]}) == [{"const": "a"}, {"const": 1}]
    assert branches({"type": ["string", "null"], "maxLength": 3}) == [
        {"type": "string", "maxLength": 3},
        {"type": "null", "maxLength": 3},
    ]
    assert branches({"type": "string"}) == [{"type": "string"}]


@pytest.mark.parametrize(
    "schema, words",
    [
        (PERSON, "an object (Person)"),
        ({"type": "object"}, "an object"),
        ({"type": "array", "items": PERSON}, "an array of an object (Person)"),
        ({"type": "array", "items": [PERSON]}, "a tuple"),
        ({"type": "string", "format": "date"}, "a string (date)"),
        ({"type": ["integer", "null"]}, "an integer or null"),
        ({"enum": [1, "a", None]}, "1 or 'a' or null"),
        ({"enum": list(range(9))}, "0 or 1 or 2 or 3 or others"),
        ({"allOf": [PERSON], "description": "x"}, "an object"),
        ({}, "anything"),
        (False, "nothing"),
    ],
)  # fmt: skip
def test_a_schema_in_a_few_words(schema: Any, words: str) -> None:
    """For the sentence that says what has changed."""
    assert worded(schema, SCHEMAS) == words
