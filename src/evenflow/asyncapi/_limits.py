"""Lengths, ranges and patterns: which limits of the reader what is sent may break."""

from __future__ import annotations

from math import inf
from typing import Any, Final, TypeAlias

Words: TypeAlias = dict[str, Any]

LEAST: Final = {"string": "minLength", "array": "minItems", "object": "minProperties"}
MOST: Final = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}
FORMS = ("format", "contentEncoding", "contentMediaType")


def broken_limits(sent: Words, read: Words, kind: str, /) -> list[str]:
    """The words of the reader's schema that what is sent need not keep; both are of this type.

    ``format`` and its like are not among them: another format is another type.
    """
    broken = [word for word in (LEAST.get(kind), MOST.get(kind)) if word and _exceeds(sent, read, word, kind)]
    if kind in ("integer", "number"):
        broken += _broken_range(sent, read, whole=kind == "integer")
    if kind == "string" and "pattern" in read and sent.get("pattern") != read["pattern"]:
        broken.append("pattern")
    if kind == "array" and read.get("uniqueItems") and not sent.get("uniqueItems") and most_items(sent) > 1:
        broken.append("uniqueItems")
    return broken


def other_form(sent: Words, read: Words, /) -> bool:
    """Whether a text that is sent may have another format than the reader expects."""
    return any(word in read and sent.get(word) != read[word] for word in FORMS)


def most_items(words: Words, /) -> float:
    """How many items an array may have."""
    most: float = words.get("maxItems", inf)
    if isinstance(items := words.get("items"), list) and words.get("additionalItems") is False:
        most = min(most, len(items))  # pyright: ignore[reportUnknownArgumentType]  # a list of anything
    return most


def _exceeds(sent: Words, read: Words, word: str, kind: str) -> bool:
    if word.startswith("min"):
        least = len(sent.get("required", ())) if kind == "object" else 0
        return bool(read.get(word, 0) > max(sent.get(word, 0), least))
    if kind == "array":
        return most_items(sent) > most_items(read)
    most = sent.get(word, inf)
    if kind == "object" and not sent.get("additionalProperties") and not sent.get("patternProperties"):
        most = min(most, len(sent.get("properties", ())))
    return bool(most > read.get(word, inf))


def _broken_range(sent: Words, read: Words, *, whole: bool) -> list[str]:
    broken: list[str] = []
    if _lowest(sent, whole) < _lowest(read, whole):
        broken.append("exclusiveMinimum" if "exclusiveMinimum" in read else "minimum")
    if _highest(sent, whole) > _highest(read, whole):
        broken.append("exclusiveMaximum" if "exclusiveMaximum" in read else "maximum")
    if (step := read.get("multipleOf")) is not None:
        sent_step = sent.get("multipleOf", 1 if whole else None)
        if sent_step is None or sent_step % step != 0:
            broken.append("multipleOf")
    return broken


def _lowest(words: Words, whole: bool) -> tuple[float, int]:
    """The lowest valid value, and 1 if it is not valid itself."""
    found: list[tuple[float, int]] = [(-inf, 0)]
    if "minimum" in words:
        found.append((words["minimum"], 0))
    if "exclusiveMinimum" in words:
        bound = words["exclusiveMinimum"]
        found.append((bound + 1, 0) if whole and bound % 1 == 0 else (bound, 1))
    return max(found)


def _highest(words: Words, whole: bool) -> tuple[float, int]:
    """The highest valid value, and -1 if it is not valid itself."""
    found: list[tuple[float, int]] = [(inf, 0)]
    if "maximum" in words:
        found.append((words["maximum"], 0))
    if "exclusiveMaximum" in words:
        bound = words["exclusiveMaximum"]
        found.append((bound - 1, 0) if whole and bound % 1 == 0 else (bound, -1))
    return min(found)
