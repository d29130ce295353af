"""What a client may ask: conditions as JSON, read with a list of the fields that it may speak of.

    {"and": [{"eq": ["region", "eu"]}, {"gt": ["total", 100]}]}

    eq ne lt le gt ge    [field, value] or [field, value, kind]            ``ne`` only where it is allowed
    in                   [field, [value, ...]] or with [kind, ...]
    true                 field                                             a bool field by itself
    and or               [condition, ...]
    not                  condition                                         only where it is allowed

    ``region``, ``customer.country``       a field; of every class that has one of this name
    ``OrderPlaced:region``                 of this class alone, by its wire name
    ``discount!``, ``payer!.country``      ``present(...)``

Rule 1: a name is looked up in the list, and nothing else; no attribute is read by a client's word.
Rule 2: whatever is wrong with a text is a ``ValueError`` whose message is bounded.
Rule 3: a text is bounded before it is read: its length, then its terms, its depth and the values of each ``in``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from pydantic_core import from_json

from ._comparable import FieldRef, field_in
from ._conditions import OPERATORS, All, Comparison, Condition, Either, OneOf, Truth
from ._field_json import FieldJSON
from ._fields import spoken
from ._routing import classes_in, related

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ._fields import Path

MOST_CHARACTERS: Final = 8_192
MOST_TERMS: Final = 16
MOST_DEPTH: Final = 8
MOST_VALUES: Final = 100
"""Of one ``in``."""
MOST_SHOWN: Final = 40
"""Characters of a client's text in a message."""

INDEXED: Final = frozenset({"eq", "in", "lt", "le", "gt", "ge", "true", "and", "or"})
BEYOND: Final = ("ne", "not")
"""What costs each publish a look at each subscription: only where ``Allowed`` says so."""


class Allowed:
    """The fields that a client's own condition may speak of: ``Allowed(OrderPlaced.status, OrderPlaced.total)``.

    A client may use ``eq``, ``in``, ``lt``, ``le``, ``gt``, ``ge``, ``true`` (a bool field by itself), ``and`` and
    ``or``, which the index finds. ``also=("ne", "not")`` allows these two as well: each subscription with one of them
    costs every publish.

    Args:
        fields: fields read on a class of events, nested ones too; naming ``OrderPlaced.customer`` does not allow
            ``OrderPlaced.customer.country``.
        also: operators that the index does not find.

    Raises:
        TypeError: something is no field, or a field has no JSON.
        ValueError: there are no fields, or an operator is unknown.
    """

    __slots__ = ("_also", "_fields", "_readers")

    def __init__(self, *fields: object, also: Collection[str] = ()) -> None:
        if not fields:
            raise ValueError("Allowed() names no field, so a client could ask nothing: leave it out, or name one")
        if isinstance(also, str) or not isinstance(cast("Any", also), (tuple, list, set, frozenset)):
            raise TypeError(f"also= names operators, as in also=('ne', 'not'), not {also!r}")
        if unknown := set(also).difference(BEYOND):
            words = f"{' and '.join(BEYOND)}, not {unknown.pop()!r}"
            raise ValueError(f"also= can allow {words}; the others are always allowed")
        self._also = tuple(word for word in BEYOND if word in also)
        named = (
            field_in(field, "Allowed() takes fields read on a class of events, as in OrderPlaced.status")
            for field in fields
        )
        self._fields = tuple(dict.fromkeys(field._path._replace(present=frozenset()) for field in named))
        self._readers: dict[Path, FieldJSON] = {}
        for path in self._fields:
            if cast("Any", path.owner).__pydantic_complete__:  # or its annotations are not known yet
                self._reader(path)

    def __repr__(self) -> str:
        also = [f"also={self._also!r}"] if self._also else []
        return f"Allowed({', '.join([*map(str, self._fields), *also])})"

    def _reader(self, path: Path) -> FieldJSON:
        if (found := self._readers.get(path)) is None:
            found = self._readers[path] = FieldJSON(path)
        return found

    def _check(self, model: object) -> None:
        """Raise a ``TypeError`` where it names no field of these classes."""
        self._paths_for(model)

    def _condition(self, model: object, text: str) -> Condition:
        """The condition that a text stands for, on events of these classes."""
        paths = self._paths_for(model)
        if not isinstance(text, str):
            raise TypeError(f"a condition as JSON is a str, not {type(text).__name__}")
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"the condition has {len(text)} characters; at most {MOST_CHARACTERS} are read")
        try:
            document = from_json(text, allow_inf_nan=False, cache_strings=False)
        except (ValueError, TypeError):  # the second for half of a surrogate pair
            raise ValueError("the condition is no JSON") from None
        return _Reading(paths, self._reader, INDEXED.union(self._also)).condition(document, 1)

    def _paths_for(self, model: object) -> dict[str, list[Path]]:
        """By the names of fields: what may be asked of events of these classes."""
        found: dict[str, dict[Path, None]] = {}
        classes = classes_in(*cast("tuple[object, ...]", model if isinstance(model, (tuple, list)) else (model,)))
        for cls in classes:
            named: dict[str, dict[type, Path]] = {}
            for path in self._fields:
                if related(cls, path.owner):
                    named.setdefault(path.brief, {})[path.owner] = path
            for name, by_owner in named.items():
                # Of several classes above this one, the nearest has the field; those below are asked each by its own.
                nearest = [by_owner[parent] for parent in cls.__mro__ if parent in by_owner][:1]
                found.setdefault(name, {}).update(dict.fromkeys(nearest or by_owner.values()))
        if not found:
            shown = ", ".join(map(str, self._fields))
            raise TypeError(f"{shown}: no field of {', '.join(cls.__name__ for cls in classes)} is allowed")
        return {name: list(paths) for name, paths in found.items()}


