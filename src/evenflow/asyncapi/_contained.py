"""Which values may be sent that a reader does not understand. An empty answer means: none.

Rule 1: what is sent and what is read are two schemas. What is sent has only the fields that it names, unless it says
        ``additionalProperties``: evenflow writes nothing else. What is read may have others, unless it says no.
Rule 2: whatever the reader demands must be true of all that is sent:

    reader demands           and what is sent
    a field                  always has it, and its value fits in the same way
    a type                   has no other; an integer is a number
    one of some values       has no other
    limits                   has none that are wider; a pattern or a format must be the same
    one of some schemas      fits into one of them, each of its own alternatives by itself

Rule 3: a field that the reader knows and nobody sends any more is a difference, although a reader that expects it only
        sometimes could live with that: events go to people who wait for it.
Rule 4: a schema that contains itself fits if it fits everywhere else.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from ._accepts import accepts, is_list, same
from ._limits import broken_limits, most_items, other_form
from ._merged import branches, joined, plain, worded
from ._wire_schema import OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

Words: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["removed", "missing", "extra", "type", "value", "limit", "unclear"]

_ELSEWHERE = 100
"""What a difference in a fixed value weighs: with it, an alternative is not the one that is meant."""
_NOT_JUDGED = ("not", "if", "then", "else", "contains", "dependencies", "dependentRequired", "dependentSchemas",
               "unevaluatedProperties", "unevaluatedItems")  # fmt: skip


class Difference(NamedTuple):
    """A way in which what is sent does not fit.

    Attributes:
        path: where: the names of fields, ``[]`` for the items of an array.
        kind: ``removed``: a field is not sent any more; ``missing``: it may be missing; ``extra``: it is not allowed;
            ``type``, ``value``, ``limit``: its type, its value, its length or range; ``unclear``: nobody can tell.
        sent: what is sent, in a few words.
        read: what the reader understands, in a few words.
    """

    path: tuple[str, ...]
    kind: Kind
    sent: str = ""
    read: str = ""


class Comparison:
    """Compares schemas of two documents.

    Args:
        sent: the schemas of the document of what is sent, by name.
        read: those of the document that its readers know.
        strict: whether evenflow is who sends: it always writes a field that has a default, and a field that it does
            not send any more is a difference.
    """

    def __init__(self, sent: Mapping[str, Any], read: Mapping[str, Any], *, strict: bool) -> None:
        self._sent = sent
        self._read = read
        self._strict = strict
        self._begun: set[str] = set()
        self._known: dict[str, list[Difference]] = {}
        self._met_itself = 0

    def differences(self, sent: Any, read: Any, path: tuple[str, ...] = ()) -> list[Difference]:
        """What does not fit, each difference once.

        Raises:
            ValueError: a reference leads nowhere.
        """
        key = json.dumps([sent, read], sort_keys=True)
        if key in self._begun:
            self._met_itself += 1
            return []
        if key not in self._known:
            before = self._met_itself
            self._begun.add(key)
            found = list(dict.fromkeys(self._compared(sent, read)))
            self._begun.discard(key)
            if self._met_itself != before and self._begun:
                return _under(path, found)  # found while something else was taken for granted
            self._known[key] = found
        return _under(path, self._known[key])

    def _compared(self, sent: Any, read: Any) -> list[Difference]:
        what, demands = plain(sent, self._sent), plain(read, self._read)
        if demands is True or what is False or demands is False:
            return [self._one("type", sent, read)] if demands is False and what is not False else []
        if "allOf" in demands:
            rest = {word: value for word, value in demands.items() if word != "allOf"}
            parts = [*demands["allOf"], *([rest] if rest else [])]
            return [each for part in parts for each in self.differences(sent, part)]
        words: Words = {} if what is True else cast("Words", what)
        if "allOf" in words:
            return self._all_at_once(words, demands, read)
        if words and (parts := branches(words)) != [words]:
            return [each for part in parts for each in self.differences(part, read)]
        return self._one_alternative(words, demands, sent, read)

    def _one_alternative(self, words: Words, demands: Words, sent: Any, read: Any) -> list[Difference]:
        for word in ("anyOf", "oneOf"):
            if word in demands:
                rest = {key: value for key, value in demands.items() if key != word}
                found = self.differences(sent, rest) if rest else []
                return found + self._any_of(words, demands[word], sent, read)
        return self._plainly(words, demands, sent, read)

    def _all_at_once(self, words: Words, demands: Words, read: Any) -> list[Difference]:
        """What is sent keeps several schemas at once: it fits if they fit when joined, or one of them alone."""
        alternatives: list[Any] = demands.get("anyOf") or demands.get("oneOf") or []
        if len(demands) == 1 and any(not self.differences(words, part) for part in alternatives):
            return []
        found = self.differences(joined(words, self._sent), read)
        rest = {word: value for word, value in words.items() if word != "allOf"}
        parts = [*words["allOf"], *([rest] if rest else [])] if found else []
        return [] if any(not self.differences(part, read) for part in parts) else found

    def _any_of(self, words: Words, parts: list[Any], sent: Any, read: Any) -> list[Difference]:
        """One of the reader's alternatives must fit; else the differences to the one that is meant."""
        tried = [self.differences(sent, part) for part in parts]
        if not all(tried):
            return []
        if words.get("type") == "boolean":
            both = [self.differences({"const": value}, read) for value in (True, False)]
            if not any(both):
                return []
        if words.get("type") in ("object", "array"):
            weights = [
                (_weight(found), part != sent, at) for at, (found, part) in enumerate(zip(tried, parts, strict=True))
            ]
            weight, _, closest = min(weights)
            if weight < _ELSEWHERE:
                return tried[closest]
        value = "const" in words and any(each.kind == "value" for found in tried for each in found)
        return [self._one("value" if value else "type", sent, read)]

    def _plainly(self, words: Words, demands: Words, sent: Any, read: Any) -> list[Difference]:
        """Both are of one type, or of any, and the reader has no alternatives."""
        if unclear := [word for word in _NOT_JUDGED if word in demands and demands[word] != words.get(word)]:
            return [Difference((), "unclear", read=unclear[0])]
        kind = words.get("type")
        if "const" in words or "const" in demands or "enum" in demands:
            return self._of_values(words, demands, sent, read)
        if not _fits_type(kind, demands.get("type")) or (kind == "string" and other_form(words, demands)):
            return [self._one("type", sent, read)]
        if not isinstance(kind, str):
            return [Difference((), "unclear", read=", ".join(sorted(demands)))] if demands != words else []
        return self._of_one_type(words, demands, kind)

    def _of_values(self, words: Words, demands: Words, sent: Any, read: Any) -> list[Difference]:
        """One of the two is a fixed value, or some."""
        kind = words.get("type")
        if "const" in words:
            fits = accepts(demands, words["const"], self._read)
            return [] if fits else [self._one(_kind_of_value(demands), words, read)]
        if kind == "boolean":
            return [each for value in (True, False) for each in self.differences({"const": value}, read)]
        return [self._one("value" if _same_type(kind, demands) else "type", sent, read)]

    def _of_one_type(self, words: Words, demands: Words, kind: str) -> list[Difference]:
        broken = broken_limits(words, demands, kind)
        found = [Difference((), "limit", _limit(words, word), _limit(demands, word)) for word in broken]
        if kind == "object":
            found += self._fields(words, demands)
        if kind == "array":
            found += self._items(words, demands)
        return found

    def _fields(self, words: Words, demands: Words) -> list[Difference]:
        have: Words = words.get("properties", {})
        known: Words = demands.get("properties", {})
        always, needed = self._required(words), self._required(demands)
        others = words.get("additionalProperties", False)
        found: list[Difference] = []
        for name in known:
            if name in have:
                found += [Difference((name,), "missing")] if name in needed - always else []
                found += self.differences(have[name], known[name], (name,))
            elif others is not False and others is not True:
                found += [Difference((name,), "missing")] if name in needed else []
                found += self.differences(others, known[name], (name,))
            elif name in needed or (self._strict and others is False):
                found.append(Difference((name,), "removed"))
        found += [Difference((name,), "missing") for name in sorted(needed - known.keys() - always)]
        for name in have.keys() - known.keys():
            found += self._other_field(name, have[name], demands)
        return found + self._others(words, demands)

    def _required(self, words: Words) -> set[str]:
        """The fields that are always there: a publisher may leave out those that have a default where they are read."""
        required = set(words.get("required", ()))
        return required if self._strict else required - set(words.get(OPTIONAL, ()))

    def _other_field(self, name: str, sent: Any, demands: Words) -> list[Difference]:
        if "propertyNames" in demands and not accepts(demands["propertyNames"], name, self._read):
            return [Difference((name,), "extra")]
        patterns: Words = demands.get("patternProperties", {})
        fitting = [part for pattern, part in patterns.items() if re.search(pattern, name)]
        fitting = fitting or [demands.get("additionalProperties", True)]
        if False in fitting:
            return [Difference((name,), "extra")]
        return [each for part in fitting for each in self.differences(sent, part, (name,))]

    def _others(self, words: Words, demands: Words) -> list[Difference]:
        """Keys that are not named: those of dicts."""
        mine, theirs = words.get("patternProperties", {}), demands.get("patternProperties", {})
        rest = demands.get("additionalProperties", True)
        found: list[Difference] = []
        for pattern, part in mine.items():
            found += self.differences(part, theirs.get(pattern, rest), ("[]",))
        others = words.get("additionalProperties", False)
        if others is False:
            return found
        if theirs.keys() - mine.keys():
            found.append(Difference(("[]",), "unclear", read="patternProperties"))
        if "propertyNames" in demands:
            names = {"type": "string", **words.get("propertyNames", {})}
            found += [each._replace(path=("[key]",)) for each in self.differences(names, demands["propertyNames"])]
        if rest is False:
            return [*found, Difference((), "extra")]
        return found + self.differences(others, rest, ("[]",))

    def _items(self, words: Words, demands: Words) -> list[Difference]:
        mine, theirs = words.get("items", True), demands.get("items", True)
        both = max(_length(mine), _length(theirs))
        found: list[Difference] = []
        for at in range(both):
            if at < most_items(words):
                found += self.differences(_item(words, at), _item(demands, at), (f"[{at}]",))
        if most_items(words) > both and _item(demands, both) is not False:
            found += self.differences(_item(words, both), _item(demands, both), ("[]",))
        return found

    def _one(self, kind: Kind, sent: Any, read: Any) -> Difference:
        return Difference((), kind, worded(sent, self._sent), worded(read, self._read))


