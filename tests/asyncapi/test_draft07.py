"""Schemas in the words of AsyncAPI, without defaults and examples that are not valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

from evenflow.asyncapi._draft07 import converted, pruned

from .schemas import SCHEMAS

REF = {"$ref": "#/components/schemas/Node"}


@pytest.mark.parametrize(
    "schema, draft07",
    [
        ({"prefixItems": [{}], "type": "array"}, {"items": [{}], "type": "array"}),
        ({"prefixItems": [{}], "items": False}, {"items": [{}], "additionalItems": False}),
        (REF, REF),
        ({**REF, "title": "A"}, {"allOf": [REF], "title": "A"}),
        ({"discriminator": {"propertyName": "kind", "mapping": {}}, "oneOf": []}, {"discriminator": "kind", "oneOf": []}),
        ({"properties": {"prefixItems": {**REF, "x": 1}}}, {"properties": {"prefixItems": {"allOf": [REF], "x": 1}}}),
        ({"default": {"prefixItems": [1]}, "const": REF}, {"default": {"prefixItems": [1]}, "const": REF}),
        ({"anyOf": [{"prefixItems": []}, True]}, {"anyOf": [{"items": []}, True]}),
    ],
)  # fmt: skip
def test_what_pydantic_says_is_said_in_draft_07(schema: dict[str, Any], draft07: dict[str, Any]) -> None:
    """At every depth; a field that has the name of a keyword and a value that looks like a schema stay."""
    assert converted(schema) == draft07


@settings(max_examples=100)
@given(SCHEMAS)
def test_what_is_draft_07_already_stays(schema: dict[str, Any]) -> None:
    """It is valid for draft 07, and converting changes nothing but the order of words."""
    Draft7Validator.check_schema(schema)
    assert converted(schema) == schema


def test_defaults_and_examples_that_are_not_valid_are_left_out() -> None:
    """At every depth, with the schemas that are referred to."""
    schemas = {"Node": {"type": "integer", "default": "x", "examples": [1, "x"]}}
    part = {"allOf": [REF], "default": "y", "examples": ["z"]}
    assert pruned({"properties": {"a": part, "default": {**REF}}, "default": {"a": 1}}, schemas) == {
        "properties": {"a": {"allOf": [REF]}, "default": REF},
        "default": {"a": 1},
    }
    assert pruned(schemas["Node"], schemas) == {"type": "integer", "examples": [1]}
