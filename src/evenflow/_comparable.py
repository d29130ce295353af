"""Fields read on the class: ``OrderPlaced.total`` stands for the total of any order.

Comparing such a field makes a ``Condition``, and a bool field is one by itself. Other uses of it
(``OrderPlaced.total * 2``, ``len``, comparing two fields) are refused, and the error says what to write instead.
A type checker sees a value of the field's own type. That is why ``one_of`` and ``present`` are typed by values,
and why no class of this file is public.
"""

from __future__ import annotations

from functools import cached_property, partialmethod
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from ._conditions import COMPARISONS, Comparison, Condition, OneOf, Truth
from ._fields import can_hold, names_behind, parts_of, spoken

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

    def __init__(self, path: Path, /) -> None:
        self._path, self._parts = path, parts_of(path)

    def __getattr__(self, name: str) -> FieldRef:
        if name.startswith("_"):
            raise AttributeError(name)
        return FieldRef(self._path.step(name))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *names_behind(self._parts)]

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
        raise TypeError(f"{self} is {spoken(self._parts)}; only a bool field is a condition by itself; {hint}")

    def _can_be(self, op: str, value: object) -> bool:
        """Whether comparing it with the value makes sense."""
        is_never = value is None and self._path.is_present
        return not is_never and can_hold(self._parts, value, ordering=op[0] in "<>")

    def _check(self, op: str, value: object) -> None:
        if isinstance(value, FieldRef):
            raise TypeError(f"{self} {op} {value} compares two fields, which a condition cannot; {_CALLABLE}")
        if value is None and self._path.is_present:
            raise TypeError(f"{self} {op} None can never hold; ask one_of(field, None) without present()")
        if not self._can_be(op, value):
            kind, given = spoken(self._parts), type(value).__name__
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
    """What was said of a field of an event: ``Field(description="in cents")``."""
    owner: Any = field._path.owner
    names = field._path.names
    return owner.model_fields[names[0]].description if len(names) == 1 else None


# What `help` and Sphinx print below a field; set here, because in the class it would be the class's own text.
FieldRef.__doc__ = cast("str", property(_described))


class Computed:
    """A property of an event: like any other, but that comparing it on the class is refused."""

    shown: str

    def __repr__(self) -> str:
        return self.shown

    def _refuse(self, *_: object) -> Any:
        name = self.shown.rpartition(".")[2]
        raise TypeError(
            f"{self} is computed from an event, and a condition compares only what an event holds: its fields; use a"
            f" callable: where=lambda event: event.{name} ..."
        )


class _Property(Computed, property):
    pass


class _CachedProperty(Computed, cached_property[Any]):
    pass


for _word in (*COMPARISONS.values(), "and", "rand", "or", "ror", "invert", "evenflow_condition"):
    setattr(Computed, f"__{_word}__", Computed._refuse)


def computed(cls_name: str, name: str, value: object, /) -> object:
    """A property or a cached property that refuses to be compared on the class; anything else as it is."""
    if type(value) is property:
        made: Any = _Property(value.fget, value.fset, value.fdel)
    elif type(value) is cached_property:
        made = _CachedProperty(value.func)
        made.__set_name__(None, name)
    else:
        return value
    made.shown, made.__doc__ = f"{cls_name}.{name}", value.__doc__  # which in 3.11 a subclass's own text would hide
    return made


def path_of(field: object, /) -> Path | None:
    """The path of a field that was read on a class; None for anything else."""
    return field._path if isinstance(field, FieldRef) else None


def field_in(value: object, taker: str, /) -> FieldRef:
    """The field that an argument is; ``taker`` says what takes one, for the error."""
    if isinstance(value, Computed):
        value._refuse()
    if not isinstance(value, FieldRef):
        raise TypeError(f"{taker}, not {value!r}")
    return value


def present(field: T | None, /) -> T:
    """An optional field as one that is never None: ``present(OrderPlaced.discount) > 5``.

    For an event in which it is None, its comparisons, and those of the fields behind it, are false.

    Raises:
        TypeError: it is not a field read on a class of events.
    """
    path = field_in(field, "present() takes a field read on a class, as in OrderPlaced.discount")._path
    return cast("T", FieldRef(path.marked()))


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
    compared = field_in(field, "one_of() takes a field read on a class, as in OrderPlaced.region")
    if not values:
        raise ValueError(f"one_of({compared}) names no value and could never hold; name at least one")
    for value in values:
        compared._check("==", value)
    return OneOf(compared._path, values)
