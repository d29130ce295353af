"""One value of a field as JSON, and back: what a condition compares a field with, outside the process.

Rule 1: a value is read as pydantic reads the annotation of the field; constraints and validators on it do not count.
Rule 2: an integer for a field of fractional numbers stays an integer: it compares the same, and is exact.
Rule 3: a value of another type than the field's has the name of its type beside it (``KINDS``).
Rule 4: what cannot be read back as the same value of the same type is not written.
Rule 5: reading takes time and memory in proportion to the text, and never imports, opens or evaluates anything: a field
        of a type that does so, however deep in it, is refused when it is named.

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
from inspect import isfunction
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, Union, cast

from pydantic import DirectoryPath, FilePath, ImportString, NewPath, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json, to_jsonable_python

from ._fields import Path, parts_of, without_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SETTINGS: Final = (
    "arbitrary_types_allowed",
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "use_enum_values",
)
"""The settings of a model that change what its fields hold."""

_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})
"""What validators of the program say: their text may hold what a client should not read."""

MOST_OF_A_MESSAGE: Final = 160

KINDS: Final[dict[str, type]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "decimal": Decimal,
    "fraction": Fraction,
}
_TEXTS: Final[dict[type, re.Pattern[str]]] = {
    float: re.compile("-?inf"),
    Decimal: re.compile(".*", re.DOTALL),
    # An exponent is not read: Fraction("1e9999999") would be a number of ten million digits.
    Fraction: re.compile("-?[0-9]+(/[0-9]+)?", re.ASCII),
}
"""What values of these types look like where they are texts in JSON."""


def _functions_in(schema: object) -> Iterator[object]:
    """The functions that pydantic calls somewhere in this schema."""
    if isfunction(schema):
        yield schema
    inner: Iterable[object] = ()
    if isinstance(schema, dict):  # what a default holds is the program's own
        inner = [each for key, each in cast("dict[str, object]", schema).items() if key != "default"]
    elif isinstance(schema, (list, tuple)):
        inner = cast("Iterable[object]", schema)
    for each in inner:
        yield from _functions_in(each)


_TYPES_THAT_REACH: Final[tuple[Any, ...]] = (ImportString, FilePath, DirectoryPath, NewPath)
_REACHING: Final = frozenset(
    function for kind in _TYPES_THAT_REACH for function in _functions_in(TypeAdapter[Any](kind).core_schema)
)
"""What reads a text and reaches beyond it: it imports a module, or looks for a file."""


class FieldJSON:
    """The values of one field, as JSON.

    Raises:
        TypeError: the field has no JSON.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path.owner, path.names)
        self._parts = parts_of(self._path)
        holders = without_none(parts_of(Path(path.owner, path.names[:-1])))
        settings: dict[str, Any] = getattr(holders[0], "model_config", {}) if len(holders) == 1 else {}
        config: Any = {name: settings[name] for name in _SETTINGS if name in settings}
        # In a tuple, because pydantic takes no settings for a model alone, which has its own.
        kind: Any = GenericAlias(tuple, (Union[self._parts],))  # noqa: UP007 -- made of a tuple
        try:
            self._adapter: TypeAdapter[tuple[Any]] = TypeAdapter(kind, config=config)
            if config.get("arbitrary_types_allowed"):  # then only this says that a class has no JSON
                self._adapter.json_schema()
        except Exception as error:
            raise TypeError(f"{path} has no JSON: {_brief_text(str(error))}") from error
        if not _REACHING.isdisjoint(_functions_in(self._adapter.core_schema)):
            raise TypeError(
                f"{path} holds an ImportString, or a path that must or must not exist: whoever writes a value of it has"
                " the program import a module, or look for a file"
            )

    def read(self, value: object, kind: object = None, /) -> object:
        """The value that this JSON stands for.

        Raises:
            ValueError: there is none; the message is bounded, and holds nothing of the program's own.
        """
        if kind is not None:
            if not isinstance(kind, str) or kind not in KINDS:
                raise ValueError(f"a kind of value is one of {', '.join(KINDS)}")
            return _refused_if_nan(_of_type(KINDS[kind], value))
        if isinstance(value, str) and Fraction in self._parts:
            _of_type(Fraction, value)
        try:
            [found] = self._adapter.validate_json(to_json([value]))
        except ValidationError as error:
            raise ValueError(_reason(error)) from None
        except Exception as error:  # noqa: BLE001 -- a validator of the program may raise anything
            raise ValueError(f"it is not valid ({type(error).__name__})") from None
        return value if type(value) is int and type(found) in (float, Decimal) else _refused_if_nan(found)

    def write(self, value: object, /) -> tuple[Any, str | None]:
        """The value as JSON, and the name of its type where that is not the field's.

        Raises:
            ValueError: it could not be read back as the same.
        """
        for kind in (None, *(kind for kind, cls in KINDS.items() if type(value) is cls)):
            with suppress(Exception):  # a class of the program's may raise anything
                plain = _plain(value, kind)
                back = self.read(from_json(to_json(plain, inf_nan_mode="constants"), allow_inf_nan=False), kind)
                if type(back) is type(value) and back == value:
                    return plain, kind
        shown = f"{_brief_text(repr(value))} ({type(value).__name__})"
        raise ValueError(f"{shown} could not be read back as a value of {self._path}")


def _plain(value: object, kind: str | None) -> Any:
    """What stands in JSON for a value of this kind."""
    if kind is None:
        # pydantic 2.10 does not know fractions; whatever a text cannot be read back from is not written.
        return to_jsonable_python(value, by_alias=True, inf_nan_mode="constants", fallback=str)
    look = _TEXTS.get(type(value))
    return str(value) if look is not None and look.fullmatch(str(value)) else value


def _of_type(cls: Any, value: object) -> object:
    """The value of this type that stands in JSON, as itself or as a text."""
    if type(value) is cls:
        return value
    if isinstance(value, str) and cls in _TEXTS and _TEXTS[cls].fullmatch(value):
        with suppress(ValueError, ArithmeticError):  # no number, too many digits, or 1/0
            return cls(value)
    raise ValueError(f"that is not how {cls.__name__} is written")


def _refused_if_nan(value: object) -> object:
    if value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value):
        raise ValueError("nan equals nothing")
    return value


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return "it is not valid" if first["type"] in _OWN_WORDS else _brief_text(first["msg"])


def _brief_text(text: str) -> str:
    return text if len(text) <= MOST_OF_A_MESSAGE else f"{text[:MOST_OF_A_MESSAGE]}..."
