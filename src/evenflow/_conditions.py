"""Conditions: what a subscriber says about the fields of the events it wants.

Rule 1: a condition answers as Python would on the event's own values.
Rule 2: an ordering that Python refuses is false, and so is a comparison whose path leads through None.
Rule 3: a condition is false for an event of none of the classes whose fields it reads (its ``owners``).
        Within those, a comparison of another class's field is false, and ``~`` is exactly ``not``.
Rule 4: nonsense is refused where it is written, and the error says what to write instead.
"""

from __future__ import annotations

import operator
from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from ._fields import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import UnionType
    from typing import Protocol

    from ._fields import Path

    class Allows(Protocol):
        """What ``Allowed`` is to this file, which stands below it."""

        def _condition(self, model: object, text: str) -> Condition: ...


COMPARISONS: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
OPERATORS: Final = {word: sign for sign, word in COMPARISONS.items()}
ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})
_READABLE: Final = 200  # characters of a value that a condition prints in full


class Condition:
    """What a subscriber says about the events it wants: ``OrderPlaced.total > 100``.

    Call it with an event to ask it (``condition(event)``). It can be joined with ``&``, ``|`` and ``~``,
    printed, compared and hashed. Two conditions are equal if they say the same in the same words.

    Raises:
        TypeError: it stands where Python needs a truth value (``and``, ``or``, ``not``, ``if``).
    """

    __slots__ = ("_key", "_owners")
    _bracketed = False

    def __init__(self, owners: tuple[type, ...], *key: object) -> None:
        self._owners: tuple[type, ...] = owners
        self._key = key

    def __call__(self, event: object, /) -> bool:
        """Whether it holds for this event."""
        return isinstance(event, self._owners) and self._holds(event)

    def _holds(self, event: object, /) -> bool:
        """Whether it holds, without asking whether the event is of one of its ``owners``."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Write it as JSON, for ``from_json``: ``{"and": [{"eq": ["region", "eu"]}, {"gt": ["total", 100]}]}``.

        Names have the wire name of their class before them (``OrderPlaced:region``) where it speaks of several.

        Raises:
            ValueError: it compares a field with a value that could not be read back as the same value.
        """
        return to_json(self._document(qualified=len(self._owners) > 1)).decode()

    @staticmethod
    def from_json(model: type | UnionType | Sequence[type | UnionType], text: str, allowed: Allows) -> Condition:
        """Read a condition that a client has written, as far as ``allowed`` goes. Nothing of it is ever evaluated.

        A name stands for the field of every class of ``model`` that has it. Values are read as pydantic reads the
        annotation of the field, but for its constraints and validators. At most 16 terms, 8 levels, 100 values for an
        ``in``, and 8,192 characters are read.

        Args:
            model: the classes of events that the client gets: a class, a union, or several of these.
            text: what the client has written.
            allowed: the fields and operators that it may use.

        Raises:
            ValueError: the text is no such condition; the message says why, is short, and may be shown to the client.
            TypeError: ``model`` is no class of events, or none that ``allowed`` speaks of.
        """
        return allowed._condition(model, text)

    def _document(self, *, qualified: bool) -> dict[str, object]:
        """What ``to_json`` writes."""
        raise NotImplementedError

    def __and__(self, other: Condition | int, /) -> Condition:
        return All(self, operand(other, "&"))

    def __rand__(self, other: Condition | int, /) -> Condition:
        return All(operand(other, "&"), self)

    def __or__(self, other: Condition | int, /) -> Condition:
        return Either(self, operand(other, "|"))

    def __ror__(self, other: Condition | int, /) -> Condition:
        return Either(operand(other, "|"), self)

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self} is a condition, not a truth value; {self._hint()}use & | ~ for `and`, `or`, `not`, each side in "
            "brackets, two comparisons for a chained one, and call it with an event to ask it"
        )

    def _hint(self) -> str:
        """The way out that only this kind of condition has."""
        return ""

    def __dir__(self) -> list[str]:
        # What a condition is made of is read by the index, and is no part of what users rely on.
        return [name for name in super().__dir__() if name.startswith("_")]

    def __eq__(self, other: object, /) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return type(self) is type(other) and self._key == other._key

    def __hash__(self) -> int:
        try:
            return hash((type(self), self._key))
        except TypeError:  # a value of the condition cannot be hashed
            return hash((type(self), self._owners))


