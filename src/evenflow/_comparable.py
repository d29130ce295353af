"""Fields read on the class: ``OrderPlaced.total`` stands for the total of any order that was placed.

Comparing one gives a ``Condition``. Whatever else Python lets one do with a value is refused, with the way out:

    OrderPlaced.total > 100                 a Condition
    OrderPlaced.customer.country == "de"    a Condition on a nested field
    OrderPlaced.paid                        a bool field, a condition by itself
    OrderPlaced.total * 2, len(...), [0]    TypeError: use a callable
    OrderPlaced.region.upper()              AttributeError: use a callable
    OrderPlaced.total == Other.total        TypeError: use a callable

A type checker takes such a field for a value of its own type, which is why ``one_of`` and ``present`` are
typed by values, and why none of this class is public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from . import _fields
from ._conditions import Comparison, Condition, Conditional, OneOf, Truth, operand
from ._fields import Path

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from enum import Enum
    from typing import Protocol

    T_contra = TypeVar("T_contra", contravariant=True)

    class SupportsLess(Protocol[T_contra]):
        """What can be compared by ``<`` with a T: so a type checker finds the values that belong to a field."""

        def __lt__(self, other: T_contra, /) -> bool: ...

    EnumT = TypeVar("EnumT", bound=Enum)

T = TypeVar("T")

_CALLABLE: Final = "use a callable: where=lambda event: ..."


class FieldRef(Conditional):
    """A field of a class of events, read on the class.

    Hashing two references to one field gives one number, but comparing them is refused like any
    comparison of two fields: do not keep them in sets or as keys.
    """

    __slots__ = ("_annotation", "_members", "_path")

    def __init__(self, path: Path, annotation: Any, /) -> None:
        self._path = path
        self._annotation = annotation
        self._members = _fields.members(annotation)

    def __getattr__(self, name: str) -> FieldRef:
        if name.startswith("_"):
            raise AttributeError(name)
        annotation = _fields.annotation_behind(self._annotation, name, shown=str(self._path))
        return FieldRef(self._path.step(name), annotation)

    def __eq__(self, value: object, /) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] -- a condition is the whole point
        return self._compared("==", value)

    def __ne__(self, value: object, /) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] -- as for ==
        return self._compared("!=", value)

    def __lt__(self, value: object, /) -> Condition:
        return self._compared("<", value)

    def __le__(self, value: object, /) -> Condition:
        return self._compared("<=", value)

    def __gt__(self, value: object, /) -> Condition:
        return self._compared(">", value)

    def __ge__(self, value: object, /) -> Condition:
        return self._compared(">=", value)

    def __and__(self, other: object, /) -> Condition:
        return self.__evenflow_condition__() & operand(other, "&")

    def __rand__(self, other: object, /) -> Condition:
        return operand(other, "&") & self.__evenflow_condition__()

    def __or__(self, other: object, /) -> Condition:
        return self.__evenflow_condition__() | operand(other, "|")

    def __ror__(self, other: object, /) -> Condition:
        return operand(other, "|") | self.__evenflow_condition__()

    def __invert__(self) -> Condition:
        return ~self.__evenflow_condition__()

    def __bool__(self) -> bool:
        raise TypeError(f"{self} is a field, not a truth value; compare it, and use & | ~ for `and`, `or`, `not`")

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return str(self._path)

    def __evenflow_condition__(self) -> Condition:
        """The field by itself, where it is a bool."""
        parts = self._members
        if all(part is bool for part in parts):
            return Truth(self._path)
        way = (
            f"write present({self})"
            if all(part in (bool, type(None)) for part in parts)
            else f"compare it: {self} == ..."
        )
        raise TypeError(
            f"{self} is {_fields.spoken(self._annotation)}; only a bool field is a condition by itself; {way}"
        )

    def _compared(self, op: str, value: object) -> Condition:
        self._check(op, value)
        return Comparison(self._path, op, value)

    def _check(self, op: str, value: object) -> None:
        if isinstance(value, FieldRef):
            raise TypeError(f"{self} {op} {value} compares two fields, which a condition cannot; {_CALLABLE}")
        if value is None and len(self._path.names) - 1 in self._path.present:
            raise TypeError(f"{self} {op} None can never hold; ask one_of(field, None) without present()")
        if not _fields.can_hold(self._members, value, ordering=op[0] in "<>"):
            raise TypeError(
                f"{self} is {_fields.spoken(self._annotation)} and cannot hold {value!r} ({type(value).__name__}); "
                f"compare it with {_fields.spoken(self._annotation)}"
            )


def _refusal(name: str) -> Callable[..., Any]:
    def refused(self: FieldRef, *_: object) -> Any:
        raise TypeError(f"{self} is a field of any such event, and {name} needs the value of one; {_CALLABLE}")

    refused.__name__ = name
    return refused


_ARITHMETIC: Final = "add sub mul truediv floordiv mod divmod pow lshift rshift xor matmul"
_OTHERS: Final = "neg pos abs round int float complex index len iter reversed contains getitem trunc floor ceil"
for _word in _ARITHMETIC.split():
    setattr(FieldRef, f"__{_word}__", _refusal(f"__{_word}__"))
    setattr(FieldRef, f"__r{_word}__", _refusal(f"__r{_word}__"))
for _word in _OTHERS.split():
    setattr(FieldRef, f"__{_word}__", _refusal(f"__{_word}__"))


class FieldsOf:
    """The fields of one class of events, for those that cannot be read on the class itself."""

    __slots__ = ("_owner",)

    def __init__(self, owner: type, /) -> None:
        self._owner = owner

    def __getattr__(self, name: str) -> FieldRef:
        if name.startswith("_"):
            raise AttributeError(name)
        return field_of(self._owner, name)

    def __repr__(self) -> str:
        return f"fields({self._owner.__name__})"


def field_of(owner: type, name: str, /) -> FieldRef:
    """A field of a class of events.

    Raises:
        AttributeError: the class has no such field; the message lists those it has.
    """
    return FieldRef(Path(owner, (name,)), _fields.annotation_of(owner, name))


def path_of(field: object, /) -> Path | None:
    """The path that a field read on a class stands for; None for anything else."""
    return field._path if isinstance(field, FieldRef) else None


def present(field: T | None, /) -> T:
    """An optional field, where it is not None: ``present(OrderPlaced.discount) > 5``.

    Comparisons of it, and of the fields behind it, are false for None.

    Raises:
        TypeError: it is not a field read on a class of events.
    """
    if not isinstance(field, FieldRef):
        raise TypeError(f"present() takes a field read on a class, as in OrderPlaced.discount, not {field!r}")
    return FieldRef(field._path.marked(), _fields.without_none(field._annotation))  # type: ignore[return-value]  # pyright: ignore[reportReturnType] -- stands for a value of the field


@overload
def one_of(field: EnumT | None, /, *values: EnumT | None) -> Condition: ...
@overload
def one_of(field: Decimal | None, /, *values: Decimal | int | None) -> Condition: ...
@overload
def one_of(field: SupportsLess[T] | None, /, *values: T | None) -> Condition: ...
def one_of(field: object, /, *values: object) -> Condition:
    """Whether the field equals one of the values: ``one_of(OrderPlaced.region, "eu", "us")``.

    ``one_of(OrderPlaced.discount, None)`` asks whether it is None.

    Raises:
        TypeError: not a field read on a class of events, or a value that the field's type cannot hold.
        ValueError: no value is named.
    """
    if not isinstance(field, FieldRef):
        raise TypeError(f"one_of() takes a field read on a class, as in OrderPlaced.region, not {field!r}")
    if not values:
        raise ValueError(f"one_of({field}) names no value and could never hold; name at least one")
    for value in values:
        field._check("==", value)
    return OneOf(field._path, values)
