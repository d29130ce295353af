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

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import from_json

from ._comparable import ComputedCachedProperty, ComputedProperty, FieldRef, path_of
from ._conditions import OPERATORS, All, Comparison, Condition, Either, OneOf, Truth
from ._field_json import FieldJSON
from ._fields import Path, can_hold, members, owner_name, spoken, without_none

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

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
        self._also = _checked_operators(also)
        self._fields = tuple(dict.fromkeys(map(_checked_field, fields)))
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
        _paths_for(self._fields, _classes_in(model))

    def _condition(self, model: object, text: str) -> Condition:
        """The condition that a text stands for, on events of these classes."""
        paths = _paths_for(self._fields, _classes_in(model))
        if not isinstance(text, str):
            raise TypeError(f"a condition as JSON is a str, not {type(text).__name__}")
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"the condition has {len(text)} characters; at most {MOST_CHARACTERS} are read")
        try:
            document = from_json(text, allow_inf_nan=False, cache_strings=False)
        except (ValueError, TypeError):  # the second for half of a surrogate pair
            raise ValueError("the condition is no JSON") from None
        return _Reading(paths, self._reader, self._also).condition(document, 1)


def _checked_operators(also: object) -> tuple[str, ...]:
    if isinstance(also, str) or not isinstance(also, (tuple, list, set, frozenset)):
        raise TypeError(f"also= names operators, as in also=('ne', 'not'), not {also!r}")
    for word in cast("Iterable[object]", also):
        if word not in BEYOND:
            raise ValueError(f"also= can allow {' and '.join(BEYOND)}, not {word!r}; the others are always allowed")
    return tuple(word for word in BEYOND if word in also)


def _checked_field(field: object) -> Path:
    if isinstance(field, ComputedProperty | ComputedCachedProperty):
        raise TypeError(f"{field!r} is computed from an event, and a condition compares only fields")
    path = path_of(field)
    if path is None:
        raise TypeError(f"Allowed() takes fields read on a class of events, as in OrderPlaced.status, not {field!r}")
    return Path(path.owner, path.names)


def _classes_in(model: object) -> tuple[type, ...]:
    given = cast("Sequence[object]", model if isinstance(model, (tuple, list)) else (model,))
    classes = tuple(part for each in given for part in members(each))
    for cls in classes:
        if not isinstance(cls, type):
            raise TypeError(f"a condition is read for classes of events, or unions of them, not {cls!r}")
    return classes


def _is_subclass(one: type, other: type) -> bool:
    try:
        return issubclass(one, other)
    except Exception:  # noqa: BLE001 -- a Protocol with attributes raises, and a hook of the user's may raise anything
        return False


def _paths_for(paths: tuple[Path, ...], classes: tuple[type, ...]) -> dict[str, dict[type, Path]]:
    """By the name of a field and the class that it was read on: what may be asked of events of these classes."""
    found: dict[str, dict[type, Path]] = {}
    for cls in classes:
        by_name: dict[str, list[Path]] = {}
        for path in paths:
            if _is_subclass(cls, path.owner) or _is_subclass(path.owner, cls):
                by_name.setdefault(path.brief, []).append(path)
        for name, fitting in by_name.items():
            # Of several classes above this one, the nearest has the field; of those below, each is asked by its own.
            by_owner = {path.owner: path for path in fitting}
            above = [by_owner[parent] for parent in cls.__mro__ if parent in by_owner]
            for path in above[:1] or fitting:
                found.setdefault(name, {})[path.owner] = path
    if not found:
        raise TypeError(
            f"{', '.join(map(str, paths))}: no field of {', '.join(cls.__name__ for cls in classes)} is allowed"
        )
    return found