class _Reading:
    """One text that is read: what may be asked, and how much has been."""

    def __init__(
        self, paths: dict[str, list[Path]], reader: Callable[[Path], FieldJSON], operators: frozenset[str]
    ) -> None:
        self._paths = paths
        self._reader = reader
        self._operators = operators
        self._terms = 0

    def condition(self, document: Any, depth: int) -> Condition:
        """The condition that a document stands for."""
        if depth > MOST_DEPTH:
            raise ValueError(f"the condition is nested more than {MOST_DEPTH} deep")
        if not _is_object(document) or len(document) != 1:
            form = 'an object with one operator, as in {"eq": [field, value]}'
            raise ValueError(f"a condition is {form}, not {_shown(document)}")
        [(word, operands)] = document.items()
        if word not in self._operators:
            allowed = ", ".join(sorted(self._operators))
            raise ValueError(f"the operator {_shown(word)} is not allowed; allowed: {allowed}")
        if word in ("and", "or"):
            if not _is_list(operands) or not operands:
                raise ValueError(f"{word} takes a list of conditions with at least one, not {_shown(operands)}")
            return _joined(All if word == "and" else Either, [self.condition(each, depth + 1) for each in operands])
        if word == "not":
            return ~self.condition(operands, depth + 1)
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise ValueError(f"the condition has more than {MOST_TERMS} terms")
        return self._term(word, operands)

    def _term(self, word: str, operands: Any) -> Condition:
        if word == "true":
            fields = self._fields(operands)
            if strange := [field._parts for field in fields if any(part is not bool for part in field._parts)]:
                raise ValueError(f"true of {_shown(operands)}: it is {spoken(strange[0])}, and not bool")
            return _joined(Either, [Truth(field._path) for field in fields])
        if not _is_list(operands) or len(operands) not in (2, 3):
            raise ValueError(f"{word} takes [field, value], not {_shown(operands)}")
        name, value, kind = (*operands, None)[:3]
        fields = self._fields(name)
        try:
            pairs = _pairs(value, kind) if word == "in" else [(value, kind)]
            return _joined(Either, [self._compared(word, field, pairs) for field in fields])
        except ValueError as error:
            raise ValueError(f"{word} of {_shown(name)}: {error}") from None

    def _fields(self, name: object) -> list[FieldRef]:
        """The fields that a name stands for, one of each class that has it."""
        if not isinstance(name, str):
            raise ValueError(f"a field is named by a text, not {_shown(name)}")  # noqa: TRY004 -- a client's, not a caller's
        owner, _, marked = name.rpartition(":")
        words = marked.split(".")
        known = self._paths.get(".".join(word.removesuffix("!") for word in words), [])
        found = [path for path in known if not owner or path.wire_owner == owner]
        if not found:
            raise ValueError(f"the field {_shown(name)} is not allowed; allowed: {', '.join(self._paths)}")
        present = frozenset(number for number, word in enumerate(words) if word.endswith("!"))
        return [FieldRef(path._replace(present=present)) for path in found]

    def _compared(self, word: str, field: FieldRef, pairs: list[tuple[Any, Any]]) -> Condition:
        sign = OPERATORS.get(word, "==")
        reader = self._reader(field._path._replace(present=frozenset()))
        values: list[object] = []
        for value, kind in pairs:
            values.append(found := reader.read(value, kind))
            if not field._can_be(sign, found):
                raise ValueError(f"it is {spoken(field._parts)} and cannot be {_shown(value)}")
        return OneOf(field._path, tuple(values)) if word == "in" else Comparison(field._path, sign, values[0])


def _pairs(values: Any, kinds: Any) -> list[tuple[Any, Any]]:
    """Each value of an ``in`` with its kind."""
    if not _is_list(values) or not values:
        raise ValueError(f"it takes a list of values with at least one, not {_shown(values)}")
    if len(values) > MOST_VALUES:
        raise ValueError(f"it has {len(values)} values; at most {MOST_VALUES} are read")
    named = [None] * len(values) if kinds is None else kinds
    if not _is_list(named) or len(named) != len(values):
        raise ValueError("it takes one kind for each value")
    return list(zip(values, named, strict=True))


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _joined(kind: type[All | Either], parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else kind(*parts)


def _shown(value: object) -> str:
    """What a client has written, as far as a message shows it."""
    if isinstance(value, str):
        return repr(value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}...")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number"
