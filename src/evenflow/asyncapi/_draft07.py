"""Schemas in the words that AsyncAPI takes: JSON Schema draft 07, where pydantic writes draft 2020-12.

pydantic                                 here
prefixItems, items                       items as a list, additionalItems
a reference with words beside it         allOf with the reference: in draft 07 the words would be ignored
discriminator with its mapping           the name of the field: the rest is in the schemas
$defs                                    a part of the schemas of the document
a default or an example that is not      left out
valid
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._accepts import accepts, is_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._wire_schema import Schema

BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions"})
"""Under these keywords are schemas by a name."""
SCHEMAS = frozenset({
    "items", "additionalItems", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
    "allOf", "anyOf", "oneOf", "prefixItems", "contentSchema",
})  # fmt: skip
"""Under these is a schema, or a list of schemas."""


def converted(schema: Schema, /) -> Schema:
    """The schema in draft 07; the values in it stay as they are."""
    made = _each(schema, converted)
    if "prefixItems" in made:
        rest = made.pop("items", True)
        made["items"] = made.pop("prefixItems")
        if rest is not True:
            made["additionalItems"] = rest
    if isinstance(discriminator := made.get("discriminator"), dict):
        made["discriminator"] = cast("Schema", discriminator)["propertyName"]
    if "$ref" in made and len(made) > 1:
        made["allOf"] = [{"$ref": made.pop("$ref")}, *made.get("allOf", [])]
    return {key: made[key] for key in sorted(made)}


def pruned(schema: Schema, schemas: Mapping[str, Any], /) -> Schema:
    """The schema without the defaults and examples that it does not accept itself."""
    made = _each(schema, lambda part: pruned(part, schemas))
    if "default" in made and not accepts(schema, made["default"], schemas):
        del made["default"]
    if isinstance(made.get("examples"), list):
        listed: list[Any] = made.pop("examples")
        if valid := [value for value in listed if accepts(schema, value, schemas)]:
            made["examples"] = valid
    return made


def _each(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    made: Schema = {}
    for key, value in schema.items():
        if key in BY_NAME and isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            made[key] = {name: _changed(part, change) for name, part in named.items()}
        elif key in SCHEMAS and is_list(value):
            made[key] = [_changed(part, change) for part in value]
        else:
            made[key] = _changed(value, change) if key in SCHEMAS else value
    return made


def _changed(part: Any, change: Callable[[Schema], Schema]) -> Any:
    return change(cast("Schema", part)) if isinstance(part, dict) else part
