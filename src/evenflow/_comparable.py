"""Fields read on the class: ``OrderPlaced.total`` stands for the total of any order.

Comparing such a field makes a ``Condition``, and a bool field is one by itself. Other uses of it
(``OrderPlaced.total * 2``, ``len``, comparing two fields) are refused, and the error says what to write instead.
A type checker sees a value of the field's own type. That is why ``one_of`` and ``present`` are typed by values,
and why no class of this file is public.
"""

from __future__ import annotations

from functools import cached_property, partialmethod
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from . import _fields
from ._conditions import COMPARISONS, Comparison, Condition, OneOf, Truth

if TYPE_CHECKING:
    from decimal import Decimal
    from enum import Enum
    from typing import Protocol

    from ._fields import Path

    T_contra = TypeVar("T_contra", contravariant=True)

    class SupportsLess(Protocol[T_contra]):
        """What can be compared with a T by ``<``: from this a type checker infers the values of a field."""

        def __lt__(self, other: T_contra, /) -> bool: ...

    EnumT = TypeVar("EnumT", bound=Enum)

T = TypeVar("T")
_CALLABLE: Final = "use a callable: where=lambda event: ..."


class _ShownAsData(type):
    """Lets ``inspect.isdatadescriptor`` take a field for a data descriptor, which it is not.

    Sphinx and ``help`` show ``order_id: int`` for one, and ``order_id: int = OrderPlaced.order_id`` for anything else.
    """

    __set__ = None


