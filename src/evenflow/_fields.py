"""Which value of an event a field stands for, and what that field can hold.

Rule 1: a path is read as Python reads attributes; one that leads through None has no value.
Rule 2: what a field can hold is read off its annotation, once, when the condition is written.
Rule 3: where the annotation does not say (Any, a type with a pydantic schema of its own), everything is allowed.

All numbers are one family, and constraints (``Field(gt=0)``) do not count.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import numbers
import types
from enum import Enum
from typing import (
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel

MISSING: Final = object()
"""What reading a path gives where it leads through None, or ends at a None that ``present`` rules out."""

_NoneType: Final = type(None)


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """The way from an event of the class ``owner`` to one value in it.

    ``present`` holds the positions in ``names`` behind which ``present(...)`` was said.
    """

    owner: type
    names: tuple[str, ...]
    present: frozenset[int] = frozenset()

    def read(self, event: object, /) -> object:
        """The value in this event, or ``MISSING``; whatever reading an attribute raises goes out."""
        value = event
        for name in self.names:
            if value is None:
                return MISSING
            value = getattr(value, name)
        if value is None and len(self.names) - 1 in self.present:
            return MISSING
        return value

    def step(self, name: str, /) -> Path:
        """The path to an attribute of what this one leads to."""
        return Path(self.owner, (*self.names, name), self.present)

    def marked(self) -> Path:
        """The same path, under ``present``."""
        return Path(self.owner, self.names, self.present | {len(self.names) - 1})

    @property
    def brief(self) -> str:
        """The path without its class, as in ``customer.country``."""
        return ".".join(self.names)

    def __str__(self) -> str:
        owner = self.owner.__name__
        text = f"fields({owner})" if "[" in owner else owner
        for position, name in enumerate(self.names):
            text = f"{text}.{name}"
            if position in self.present:
                text = f"present({text})"
        return text


def members(annotation: Any, /) -> tuple[Any, ...]:
    """What an annotation is made of: unions taken apart; ``Annotated``, aliases and ``NewType`` unwrapped."""
    origin = get_origin(annotation)
    if origin is Union or origin is types.UnionType:
        return tuple(part for arg in get_args(annotation) for part in members(arg))
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if hasattr(origin or annotation, "__value__"):  # `type Money = ...`, or TypeAliasType
        return members((origin or annotation).__value__)
    if isinstance(annotation, NewType):
        return members(annotation.__supertype__)
    if isinstance(annotation, TypeVar):
        return _members_of_a_variable(annotation)
    return (_NoneType if annotation is None else annotation,)


def _members_of_a_variable(variable: TypeVar) -> tuple[Any, ...]:
    if variable.__bound__ is not None:
        return members(variable.__bound__)
    if variable.__constraints__:
        return tuple(part for arg in variable.__constraints__ for part in members(arg))
    return (Any,)


def without_none(annotation: Any, /) -> Any:
    """The annotation of an optional field whose value is known to be there."""
    kept = tuple(part for part in members(annotation) if part is not _NoneType)
    return Union[kept] if kept else annotation  # noqa: UP007 -- a union of what is known only at run time


@functools.lru_cache(maxsize=1024)
def _dataclass_fields(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def fields_of(cls: type[Any], /) -> dict[str, Any] | None:
    """The fields of a model or a dataclass with their annotations; None for any other class."""
    if issubclass(cls, BaseModel):
        if not cls.__pydantic_complete__:
            cls.model_rebuild(raise_errors=False)
        return {name: info.annotation for name, info in cls.model_fields.items()}
    if dataclasses.is_dataclass(cls):
        return _dataclass_fields(cls)
    return None


def annotation_of(cls: type, name: str, /) -> Any:
    """The annotation of a field of this class.

    Raises:
        AttributeError: the class has no such field; the message lists those it has.
    """
    known = fields_of(cls) or {}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known) or 'none'}"
    raise AttributeError(f"{cls.__name__} has no field {name!r}{hint}", name=name, obj=cls)


def annotation_behind(annotation: Any, name: str, /, *, shown: str) -> Any:
    """The annotation of a field of what a field holds, as in ``customer.country``.

    Raises:
        AttributeError: what the field holds has no such field, or is no model and no dataclass.
    """
    found: list[Any] = []
    for part in members(annotation):
        if part is _NoneType:
            continue
        cls: Any = get_origin(part) or part
        if cls is Any or cls is object or isinstance(cls, (str, ForwardRef)):  # nobody knows, or not yet
            found.append(Any)
            continue
        if not isinstance(cls, type) or fields_of(cls) is None:
            raise AttributeError(
                f"{shown} holds {_spoken(part)}, and of that a condition can only compare the value itself, not "
                f"use {name!r}; use a callable: where=lambda event: ...",
                name=name,
            )
        found.append(annotation_of(cls, name))
    return Union[tuple(found)] if found else Any  # noqa: UP007 -- a union of what is known only at run time


def can_hold(parts: tuple[Any, ...], value: object, /, *, ordering: bool = False) -> bool:
    """Whether a field made of these ``members`` could ever hold the value (with ``ordering``: one of its kind)."""
    kind = type(value)
    return kind in parts or any(_member_can_hold(part, value, ordering=ordering) for part in parts)


def _member_can_hold(part: Any, value: object, *, ordering: bool) -> bool:
    origin = get_origin(part)
    if origin is Literal:
        return _literal_can_hold(get_args(part), value, ordering=ordering)
    if part is Any or not isinstance(origin or part, type):  # nobody knows, or not yet
        return True
    cls: type[Any] = origin or part
    if issubclass(cls, Enum):
        return _enum_can_hold(cls, value)
    if isinstance(value, numbers.Number) and issubclass(cls, numbers.Number):
        return True
    return _has_its_own_schema(cls) or _is_instance(value, cls)


def _is_instance(value: object, cls: type) -> bool:
    try:
        return isinstance(value, cls)
    except TypeError:  # a Protocol that is not runtime_checkable
        return True


def _literal_can_hold(choices: tuple[Any, ...], value: object, *, ordering: bool) -> bool:
    if ordering:
        return any(_member_can_hold(type(choice), value, ordering=True) for choice in choices)
    return any(choice is value or choice == value for choice in choices)


def _enum_can_hold(cls: type[Enum], value: object) -> bool:
    """A member, or what equals one (``StrEnum``), or what ``use_enum_values`` leaves of one."""
    if isinstance(value, cls):
        return True
    return any(value in (member, member.value) for member in cls)


def _has_its_own_schema(cls: type) -> bool:
    """Types like ``EmailStr`` hold something else than instances of themselves: nobody can say what."""
    return hasattr(cls, "__get_pydantic_core_schema__") and not issubclass(cls, BaseModel)


def spoken(annotation: Any, /) -> str:
    """An annotation in words: ``str``, ``Decimal or None``."""
    return " or ".join(dict.fromkeys(_spoken(part) for part in members(annotation)))


def _spoken(part: Any) -> str:
    if part is _NoneType:
        return "None"
    if get_origin(part) is None and isinstance(part, type):
        return part.__name__
    return str(part).removeprefix("typing.")
