"""One value of a field as JSON, and back: what a condition compares a field with, outside the process.

Rule 1: a value is read as pydantic reads the annotation of the field; constraints and validators on it do not count.
Rule 2: an integer for a field of fractional numbers stays an integer: it compares the same, and is exact.
Rule 3: a value of another type than the field's has the name of its type beside it (``KINDS``).
Rule 4: what cannot be read back as the same value of the same type is not written.
Rule 5: reading takes time and memory in proportion to the text, and never imports, opens or evaluates anything.

    ``total: Decimal``        JSON            with the kind
    ``Decimal("12.50")``      ``"12.50"``
    ``100``                   ``100``
    ``2.5``                   ``2.5``         ``"float"``
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Union, cast

from pydantic import BaseModel, ImportString, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json, to_jsonable_python

from ._fields import members_behind, members_of, without_none

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ConfigDict

    from ._fields import Path

_SETTINGS: Final = (
    "arbitrary_types_allowed",
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "use_enum_values",
)
"""The settings of a model that change what its fields hold."""

_FRACTION: Final = re.compile(r"-?[0-9]+(/[0-9]+)?", re.ASCII)
_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})
"""What validators of the program say: their text may hold what a client should not read."""

MOST_OF_A_MESSAGE: Final = 160


def _fraction(text: object) -> Fraction:
    # An exponent is refused: Fraction("1e9999999") would be a number of ten million digits.
    if isinstance(text, str) and _FRACTION.fullmatch(text):
        with suppress(ValueError, ZeroDivisionError):  # too many digits, or 1/0
            return Fraction(text)
    raise ValueError("a fraction is written as '1/3'")


def _decimal(text: object) -> Decimal:
    if isinstance(text, str):
        with suppress(ArithmeticError):
            return Decimal(text)
    raise ValueError("a decimal is written as '12.50'")


def _of_type(cls: type) -> Callable[[object], object]:
    def read(value: object) -> object:
        if cls is float and value in ("inf", "-inf"):
            return float(value)
        if type(value) is not cls:
            raise ValueError(f"{cls.__name__} was announced, and something else came")
        return value

    return read


KINDS: Final[dict[str, tuple[type, Callable[[object], object]]]] = {
    **{cls.__name__: (cls, _of_type(cls)) for cls in (bool, int, float, str)},
    "decimal": (Decimal, _decimal),
    "fraction": (Fraction, _fraction),
}


class Written(NamedTuple):
    """A value as it is written: its JSON, and the name of its type where that is not the field's."""

    value: Any
    kind: str | None


class FieldJSON:
    """The values of one field, as JSON.

    Attributes:
        parts: the types in the annotation of the field.

    Raises:
        TypeError: the field has no JSON.
    """

    def __init__(self, path: Path) -> None:
        self.parts, holder = _parts_of(path)
        if ImportString in self.parts:
            raise TypeError(f"{path} is an ImportString: whoever writes a value of it has the program import a module")
        given: Any = holder.model_config if isinstance(holder, type) and issubclass(holder, BaseModel) else {}
        config = cast("ConfigDict", {name: given[name] for name in _SETTINGS if name in given})
        kind: Any = Union[self.parts]  # noqa: UP007 -- made of a tuple
        try:
            try:
                self._adapter: TypeAdapter[Any] = TypeAdapter(kind, config=config)
            except PydanticUserError as error:
                if error.code != "type-adapter-config-unused":
                    raise
                self._adapter = TypeAdapter(kind)
            if config.get("arbitrary_types_allowed"):  # then only this says that a class has no JSON
                self._adapter.json_schema()
        except Exception as error:
            raise TypeError(f"{path} has no JSON: {_brief_text(str(error))}") from error

    def read(self, value: object, kind: object = None, /) -> object:
        """The value that this JSON stands for.

        Raises:
            ValueError: there is none; the message is bounded, and holds nothing of the program's own.
        """
        if kind is not None:
            if not isinstance(kind, str) or kind not in KINDS:
                raise ValueError(f"a kind of value is one of {', '.join(KINDS)}")
            return _refused_if_nan(KINDS[kind][1](value))
        if isinstance(value, str) and Fraction in self.parts:
            _fraction(value)
        try:
            found: object = self._adapter.validate_json(to_json(value))
        except ValidationError as error:
            raise ValueError(_reason(error)) from None
        except Exception as error:  # noqa: BLE001 -- a validator of the program may raise anything
            raise ValueError(f"it is not valid ({type(error).__name__})") from None
        return value if type(value) is int and type(found) in (float, Decimal) else _refused_if_nan(found)

    def write(self, value: object, /) -> Written | None:
        """The value as JSON; None where it could not be read back as the same."""
        for written in _candidates(value):
            try:
                text = to_json(written.value, inf_nan_mode="constants")
                back = self.read(from_json(text, allow_inf_nan=False), written.kind)
            except (ValueError, RecursionError):
                continue
            if type(back) is type(value) and _same(back, value):
                return written
        return None


def _refused_if_nan(value: object) -> object:
    if value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value):
        raise ValueError("nan equals nothing")
    return value


def _same(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 -- a class of the program's may raise anything when it is compared
        return False


def _candidates(value: object) -> list[Written]:
    found: list[Written] = []
    with suppress(ValueError):
        found.append(Written(to_jsonable_python(value, by_alias=True, inf_nan_mode="constants"), None))
    for kind, (cls, _) in KINDS.items():
        if type(value) is cls:
            in_words = cls in (Decimal, Fraction) or value in (math.inf, -math.inf)
            found.append(Written(str(value) if in_words else value, kind))
    return found


def _parts_of(path: Path) -> tuple[tuple[Any, ...], Any]:
    """The types of the field at the end of a path, and the class that has it, where there is one only."""
    holder: Any = path.owner
    parts = members_of(path.owner, path.names[0])
    for name in path.names[1:]:
        behind = without_none(parts)
        holder = behind[0] if len(behind) == 1 else None
        parts = members_behind(parts, name, shown=str(path))
    return parts, holder


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return "it is not valid" if first["type"] in _OWN_WORDS else _brief_text(first["msg"])


def _brief_text(text: str) -> str:
    return text if len(text) <= MOST_OF_A_MESSAGE else f"{text[:MOST_OF_A_MESSAGE]}..."
