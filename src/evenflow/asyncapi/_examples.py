"""Examples of an event: what the codec writes for an event of the class, so that each is valid.

Rule 1: examples of the class itself go first: ``model_config = ConfigDict(json_schema_extra={"examples": [...]})``.
Rule 2: without a valid one, an example is made: of each field its ``Field(examples=...)``, its default, or a value that
        its type has. If the class refuses that, one is made without the examples of its fields, then without their
        defaults; if it refuses these too, it has no example.
Rule 3: the same class has the same examples in every run: no default factory is called, where a value can be made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import BaseModel

from ._accepts import accepts, is_list, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evenflow.log._codec import Codec

MOST: Final = 5
"""Examples of one class; what is beyond that is left out."""
DEEPEST: Final = 12
"""How deep a made value may be: a class that needs itself has none."""

BY_FORMAT: Final = {
    "base64url": "ZXZlbmZsb3c=",
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "decimal": "1.5",
    "duration": "PT1M",
    "email": "somebody@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00",
    "uri": "https://example.org/",
    "uuid": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    "uuid4": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
}


class _Endless(Exception):
    """No value can be made: the schema needs itself, or accepts nothing that is known here."""


def examples_of(codec: Codec, schema: Any, schemas: Mapping[str, Any], /) -> list[Any]:
    """Valid examples of the codec's class, at most 5; none if none can be made."""
    whole = resolved(schema, schemas)
    own = cast("dict[str, Any]", whole) if isinstance(whole, dict) else {}
    made = _first_valid(codec, {word: value for word, value in own.items() if word != "examples"}, schemas)
    given: list[Any] = own.get("examples", [])
    given = given or ([own["example"]] if "example" in own else [])
    written = [_written(codec, value, made) for value in given]
    valid = [value for value in written if value is not None and accepts(schema, value, schemas)]
    return valid[:MOST] or ([] if made is None else [made])


def _first_valid(codec: Codec, schema: Any, schemas: Mapping[str, Any]) -> Any:
    for using in (("examples", "default"), ("default",), ()):
        try:
            value = _made(schema, schemas, using, DEEPEST)
        except _Endless:
            return None
        written = _written(codec, value, None)
        if written is not None and accepts(schema, written, schemas):
            return written
    return None


def _written(codec: Codec, value: object, made: Any) -> Any:
    """What the codec writes for the event that this value is; None if it is none."""
    try:
        event = codec.decode(json.dumps(value).encode())
        written = json.loads(codec.encode(event))
        if chosen := _from_factories(event, made):
            return _written(codec, written | chosen, None)
    except Exception:  # noqa: BLE001 -- a validator of the user's may raise anything, and then this is no example
        return None
    return written


def _from_factories(event: object, made: Any) -> dict[str, Any]:
    """Made values for the fields that a default factory has filled: another value in each run."""
    if not isinstance(event, BaseModel) or not isinstance(made, dict):
        return {}
    values, chosen = cast("dict[str, Any]", made), dict[str, Any]()
    for name, field in type(event).model_fields.items():
        written = field.serialization_alias or name
        if name not in event.model_fields_set and field.default_factory is not None and written in values:
            chosen[written] = values[written]
    return chosen


def _made(schema: Any, schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    """A value that the schema is likely to accept."""
    schema = resolved(schema, schemas)
    if isinstance(schema, bool) or not schema:
        return "anything"
    if depth == 0:
        raise _Endless
    words = cast("dict[str, Any]", schema)
    if named := _named(words, using, schemas):
        return named[0]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if words.get(keyword):
            return _made_of_one(words[keyword], schemas, using, depth)
    make = {"object": _made_object, "array": _made_array}.get(words.get("type", ""), _made_scalar)
    return make(words, schemas, using, depth)


def _named(words: dict[str, Any], using: tuple[str, ...], schemas: Mapping[str, Any]) -> list[Any]:
    """Values that the schema names."""
    if "examples" in using and is_list(examples := words.get("examples")) and examples:
        return examples
    if "const" in words:
        return [words["const"]]
    default = words.get("default") if "default" in using else None
    if default is not None and accepts(words, default, schemas):
        return [default]
    named: list[Any] = words.get("enum", [])
    return named


def _made_of_one(parts: list[Any], schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    for part in parts:
        try:
            return _made(part, schemas, using, depth - 1)
        except _Endless:
            continue
    raise _Endless


def _made_object(words: dict[str, Any], schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    made: dict[str, Any] = {}
    for name, part in words.get("properties", {}).items():
        try:
            made[name] = _made(part, schemas, using, depth - 1)
        except _Endless:
            if name in words.get("required", ()):
                raise
    for number in range(len(made), words.get("minProperties", 0)):
        made[f"key{number}"] = _made(words.get("additionalProperties", True), schemas, using, depth - 1)
    return made


def _made_array(words: dict[str, Any], schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    items = words.get("items", True)
    if is_list(items):
        return [_made(part, schemas, using, depth - 1) for part in items]
    least: int = words.get("minItems", 0)
    try:
        one = _made(items, schemas, using, depth - 1)
    except _Endless:
        if least:
            raise
        return []
    wanted = 1 if least == 0 and words.get("maxItems") != 0 else least
    return [one] * wanted


def _made_scalar(words: dict[str, Any], schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    kind: object = words.get("type")
    if kind in ("integer", "number"):
        return _made_number(words, kind == "integer")
    if kind != "string":
        return True if kind == "boolean" else None
    return _made_text(words, schemas, using, depth)


def _made_text(words: dict[str, Any], schemas: Mapping[str, Any], using: tuple[str, ...], depth: int) -> Any:
    if "contentSchema" in words:
        return json.dumps(_made(words["contentSchema"], schemas, using, depth - 1))
    if words.get("contentEncoding") == "base16":
        return "ab" * max(1, words.get("minLength", 0) // 2)
    text: str = BY_FORMAT.get(words.get("format", ""), "text")
    if text == BY_FORMAT["base64url"] and "minLength" in words:
        text = "ZXZl" * max(1, words["minLength"] // 4)
    text += "." * (words.get("minLength", 0) - len(text))
    return text[: words["maxLength"]] if "maxLength" in words else text


def _made_number(words: dict[str, Any], whole: bool) -> int | float:
    step = words.get("multipleOf", 1 if whole else 0.5)
    tried: list[Any] = [step]
    bounds = [words[word] for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if word in words]
    for bound in bounds:
        multiple = bound // step * step
        tried += [multiple, multiple + step, multiple - step, bound]
    tried.append(sum(bounds) / len(bounds) if bounds and not whole else step)
    valid: int | float = next((value for value in tried if accepts(words, value, {})), step)
    return valid