class _Reading:
    """One text that is read: what may be asked, and how much has been."""

    def __init__(self, paths: dict[str, dict[type, Path]], reader: Any, also: tuple[str, ...]) -> None:
        self._paths = paths
        self._reader = reader
        self._operators = INDEXED.union(also)
        self._terms = 0

    def condition(self, document: object, depth: int) -> Condition:
        """The condition that a document stands for."""
        if depth > MOST_DEPTH:
            raise ValueError(f"the condition is nested more than {MOST_DEPTH} deep")
        found = _as_object(document)
        if found is None or len(found) != 1:
            raise ValueError(
                f'a condition is an object with one operator, as in {{"eq": [field, value]}}, not {_shown(document)}'
            )
        [(word, operands)] = found.items()
        if word not in self._operators:
            raise ValueError(
                f"the operator {_shown(word)} is not allowed; allowed: {', '.join(sorted(self._operators))}"
            )
        if word in ("and", "or"):
            return self._joined(word, operands, depth)
        if word == "not":
            return ~self.condition(operands, depth + 1)
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise ValueError(f"the condition has more than {MOST_TERMS} terms")
        return self._term(word, operands)

    def _joined(self, word: str, operands: object, depth: int) -> Condition:
        if not (documents := _as_list(operands)):
            raise ValueError(f"{word} takes a list of conditions with at least one, not {_shown(operands)}")
        parts = [self.condition(each, depth + 1) for each in documents]
        if len(parts) == 1:
            return parts[0]
        return All(*parts) if word == "and" else Either(*parts)

    def _term(self, word: str, operands: object) -> Condition:
        if word == "true":
            return _any_of([_truth(field, _shown(operands)) for field in self._fields(operands)])
        listed = _as_list(operands)
        if listed is None or len(listed) not in (2, 3):
            raise ValueError(f"{word} takes [field, value], not {_shown(operands)}")
        name, value, kind = (*listed, None)[:3]
        made = self._one_of if word == "in" else self._compared
        fields = self._fields(name)
        try:
            return _any_of([made(word, field, value, kind) for field in fields])
        except ValueError as error:
            raise ValueError(f"{word} of {_shown(name)}: {error}") from None

    def _fields(self, name: object) -> list[FieldRef]:
        """The fields that a name stands for, one of each class that has it."""
        if not isinstance(name, str):
            raise ValueError(f"a field is named by a text, not {_shown(name)}")  # noqa: TRY004 -- a client's, not a caller's
        owner, _, marked = name.rpartition(":")
        words = marked.split(".")
        plain = ".".join(word.removesuffix("!") for word in words)
        known = self._paths.get(plain, {}).values()
        found = [path for path in known if not owner or owner_name(path) == owner]
        if not found:
            raise ValueError(f"the field {_shown(name)} is not allowed; allowed: {', '.join(self._paths)}")
        present = frozenset(number for number, word in enumerate(words) if word.endswith("!"))
        return [self._field(path, present) for path in found]

    def _field(self, path: Path, present: frozenset[int]) -> FieldRef:
        parts = self._reader(path).parts
        is_present = len(path.names) - 1 in present
        return FieldRef(Path(path.owner, path.names, present), without_none(parts) if is_present else parts)

    def _value(self, field: FieldRef, value: object, kind: object, *, ordering: bool) -> object:
        path, parts = field._path, field._parts
        found: object = self._reader(Path(path.owner, path.names)).read(value, kind)
        if found is None and len(path.names) - 1 in path.present:
            raise ValueError("a field that is marked as present is never null")
        if not can_hold(parts, found, ordering=ordering):
            raise ValueError(f"it is {spoken(parts)} and cannot be {_shown(value)}")
        return found

    def _compared(self, word: str, field: FieldRef, value: object, kind: object) -> Condition:
        sign = OPERATORS[word]
        return Comparison(field._path, sign, self._value(field, value, kind, ordering=sign[0] in "<>"))

    def _one_of(self, _word: str, field: FieldRef, values: object, kinds: object) -> Condition:
        if not (listed := _as_list(values)):
            raise ValueError(f"it takes a list of values with at least one, not {_shown(values)}")
        if len(listed) > MOST_VALUES:
            raise ValueError(f"it has {len(listed)} values; at most {MOST_VALUES} are read")
        nothing: list[object] = [None] * len(listed)
        named = nothing if kinds is None else _as_list(kinds)
        if named is None or len(named) != len(listed):
            raise ValueError("it takes one kind for each value")
        pairs = zip(listed, named, strict=True)
        return OneOf(field._path, tuple(self._value(field, value, kind, ordering=False) for value, kind in pairs))


def _as_list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _as_object(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _truth(field: FieldRef, shown: str) -> Condition:
    try:
        condition = field.__evenflow_condition__()
    except TypeError:
        raise ValueError(f"true of {shown}: it is {spoken(field._parts)}, and not bool") from None
    assert isinstance(condition, Truth)
    return condition


def _any_of(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else Either(*conditions)


def _shown(value: object) -> str:
    """What a client has written, as far as a message shows it."""
    if isinstance(value, str):
        return repr(value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}...")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number"
