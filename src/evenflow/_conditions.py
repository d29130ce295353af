"""What is said of an event's fields.

Rule 1: a condition answers as Python would on the event's own values.
Rule 2: an ordering that Python refuses, and a path that leads through None, is false.
Rule 3: a condition is false for an event of none of the classes that its fields belong to (its ``owners``);
        within those, a comparison on another class's field is false, and ``~`` is exactly ``not``.
Rule 4: nonsense is refused when it is written, with the way out.

    Comparison   OrderPlaced.total > 100
    OneOf        one_of(OrderPlaced.region, "eu", "us")
    Truth        OrderPlaced.paid                          a bool field, by itself
    All          a & b
    Either       a | b
    Not          ~a
"""

from __future__ import annotations

import operator
from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ._fields import MISSING, Path

if TYPE_CHECKING:
    from collections.abc import Callable

_OPERATORS: Final[dict[str, Callable[[Any, Any], object]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})

_READABLE: Final = 200

_Key: TypeAlias = tuple[object, ...]


class Condition:
    """What a subscriber says of the events it wants: ``OrderPlaced.total > 100``.

    Call it to ask (``condition(event)``), join it with ``&``, ``|`` and ``~``, print, compare and hash it.
    Two conditions are equal when they say the same in the same words.

    Raises:
        TypeError: it stands where Python asks for a plain truth value (``and``, ``or``, ``not``, ``if``).
    """

    __slots__ = ("_key", "owners")

    owners: tuple[type, ...]
    _key: _Key

    def __call__(self, event: object, /) -> bool:
        """Whether it holds for this event."""
        return isinstance(event, self.owners) and self.holds(event)

    def holds(self, event: object, /) -> bool:
        """Whether it holds, within a larger condition whose classes have been seen to."""
        raise NotImplementedError

    def shown(self, *, within: bool) -> str:
        """Its text; ``within`` another condition, with the brackets it needs there."""
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
            f"{self} is a condition, not a truth value; use & | ~ for `and`, `or`, `not`, each side in brackets, "
            "two comparisons for a chained one, and call it with an event to ask it"
        )

    def __eq__(self, other: object, /) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return type(self) is type(other) and self._key == other._key

    def __hash__(self) -> int:
        return hash((type(self), self._key))

    def __repr__(self) -> str:
        return self.shown(within=False)


class Same:
    """A value as a condition compares it with another's: 1 is not True here, and nan is itself."""

    __slots__ = ("value",)

    def __init__(self, value: object, /) -> None:
        self.value = value

    def __eq__(self, other: object, /) -> bool:
        if not isinstance(other, Same):
            return NotImplemented
        mine, theirs = self.value, other.value
        return mine is theirs or (type(mine) is type(theirs) and bool(mine == theirs))

    def __hash__(self) -> int:
        try:
            return hash(self.value)
        except TypeError:
            return hash(type(self.value))


def _shown(value: object) -> str:
    """A value as it would be written, unless that is too long to read."""
    text = repr(value)
    return text if len(text) <= _READABLE else f"{text[: _READABLE // 2]}...{text[-_READABLE // 2 :]}"


class Comparison(Condition):
    """A field against a value."""

    __slots__ = ("op", "path", "value")

    def __init__(self, path: Path, op: str, value: object, /) -> None:
        self.path = path
        self.op = op
        self.value = value
        self.owners = (path.owner,)
        self._key = (path, op, Same(value))

    def holds(self, event: object, /) -> bool:
        if not isinstance(event, self.path.owner):
            return False
        found = self.path.read(event)
        if found is MISSING:
            return False
        if self.op not in ORDERINGS:
            return bool(_OPERATORS[self.op](found, self.value))
        try:
            return bool(_OPERATORS[self.op](found, self.value))
        except (TypeError, InvalidOperation):
            return False

    def shown(self, *, within: bool) -> str:
        text = f"{self.path} {self.op} {_shown(self.value)}"
        return f"({text})" if within else text


