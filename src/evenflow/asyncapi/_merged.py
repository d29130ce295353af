"""Schemas ready to be compared: references looked up, words that only describe left out, allOf joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._accepts import resolved
from ._wire_schema import OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ONLY_DESCRIBE = frozenset({
    "$id", "$schema", "$comment", "title", "description", "default", "example", "examples", "deprecated", "readOnly",
    "writeOnly", "discriminator", "externalDocs", "contentSchema",
})  # fmt: skip
"""These words say nothing of which values are valid; neither does a word that begins with ``x-``."""


def plain(schema: Any, schemas: Mapping[str, Any], /) -> Any:
    """What the schema demands: a bool, or its words without those that only describe; of a reference, what it leads to.

    Raises:
        ValueError: a reference leads nowhere.
    """
    schema = resolved(schema, schemas)
    if isinstance(schema, bool):
        return schema
    words = cast("dict[str, Any]", schema)
    made = {word: value for word, value in words.items() if word == OPTIONAL or not _only_describes(word)}
    return made or True


def _only_describes(word: str) -> bool:
    return word in ONLY_DESCRIBE or word.startswith("x-")


def joined(schema: dict[str, Any], schemas: Mapping[str, Any], /) -> dict[str, Any] | bool:
    """One schema for a schema with ``allOf``; where two parts say different things with one word, the first is kept.

    Raises:
        ValueError: a reference leads nowhere.
    """
    whole = {word: value for word, value in schema.items() if word != "allOf"}
    for part in cast("Iterable[Any]", schema.get("allOf", ())):
        words = plain(part, schemas)
        if words is False:
            return False
        if isinstance(words, dict):
            inner = joined(cast("dict[str, Any]", words), schemas)
            if inner is False:
                return False
            if _of_other_type(whole, {} if inner is True else inner):
                return False
            _add(whole, {} if inner is True else inner)
    return whole or True


def _of_other_type(whole: dict[str, Any], words: dict[str, Any]) -> bool:
    """Whether nothing can be of both types."""
    one, other = (_types(each) for each in (whole, words))
    return bool(one and other) and one.isdisjoint(other)


def _types(words: dict[str, Any]) -> set[str]:
    kinds: Any = words.get("type", ())
    named = {kinds} if isinstance(kinds, str) else set(cast("Iterable[str]", kinds))
    return named | {"integer"} if "number" in named else named


def _add(whole: dict[str, Any], words: dict[str, Any]) -> None:
    for word, value in words.items():
        if word == "required":
            whole[word] = sorted({*whole.get(word, ()), *value})
        elif word == "properties":
            have: dict[str, Any] = whole.get(word, {})
            both = {name: {"allOf": [have[name], part]} if name in have else part for name, part in value.items()}
            whole[word] = {**have, **both}
        else:
            whole.setdefault(word, value)


def branches(schema: dict[str, Any], /) -> list[Any]:
    """The alternatives of a schema, each a schema of its own: of anyOf, oneOf, a list of types, an enum."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = {key: value for key, value in schema.items() if key != word}
            return [{"allOf": [part, rest]} if rest else part for part in schema[word]]
    if "enum" in schema:
        return [{"const": value} for value in schema["enum"]]
    if isinstance(kinds := schema.get("type"), list):
        return [{**schema, "type": kind} for kind in cast("list[str]", kinds)]
    return [schema]


def worded(schema: Any, schemas: Mapping[str, Any], /) -> str:
    """The schema in a few words, for a sentence."""
    title = (
        cast("dict[str, Any]", schema).get("title") if isinstance(schema := resolved(schema, schemas), dict) else None
    )
    words = plain(schema, schemas)
    if isinstance(words, dict):
        words = joined(cast("dict[str, Any]", words), schemas)
    if isinstance(words, bool):
        return "anything" if words else "nothing"
    parts = branches(words)
    if len(parts) > 1 or parts[0] is not words:
        named = list(dict.fromkeys(worded(part, schemas) for part in parts))
        return " or ".join(named[:4]) + (" or others" if len(named) > 4 else "")  # noqa: PLR2004 -- a sentence ends
    if "const" in words:
        return repr(words["const"]) if words["const"] is not None else "null"
    kind = str(words.get("type", "anything"))
    if kind == "object":
        return f"an object ({title})" if title else "an object"
    if kind == "array":
        items = words.get("items", True)
        return "a tuple" if isinstance(items, list) else f"an array of {worded(items, schemas)}"
    form = words.get("format") or words.get("contentEncoding") or words.get("contentMediaType")
    article = "" if kind in ("null", "anything") else "an " if kind == "integer" else "a "
    return f"{article}{kind}{f' ({form})' if form else ''}"