def _length(items: Any) -> int:
    """How many items have a schema of their own."""
    return len(items) if is_list(items) else 0


def _item(words: Words, at: int) -> Any:
    items = words.get("items", True)
    if not is_list(items):
        return items
    return items[at] if at < len(items) else words.get("additionalItems", True)


def _under(path: tuple[str, ...], found: list[Difference]) -> list[Difference]:
    return [each._replace(path=path + each.path) for each in found] if path else found


def _weight(found: list[Difference]) -> int:
    """How far an alternative is from the one that is meant: another type or another fixed value is another one."""
    elsewhere = [each for each in found if (each.kind, len(each.path)) in (("type", 0), ("value", 0), ("value", 1))]
    return len(found) + _ELSEWHERE * len(elsewhere)


def _fits_type(kind: object, wanted: Any) -> bool:
    kinds: list[str] = [wanted] if isinstance(wanted, str) else wanted or []
    return not kinds or kind in kinds or (kind == "integer" and "number" in kinds)


def _kind_of_value(demands: Words) -> Kind:
    return "value" if "enum" in demands or "const" in demands else "type"


def _same_type(kind: object, demands: Words) -> bool:
    return demands.get("type", kind) == kind and not any(same(value, None) for value in demands.get("enum", ()))


def _limit(words: Words, word: str) -> str:
    return f"{word} {words[word]}" if word in words else f"no {word}"