class OneOf(Condition):
    """A field against several values: it equals one of them."""

    __slots__ = ("path", "values")

    def __init__(self, path: Path, values: tuple[object, ...], /) -> None:
        self.path = path
        self.values = values
        self.owners = (path.owner,)
        self._key = (path, *map(Same, values))

    def holds(self, event: object, /) -> bool:
        if not isinstance(event, self.path.owner):
            return False
        found = self.path.read(event)
        return found is not MISSING and any(found == value for value in self.values)

    def shown(self, *, within: bool) -> str:  # noqa: ARG002 -- a call needs no brackets
        return f"one_of({self.path}, {', '.join(map(_shown, self.values))})"


class Truth(Condition):
    """A bool field by itself."""

    __slots__ = ("path",)

    def __init__(self, path: Path, /) -> None:
        self.path = path
        self.owners = (path.owner,)
        self._key = (path,)

    def holds(self, event: object, /) -> bool:
        if not isinstance(event, self.path.owner):
            return False
        found = self.path.read(event)
        return found is not MISSING and bool(found)

    def shown(self, *, within: bool) -> str:  # noqa: ARG002 -- a name needs no brackets
        return str(self.path)


class _Joined(Condition):
    """Several conditions; those joined by the same sign lie side by side, not inside each other."""

    __slots__ = ("parts",)
    sign: str
    parts: tuple[Condition, ...]

    def __init__(self, *parts: Condition) -> None:
        flat: list[Condition] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, _Joined) and part.sign == self.sign else (part,))
        self.parts = tuple(flat)
        self.owners = tuple(dict.fromkeys(owner for part in flat for owner in part.owners))
        self._key = self.parts

    def shown(self, *, within: bool) -> str:
        text = f" {self.sign} ".join(part.shown(within=True) for part in self.parts)
        return f"({text})" if within else text


class All(_Joined):
    """Every one of them."""

    __slots__ = ()
    sign = "&"

    def holds(self, event: object, /) -> bool:
        return all(part.holds(event) for part in self.parts)


class Either(_Joined):
    """At least one of them."""

    __slots__ = ()
    sign = "|"

    def holds(self, event: object, /) -> bool:
        return any(part.holds(event) for part in self.parts)


class Not(Condition):
    """Whatever the other is not, for events of the same classes."""

    __slots__ = ("part",)

    def __init__(self, part: Condition, /) -> None:
        self.part = part
        self.owners = part.owners
        self._key = (part,)

    def __invert__(self) -> Condition:
        return self.part

    def holds(self, event: object, /) -> bool:
        return not self.part.holds(event)

    def shown(self, *, within: bool) -> str:  # noqa: ARG002 -- the sign binds closest
        return f"~{self.part.shown(within=True)}"


class Conditional:
    """What can stand for a condition without being one: a bool field."""

    __slots__ = ()

    def __evenflow_condition__(self) -> Condition:
        """The condition it stands for.

        Raises:
            TypeError: it stands for none.
        """
        raise NotImplementedError


def operand(value: object, sign: str, /) -> Condition:
    """One side of ``&`` or ``|``.

    Raises:
        TypeError: it is no condition and no bool field.
    """
    if isinstance(value, Condition):
        return value
    if isinstance(value, Conditional):
        return value.__evenflow_condition__()
    if isinstance(value, bool):
        raise TypeError(f"{value} is a plain bool, not a condition, and cannot be joined by {sign}; {PLAIN_BOOL}")
    if callable(value):
        raise TypeError(f"a callable cannot be joined by {sign}; say all of it in one: where=lambda event: ...")
    raise TypeError(
        f"{value!r} is not a condition and cannot be joined by {sign}; "
        "put each comparison in brackets: (A.x == 1) & (A.y == 2)"
    )


PLAIN_BOOL: Final = (
    "the comparison was made at once, so its left side was not a field read on an Event class: "
    "write OrderPlaced.total > 100, or fields(OrderPlaced).total > 100"
)


def when(test: Condition | int, /) -> Condition:
    """The same condition, typed as what it is: to keep it, to call it, to negate it (``~when(c)``).

    Raises:
        TypeError: it is neither a comparison nor a bool field.
    """
    if isinstance(test, Condition):
        return test
    if isinstance(test, Conditional):
        return test.__evenflow_condition__()
    if isinstance(test, bool):
        raise TypeError(f"when() takes a condition, not the plain bool {test}; {PLAIN_BOOL}")
    raise TypeError(
        f"when() takes a condition, as in when(OrderPlaced.total > 100), not {test!r}; "
        "a callable goes into `where` as it is"
    )
