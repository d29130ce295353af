"""Whether a value is valid: the same answer as the library `jsonschema` gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

from evenflow.asyncapi._accepts import accepts, is_list, resolved, same, type_of

from .schemas import SCHEMAS, VALUES


@settings(max_examples=150)
@given(SCHEMAS, VALUES)
def test_it_says_what_jsonschema_says(schema: dict[str, Any], value: Any) -> None:
    """For schemas and values made at random, from few words so that they meet."""
    whole = {**schema, "components": {"schemas": {"Node": NODE}}}
    assert accepts(schema, value, {"Node": NODE}) == Draft7Validator(whole).is_valid(value)


NODE = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer"}}}


@pytest.mark.parametrize(
    "value, valid", [({}, True), ({"next": {"n": 1}}, True), ({"next": {"next": {"n": "x"}}}, False), ([], False)]
)
def test_a_schema_may_refer_to_itself(value: Any, valid: bool) -> None:
    """As deep as the value is."""
    assert accepts({"$ref": "#/components/schemas/Node"}, value, {"Node": NODE}) is valid


@pytest.mark.parametrize("reference", ["#/components/schemas/Nowhere", "other.json#/x", "#/components/schemas/Loop"])
def test_a_reference_that_leads_nowhere_is_an_error(reference: str) -> None:
    """Never a value that is silently valid."""
    loop = {"Loop": {"$ref": "#/components/schemas/Loop"}}
    with pytest.raises(ValueError, match="which leads to no schema"):
        accepts({"$ref": reference}, 1, loop)
    assert resolved({"type": "string"}, loop) == {"type": "string"}


def test_true_is_not_1_and_1_is_1_point_0() -> None:
    """JSON's own idea of equality, in lists and objects too."""
    assert same(1, 1.0)
    assert same([{"a": 1}], [{"a": 1.0}])
    assert not same(True, 1)
    assert not same([True], [1])
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert [type_of(each) for each in (None, True, 1, 1.0, 1.5, "", [], {})] == [
        "null", "boolean", "integer", "integer", "number", "string", "array", "object",
    ]  # fmt: skip
    assert is_list([])
    assert not is_list(())
