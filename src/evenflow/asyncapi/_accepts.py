"""Whether a JSON value is valid, by the keywords that a document of events uses. Formats are not looked at.

`jsonschema` says the same, and is not needed at run time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[Any, Any, Any, Mapping[str, Any]], bool]

PREFIX = "#/components/schemas/"


def is_list(value: object, /) -> TypeGuard[list[Any]]:
    """Whether this is a list; type checkers then know that it has anything in it."""
    return isinstance(value, list)


def resolved(schema: Any, schemas: Mapping[str, Any], /) -> Any:
    """The schema that a reference refers to; anything else as it is.

    Raises:
        ValueError: there is no such schema, or a reference refers to itself.
    """
    seen: set[str] = set()
    while isinstance(schema, dict) and "$ref" in schema:
        reference = str(cast("dict[str, Any]", schema)["$ref"])
        name = reference.removeprefix(PREFIX).replace("~1", "/").replace("~0", "~")
        if reference in seen or not reference.startswith(PREFIX) or name not in schemas:
            raise ValueError(f"the document refers to {reference!r}, which leads to no schema")
        seen.add(reference)
        schema = schemas[name]
    return cast("Any", schema)


def accepts(schema: Any, value: Any, schemas: Mapping[str, Any], /) -> bool:
    """Whether the schema accepts the value; ``schemas`` are those of the document.

    Raises:
        ValueError: a reference leads nowhere.
    """
    schema = resolved(schema, schemas)
    if isinstance(schema, bool):
        return schema
    for keyword, check in _CHECKS.items():
        if keyword in schema and not check(schema[keyword], value, schema, schemas):
            return False
    return True


def type_of(value: object, /) -> str:
    """The type of a JSON value; a number without a fraction is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if value % 1 == 0 else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def same(one: Any, other: Any, /) -> bool:
    """Whether two JSON values are equal; ``true`` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_list(one) and is_list(other):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return first.keys() == second.keys() and all(same(part, second[key]) for key, part in first.items())
    return bool(one == other)


def _type(wanted: Any, value: Any, _: Any, __: Any) -> bool:
    kinds: list[str] = [wanted] if isinstance(wanted, str) else wanted
    found = type_of(value)
    return found in kinds or (found == "integer" and "number" in kinds)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unless(is_meant: Callable[[Any], bool], holds: Callable[[Any, Any], bool]) -> Check:
    """A check that looks at values of one kind only, as JSON Schema has it."""
    return lambda wanted, value, _, __: not is_meant(value) or holds(wanted, value)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _multiple(step: Any, value: Any) -> bool:
    return bool((value / step) % 1 == 0) if isinstance(step, float) or isinstance(value, float) else value % step == 0


def _unique(wanted: Any, values: list[Any]) -> bool:
    return not wanted or not any(same(one, other) for at, one in enumerate(values) for other in values[:at])


def _items(wanted: Any, value: Any, schema: Any, schemas: Any) -> bool:
    if not is_list(value):
        return True
    if not is_list(wanted):
        return all(accepts(wanted, each, schemas) for each in value)
    rest = schema.get("additionalItems", True)
    return all(accepts(wanted[at] if at < len(wanted) else rest, each, schemas) for at, each in enumerate(value))


def _properties(_: Any, value: Any, schema: Any, schemas: Any) -> bool:
    if not isinstance(value, dict):
        return True
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, each in cast("dict[str, Any]", value).items():
        parts = [named[key]] if key in named else []
        parts += [part for pattern, part in patterns.items() if re.search(pattern, key)]
        if not all(accepts(part, each, schemas) for part in parts or [schema.get("additionalProperties", True)]):
            return False
    return True


def _required(wanted: Any, value: Any, _: Any, __: Any) -> bool:
    return not isinstance(value, dict) or all(name in value for name in wanted)


def _names(wanted: Any, value: Any, _: Any, schemas: Any) -> bool:
    return not isinstance(value, dict) or all(accepts(wanted, name, schemas) for name in cast("dict[str, Any]", value))


_CHECKS: Final[Mapping[str, Check]] = {
    "type": _type,
    "const": lambda wanted, value, _, __: same(wanted, value),
    "enum": lambda wanted, value, _, __: any(same(each, value) for each in wanted),
    "minimum": _unless(_is_number, lambda wanted, value: value >= wanted),
    "maximum": _unless(_is_number, lambda wanted, value: value <= wanted),
    "exclusiveMinimum": _unless(_is_number, lambda wanted, value: value > wanted),
    "exclusiveMaximum": _unless(_is_number, lambda wanted, value: value < wanted),
    "multipleOf": _unless(_is_number, _multiple),
    "minLength": _unless(_is(str), lambda wanted, value: len(value) >= wanted),
    "maxLength": _unless(_is(str), lambda wanted, value: len(value) <= wanted),
    "pattern": _unless(_is(str), lambda wanted, value: re.search(wanted, value) is not None),
    "minItems": _unless(_is(list), lambda wanted, value: len(value) >= wanted),
    "maxItems": _unless(_is(list), lambda wanted, value: len(value) <= wanted),
    "uniqueItems": _unless(_is(list), _unique),
    "minProperties": _unless(_is(dict), lambda wanted, value: len(value) >= wanted),
    "maxProperties": _unless(_is(dict), lambda wanted, value: len(value) <= wanted),
    "items": _items,
    "properties": _properties,
    "patternProperties": _properties,
    "additionalProperties": _properties,
    "propertyNames": _names,
    "required": _required,
    "allOf": lambda parts, value, _, schemas: all(accepts(part, value, schemas) for part in parts),
    "anyOf": lambda parts, value, _, schemas: any(accepts(part, value, schemas) for part in parts),
    "oneOf": lambda parts, value, _, schemas: sum(accepts(part, value, schemas) for part in parts) == 1,
    "not": lambda part, value, _, schemas: not accepts(part, value, schemas),
}