def _shown(value: object) -> str:
    """The text of a value, with its middle left out if it is too long to read."""
    text = repr(value)
    return text if len(text) <= _READABLE else f"{text[: _READABLE // 2]}...{text[-_READABLE // 2 :]}"


def _inside(condition: Condition) -> str:
    """The text of a condition inside another one."""
    return f"({condition})" if condition._bracketed else str(condition)


class _OfField(Condition):
    """A condition on the value of one field."""

    __slots__ = ("path",)

    def __init__(self, path: Path, /, *key: object) -> None:
        # The key holds values beside their types, because 1 is not True here. Its items are compared by identity first,
        # so nan equals itself.
        super().__init__((path.owner,), path, *key)
        self.path = path

    def _holds(self, event: object, /) -> bool:
        if not isinstance(event, self.path.owner):
            return False
        found = self.path.read(event)
        return found is not MISSING and self.accepts(found)

    def _name(self, *, qualified: bool) -> str:
        words = [f"{name}!" if number in self.path.present else name for number, name in enumerate(self.path.names)]
        return f"{self.path.wire_owner}:{'.'.join(words)}" if qualified else ".".join(words)

    def _written(self, *values: object) -> list[tuple[Any, str | None]]:
        """The values as JSON, with their kinds."""
        from ._field_json import FieldJSON  # noqa: PLC0415 -- few conditions leave the process

        try:
            field = FieldJSON(self.path)
            return [field.write(value) for value in values]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self} has no JSON: {error}") from error

    def accepts(self, found: object, /) -> bool:
        """Whether it holds for this value of the field."""
        raise NotImplementedError


class Comparison(_OfField):
    """A field compared with a value."""

    __slots__ = ("_compare", "op", "value")
    _bracketed = True

    def __init__(self, path: Path, op: str, value: object, /) -> None:
        super().__init__(path, op, type(value), value)
        self.op = op
        self.value = value
        self._compare: Callable[[object, object], object] = getattr(operator, COMPARISONS[op])

    def _hint(self) -> str:
        # `region in [...]` asks `==` with each item, and then for the truth of the answer.
        return f"for `{self.path} in [...]` write one_of({self.path}, ...); " if self.op == "==" else ""

    def accepts(self, found: object, /) -> bool:
        try:
            return bool(self._compare(found, self.value))
        except (TypeError, InvalidOperation):
            if self.op in ORDERINGS:
                return False
            raise

    def _document(self, *, qualified: bool) -> dict[str, object]:
        [(value, kind)] = self._written(self.value)
        operands = [self._name(qualified=qualified), value]
        return {COMPARISONS[self.op]: operands if kind is None else [*operands, kind]}

    def __repr__(self) -> str:
        return f"{self.path} {self.op} {_shown(self.value)}"


class OneOf(_OfField):
    """A field that equals one of several values."""

    __slots__ = ("values",)

    def __init__(self, path: Path, values: tuple[object, ...], /) -> None:
        super().__init__(path, *map(type, values), *values)
        self.values = values

    def accepts(self, found: object, /) -> bool:
        return any(found == value for value in self.values)

    def _document(self, *, qualified: bool) -> dict[str, object]:
        values, kinds = zip(*self._written(*self.values), strict=True)
        operands: list[object] = [self._name(qualified=qualified), values]
        return {"in": [*operands, kinds] if any(kinds) else operands}

    def __repr__(self) -> str:
        return f"one_of({self.path}, {', '.join(map(_shown, self.values))})"


