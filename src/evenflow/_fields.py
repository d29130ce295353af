"""Which value of an event a field stands for, and which values that field can hold.

Rule 1: a path is read as Python reads attributes; a path that leads through None has no value.
Rule 2: the annotation of a field says what it can hold. It is read once, when the condition is written.
Rule 3: if the annotation does not say (Any, a type with a pydantic schema of its own), everything is allowed.

A field of any type of number can hold every number. Constraints (``Field(gt=0)``) are not looked at.
"""

from __future__ import annotations

import dataclasses
import numbers
from enum import Enum
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    NamedTuple,
    NewType,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

MISSING: Final = object()
"""What reading a path returns if it leads through None, or ends at a None that ``present`` rules out."""


class Path(NamedTuple):
    """The way from an event to a value in it; ``present`` has the positions of the names inside a ``present(...)``."""

    owner: type
    names: tuple[str, ...]
    present: frozenset[int] = frozenset()

    def read(self, event: object, /) -> object:
        """The value in this event, or ``MISSING``; what reading an attribute raises is not caught."""
        value = event
        for name in self.names:
            if value is None:
                return MISSING
            value = getattr(value, name)
        return MISSING if value is None and len(self.names) - 1 in self.present else value

    def step(self, name: str, /) -> Path:
        """The path to an attribute of the value at the end of this path."""
        return self._replace(names=(*self.names, name))

    def marked(self) -> Path:
        """The same path inside a ``present(...)``."""
        return self._replace(present=self.present | {len(self.names) - 1})

    @property
    def is_present(self) -> bool:
        """Whether the whole path is inside a ``present(...)``."""
        return len(self.names) - 1 in self.present

    @property
    def brief(self) -> str:
        """The path without its class, as in ``customer.country``."""
        return ".".join(self.names)

    @property
    def wire_owner(self) -> str:
        """What its class is called outside the process."""
        return str(cast("Any", self.owner).__evenflow_identity__.name)

    def __str__(self) -> str:
        owner = self.owner.__name__
        text = f"fields({owner})" if "[" in owner else owner
        for position, name in enumerate(self.names):
            text = f"{text}.{name}"
            if position in self.present:
                text = f"present({text})"
        return text


def members(annotation: Any, /) -> tuple[Any, ...]:
    """The types in an annotation: a union is taken apart; ``Annotated``, aliases and ``NewType`` are unwrapped."""
    origin = get_origin(annotation)
    choices: tuple[Any, ...]
    if origin is Union or origin is UnionType:
        choices = get_args(annotation)
    elif origin is Annotated:
        choices = get_args(annotation)[:1]
    elif hasattr(origin or annotation, "__value__"):  # the alias `type Money = ...`, or a TypeAliasType
        choices = ((origin or annotation).__value__,)
    elif isinstance(annotation, NewType):
        choices = (annotation.__supertype__,)
    elif isinstance(annotation, TypeVar):
        choices = annotation.__constraints__ or (annotation.__bound__ or Any,)
    else:
        return (NoneType if annotation is None else annotation,)
    return tuple(part for choice in choices for part in members(choice))


def without_none(parts: tuple[Any, ...], /) -> tuple[Any, ...]:
    """The ``members`` of an optional field whose value is known not to be None."""
    return tuple(part for part in parts if part is not NoneType) or parts


def fields_of(cls: Any, /) -> dict[str, Any] | None:
    """The fields of a model or a dataclass with their annotations; None for anything else."""
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        if not cls.__pydantic_complete__:
            cls.model_rebuild(raise_errors=False)
        return {name: info.annotation for name, info in cls.model_fields.items()}
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return None


def names_behind(parts: tuple[Any, ...], /) -> list[str]:
    """The names of the fields that the values of a field have."""
    return [name for part in parts for name in fields_of(get_origin(part) or part) or ()]


def parts_of(path: Path, /) -> tuple[Any, ...]:
    """The ``members`` of the field at the end of a path; of an empty path, its class.

    Raises:
        AttributeError: one of its names is no field of what has it; the message lists those that there are.
    """
    if not path.names:
        return (path.owner,)
    outer = path._replace(names=path.names[:-1])
    found = tuple(part for holder in without_none(parts_of(outer)) for part in _held(holder, path.names[-1], outer))
    return without_none(found) if path.is_present else found


def _held(holder: Any, name: str, outer: Path) -> tuple[Any, ...]:
    """The ``members`` of one field of a type that the field at the end of ``outer`` holds."""
    cls = get_origin(holder) or holder
    if cls in (Any, object, NoneType) or isinstance(cls, (str, ForwardRef)):  # unknown, or not known yet
        return (Any,)
    if (known := fields_of(cls)) is None:
        raise AttributeError(
            f"{outer} holds {spoken((holder,))}, and of that a condition can only compare the value itself, not "
            f"use {name!r}; use a callable: where=lambda event: ...",
            name=name,
        )
    if name in known:
        return members(known[name])
    hint = did_you_mean(name, known, f"it has {', '.join(known) or 'none'}")
    raise AttributeError(f"{cls.__name__} has no field {name!r}; {hint}", name=name, obj=cls)


def did_you_mean(word: str, known: Iterable[str], otherwise: str, /) -> str:
    """The way out of a misspelled word, for an error."""
    from difflib import get_close_matches  # noqa: PLC0415 -- for errors alone

    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise


def can_hold(parts: tuple[Any, ...], value: object, /, *, ordering: bool = False) -> bool:
    """Whether a field with these ``members`` can hold the value; with ``ordering``, any value of its type."""
    return type(value) in parts or any(_member_can_hold(part, value, ordering=ordering) for part in parts)


def _member_can_hold(part: Any, value: object, *, ordering: bool) -> bool:
    origin = get_origin(part)
    if origin is Literal:
        choices = get_args(part)
        return can_hold(tuple(map(type, choices)), value, ordering=True) if ordering else value in choices
    cls: type[Any] = origin or part
    if part is Any or not isinstance(cls, type):  # the type is unknown, or not known yet
        return True
    if issubclass(cls, Enum):
        # A member, a value that equals one (`StrEnum`), or the value of one (pydantic's `use_enum_values`).
        return isinstance(value, cls) or any(value in (member, member.value) for member in cls)
    # A field of a type like `EmailStr` does not hold instances of that type, and cannot say what it holds.
    unsaid = hasattr(cls, "__get_pydantic_core_schema__") and not issubclass(cls, BaseModel)
    numeric = isinstance(value, numbers.Number) and issubclass(cls, numbers.Number)
    try:
        return unsaid or numeric or isinstance(value, cls)
    except TypeError:  # it is a Protocol that is not runtime_checkable, so nothing is known
        return True


def spoken(parts: tuple[Any, ...], /) -> str:
    """The ``members`` of a field in words: ``str``, ``Decimal or None``."""
    return " or ".join(dict.fromkeys(map(_spoken, parts)))


def _spoken(part: Any) -> str:
    if part is NoneType:
        return "None"
    if get_origin(part) is None and isinstance(part, type):
        return part.__name__
    return str(part).removeprefix("typing.")