class FieldRef(metaclass=_ShownAsData):
    """A field of a class of events, read on the class; never keep it in a set: comparing two fields is refused."""

    __slots__ = ("_parts", "_path")

    def __init__(self, path: Path, parts: tuple[Any, ...], /) -> None:
        self._path, self._parts = path, parts

    def __getattr__(self, name: str) -> FieldRef:
        if name.startswith("_"):
            raise AttributeError(name)
        return FieldRef(self._path.step(name), _fields.members_behind(self._parts, name, shown=str(self._path)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_fields.names_behind(self._parts)]

    def __bool__(self) -> bool:
        raise TypeError(f"{self} is a field, not a truth value; compare it, and use & | ~ for `and`, `or`, `not`")

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return str(self._path)

    def __evenflow_condition__(self) -> Condition:
        """The condition that a bool field is by itself."""
        if all(part is bool for part in self._parts):
            return Truth(self._path)
        optional = all(part in (bool, type(None)) for part in self._parts)
        hint = f"write present({self})" if optional else f"compare it: {self} == ..."
        raise TypeError(f"{self} is {_fields.spoken(self._parts)}; only a bool field is a condition by itself; {hint}")

    def _check(self, op: str, value: object) -> None:
        if isinstance(value, FieldRef):
            raise TypeError(f"{self} {op} {value} compares two fields, which a condition cannot; {_CALLABLE}")
        if value is None and len(self._path.names) - 1 in self._path.present:
            raise TypeError(f"{self} {op} None can never hold; ask one_of(field, None) without present()")
        if not _fields.can_hold(self._parts, value, ordering=op[0] in "<>"):
            kind, given = _fields.spoken(self._parts), type(value).__name__
            raise TypeError(f"{self} is {kind} and cannot hold {value!r} ({given}); compare it with {kind}")

    def _compared(self, op: str, value: object, /) -> Condition:
        self._check(op, value)
        return Comparison(self._path, op, value)

    def _joined(self, name: str, *others: object) -> Any:
        return getattr(self.__evenflow_condition__(), name)(*others)

    def _refused(self, name: str, *_: object) -> Any:
        raise TypeError(f"{self} is a field of any such event, and {name} needs the value of one; {_CALLABLE}")


_ARITHMETIC: Final = "add sub mul truediv floordiv mod divmod pow lshift rshift xor matmul"
_OTHERS: Final = "neg pos abs round int float complex index len iter reversed contains getitem trunc floor ceil"
# The name in what Python itself says, as in "'field' object is not callable"; a pickle goes by the qualified name.
FieldRef.__name__ = "field"
# Set here, and not in the class, because type checkers would hold `==` that makes a condition against object's own.
for _op, _word in COMPARISONS.items():
    setattr(FieldRef, f"__{_word}__", partialmethod(FieldRef._compared, _op))
for _word in ("and", "rand", "or", "ror", "invert"):
    setattr(FieldRef, f"__{_word}__", partialmethod(FieldRef._joined, f"__{_word}__"))
for _word in [*_OTHERS.split(), *_ARITHMETIC.split(), *(f"r{_word}" for _word in _ARITHMETIC.split())]:
    setattr(FieldRef, f"__{_word}__", partialmethod(FieldRef._refused, f"__{_word}__"))


def _described(field: FieldRef) -> str | None:
    return _fields.description(field._path)


def computed(cls_name: str, name: str, value: object, /) -> object:
    """A property or a cached property that refuses to be compared on the class; anything else as it is."""
    if type(value) is property:
        made: Any = ComputedProperty(value.fget, value.fset, value.fdel, value.__doc__)
    elif type(value) is cached_property:
        made = ComputedCachedProperty(value.func)
        made.__set_name__(None, name)
    else:
        return value
    made.shown, made.__doc__ = f"{cls_name}.{name}", value.__doc__  # which in 3.11 a subclass's own text would hide
    return made


class ComputedProperty(property):
    """A property of an event: like any other, but that comparing it on the class is refused."""

    shown: str

    def __repr__(self) -> str:
        return self.shown


class ComputedCachedProperty(cached_property[Any]):
    """A cached property of an event: like any other, but that comparing it on the class is refused."""

    shown: str

    def __repr__(self) -> str:
        return self.shown


def _refuse_computed(value: ComputedProperty | ComputedCachedProperty, *_: object) -> Any:
    name = value.shown.rpartition(".")[2]
    raise TypeError(
        f"{value.shown} is computed from an event, and a condition compares only what an event holds: its fields; use a"
        f" callable: where=lambda event: event.{name} ..."
    )


for _kind in (ComputedProperty, ComputedCachedProperty):
    for _word in (*COMPARISONS.values(), "and", "rand", "or", "ror", "invert", "evenflow_condition"):
        setattr(_kind, f"__{_word}__", _refuse_computed)


# What `help` and Sphinx print below a field; set here, because in the class it would be the class's own text.
FieldRef.__doc__ = cast("str", property(_described))


def path_of(field: object, /) -> Path | None:
    """The path of a field that was read on a class; None for anything else."""
    return field._path if isinstance(field, FieldRef) else None


def present(field: T | None, /) -> T:
    """An optional field as one that is never None: ``present(OrderPlaced.discount) > 5``.

    For an event in which it is None, its comparisons, and those of the fields behind it, are false.

    Raises:
        TypeError: it is not a field read on a class of events.
    """
    if isinstance(field, ComputedProperty | ComputedCachedProperty):
        _refuse_computed(field)
    if not isinstance(field, FieldRef):
        raise TypeError(f"present() takes a field read on a class, as in OrderPlaced.discount, not {field!r}")
    return cast("T", FieldRef(field._path.marked(), _fields.without_none(field._parts)))


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
        TypeError: the first argument is not a field read on a class of events, or the field cannot hold a value.
        ValueError: there are no values.
    """
    if isinstance(field, ComputedProperty | ComputedCachedProperty):
        _refuse_computed(field)
    if not isinstance(field, FieldRef):
        raise TypeError(f"one_of() takes a field read on a class, as in OrderPlaced.region, not {field!r}")
    if not values:
        raise ValueError(f"one_of({field}) names no value and could never hold; name at least one")
    for value in values:
        field._check("==", value)
    return OneOf(field._path, values)