class Truth(_OfField):
    """A bool field by itself."""

    __slots__ = ()

    def accepts(self, found: object, /) -> bool:
        return bool(found)

    def _document(self, *, qualified: bool) -> dict[str, object]:
        return {"true": self._name(qualified=qualified)}

    def __repr__(self) -> str:
        return str(self.path)


class _Joined(Condition):
    """Conditions joined by one sign; ``(a & b) & c`` has three parts, not two."""

    __slots__ = ("parts",)
    _bracketed = True
    sign: str
    word: str
    decide: Callable[[Iterable[bool]], bool]

    def __init__(self, *parts: Condition) -> None:
        flat: list[Condition] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, _Joined) and part.sign == self.sign else (part,))
        super().__init__(tuple(dict.fromkeys(owner for part in flat for owner in part._owners)), *flat)
        self.parts: tuple[Condition, ...] = tuple(flat)

    def _holds(self, event: object, /) -> bool:
        return self.decide(part._holds(event) for part in self.parts)

    def _document(self, *, qualified: bool) -> dict[str, object]:
        return {self.word: [part._document(qualified=qualified) for part in self.parts]}

    def __repr__(self) -> str:
        return f" {self.sign} ".join(map(_inside, self.parts))


class All(_Joined):
    """Conditions that must all hold."""

    __slots__ = ()
    sign, word, decide = "&", "and", staticmethod(all)


class Either(_Joined):
    """Conditions of which at least one must hold."""

    __slots__ = ()
    sign, word, decide = "|", "or", staticmethod(any)


class Not(Condition):
    """The opposite of a condition, for events of the same classes."""

    __slots__ = ("part",)

    def __init__(self, part: Condition, /) -> None:
        super().__init__(part._owners, part)
        self.part = part

    def __invert__(self) -> Condition:
        return self.part

    def _holds(self, event: object, /) -> bool:
        return not self.part._holds(event)

    def _document(self, *, qualified: bool) -> dict[str, object]:
        return {"not": self.part._document(qualified=qualified)}

    def __repr__(self) -> str:
        return f"~{_inside(self.part)}"


# The name in what Python itself says of a wrong use; a pickle goes by the qualified name.
for _kind in (Comparison, OneOf, Truth, All, Either, Not):
    _kind.__name__ = Condition.__name__


def condition_in(value: object, taker: str, /) -> Condition | None:
    """The condition that a value is, or that a bool field stands for; ``taker`` never takes a plain bool."""
    if isinstance(value, Condition):
        return value
    # This file does not know fields: a field says itself what it stands for.
    if hasattr(type(value), "__evenflow_condition__"):
        field: Any = value
        condition: Condition = field.__evenflow_condition__()
        return condition
    if isinstance(value, bool):
        raise TypeError(
            f"{taker}, not the plain bool {value}; Python made the comparison at once, because its left side is no "
            "field read on an Event class: write OrderPlaced.total > 100, or fields(OrderPlaced).total > 100"
        )
    return None


def operand(value: object, sign: str, /) -> Condition:
    """The condition on one side of ``&`` or ``|``."""
    if (condition := condition_in(value, f"{sign} joins conditions")) is not None:
        return condition
    if callable(value):
        raise TypeError(f"a callable cannot be joined by {sign}; say all of it in one: where=lambda event: ...")
    hint = "put each comparison in brackets: (A.x == 1) & (A.y == 2)"
    raise TypeError(f"{value!r} is not a condition and cannot be joined by {sign}; {hint}")


def when(test: Condition | int, /) -> Condition:
    """The same condition, typed as a ``Condition``: to keep it, call it or negate it (``~when(c)``).

    Raises:
        TypeError: it is neither a comparison nor a bool field.
    """
    if (condition := condition_in(test, "when() takes a condition")) is None:
        hint = f"as in when(OrderPlaced.total > 100), not {test!r}; a callable goes into `where` as it is"
        raise TypeError(f"when() takes a condition, {hint}")
    return condition
