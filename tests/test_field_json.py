"""One value of a field as JSON, and back."""

from __future__ import annotations

import enum
import pathlib
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    DirectoryPath,
    Field,
    FilePath,
    ImportString,
    NewPath,
    SecretStr,
    field_validator,
)

from evenflow import Event, when
from evenflow._field_json import FieldJSON
from evenflow._fields import Path
from tests.limits import limit


class Level(enum.IntEnum):
    LOW = 1


class Size(enum.StrEnum):
    S = "s"


class Inner(BaseModel):
    model_config = ConfigDict(use_enum_values=True)

    size: Size = Size.S


class Sent(Event):
    number: int = 1
    total: Decimal = Decimal(1)
    weight: float = 1.0
    part: Fraction = Fraction(1, 2)
    paid: bool = False
    text: str = ""
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    day: date = date(2026, 1, 1)
    took: timedelta = timedelta(1)
    key: UUID = UUID(int=1)
    level: Level = Level.LOW
    size: Size = Size.S
    kind: Literal["a", 1] = "a"
    either: int | str = 1
    tags: list[str] = Field(default_factory=list)
    inner: Inner = Inner()
    secret: SecretStr = SecretStr("x")
    anything: Any = None
    small: int = Field(default=1, lt=5)
    odd: SecretStr | None = None


@dataclass
class Part:
    target: ImportString


class Loader(BaseModel):
    target: ImportString | None = None
    again: Loader | None = None


class Loads(Event):
    plain: ImportString = None  # type: ignore[type-arg]  # of anything
    several: list[ImportString[Any]] = []  # noqa: RUF012 -- pydantic copies it
    by_name: dict[str, ImportString] = {}  # noqa: RUF012 -- pydantic copies it
    inside: list[Loader] = []  # noqa: RUF012 -- pydantic copies it
    part: Part | None = None
    file: list[FilePath] = []  # noqa: RUF012 -- pydantic copies it
    folder: list[DirectoryPath] = []  # noqa: RUF012 -- pydantic copies it
    new: list[NewPath] = []  # noqa: RUF012 -- pydantic copies it
    anywhere: pathlib.Path = pathlib.Path()


def field(*names: str) -> FieldJSON:
    return FieldJSON(Path(Sent, names))


@pytest.mark.parametrize(
    "name, value, written",
    [
        ("number", 5, (5, None)),
        ("number", True, (True, "bool")),
        ("number", 5.5, (5.5, "float")),
        ("number", Decimal("5.5"), ("5.5", "decimal")),
        ("number", Fraction(1, 3), ("1/3", "fraction")),
        ("total", Decimal("12.50"), ("12.50", None)),
        ("total", 100, (100, None)),
        ("total", 2.5, (2.5, "float")),
        ("weight", 2, (2, None)),
        ("weight", 2.0, (2.0, None)),
        ("weight", float("inf"), ("inf", "float")),
        ("part", Fraction(1, 3), ("1/3", None)),
        ("paid", True, (True, None)),
        ("paid", 1, (1, "int")),
        ("text", "ü\n", ("ü\n", None)),
        ("at", datetime(2026, 1, 2, tzinfo=UTC), ("2026-01-02T00:00:00Z", None)),
        ("day", date(2026, 1, 2), ("2026-01-02", None)),
        ("took", timedelta(seconds=90), ("PT1M30S", None)),
        ("key", UUID(int=5), ("00000000-0000-0000-0000-000000000005", None)),
        ("level", Level.LOW, (1, None)),
        ("level", 1, (1, "int")),
        ("size", Size.S, ("s", None)),
        ("size", "s", ("s", "str")),
        ("kind", "a", ("a", None)),
        ("either", "5", ("5", None)),
        ("tags", ["a"], (["a"], None)),
        ("inner", Inner(), ({"size": "s"}, None)),
        ("anything", None, (None, None)),
        ("anything", {"a": [1]}, ({"a": [1]}, None)),
        ("small", 50, (50, None)),
    ],
)
def test_a_value_is_written_and_read_back(name: str, value: object, written: tuple[Any, Any]) -> None:
    """What is written is read as the same value of the same type; the kind is named only where it has to be."""
    assert field(name).write(value) == written
    back = field(name).read(*written)
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    "name, value",
    [
        ("weight", float("nan")),
        ("total", Decimal("NaN")),
        ("text", "\ud800"),
        ("secret", SecretStr("x")),
        ("anything", date(2026, 1, 1)),
        ("anything", object()),
        ("number", 1j),
        pytest.param("number", 10**5000, id="a number of 5,001 digits"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(name: str, value: object) -> None:
    """A value without JSON, or whose JSON would be read as another value, is not written at all."""
    with pytest.raises(ValueError, match=r"could not be read back|Exceeds the limit"):
        field(name).write(value)


def test_a_model_that_keeps_the_values_of_enums_is_compared_with_these() -> None:
    """With `use_enum_values` the field holds a text, so a text is what is read."""
    read = field("inner", "size").read("s")
    assert (read, type(read)) == ("s", str)


@pytest.mark.parametrize(
    "name, value, kind",
    [
        ("number", "x", None),
        ("number", "1", "int"),
        ("number", 1, "complex"),
        ("number", 1, ["int"]),
        ("total", "1,5", "decimal"),
        ("total", 1, "decimal"),
        ("part", "1e9999999", None),
        ("part", "1e9999999", "fraction"),
        ("part", "1/0", None),
        ("kind", "b", None),
        ("tags", "a", None),
    ],
)
def test_what_is_no_value_of_the_field_is_refused(name: str, value: object, kind: object) -> None:
    """Text that is no value of the field is a ValueError with a short message."""
    with pytest.raises(ValueError, match=r".") as caught:
        field(name).read(value, kind)
    assert len(str(caught.value)) < 300


@pytest.mark.timed
@pytest.mark.parametrize("text", ["1e999999999", "-1e-999999999", "9" * 4000])
def test_a_huge_number_costs_no_more_than_its_text(text: str) -> None:
    """Numbers with long exponents are read, hashed and compared at once."""
    began = time.perf_counter()
    value = field("total").read(text)
    assert hash(value)
    assert (value < 5) is text.startswith("-")  # type: ignore[operator]  # a Decimal
    assert value != Fraction(1, 3)
    assert time.perf_counter() - began < limit(1)


@pytest.mark.parametrize("name", ["plain", "several", "by_name", "inside", "part", "file", "folder", "new"])
def test_a_field_that_reaches_beyond_the_text_is_refused(name: str) -> None:
    """A client would decide which modules the program imports, and learn which files there are: however deep it lies."""
    with pytest.raises(TypeError, match=rf"Loads\.{name} holds an ImportString, or a path that must"):
        FieldJSON(Path(Loads, (name,)))


def test_a_path_that_need_not_exist_has_json() -> None:
    """Reading it asks nobody."""
    assert FieldJSON(Path(Loads, ("anywhere",))).read("/nowhere") == pathlib.Path("/nowhere")


def test_a_field_of_a_class_without_json_is_refused() -> None:
    """What pydantic cannot read from JSON is refused when the field is named."""

    class Handle:
        pass

    class Opened(Event):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        handle: Handle

    with pytest.raises(TypeError, match=r"Opened\.handle has no JSON"):
        FieldJSON(Path(Opened, ("handle",)))
    with pytest.raises(ValueError, match=r"has no JSON: Opened\.handle has no JSON"):
        when(Opened.handle == Handle()).to_json()


def test_the_text_of_a_validator_is_not_shown() -> None:
    """What a validator of the program says may hold what a client should not read."""

    class Guarded(BaseModel):
        code: str

        @field_validator("code")
        @classmethod
        def check(cls, code: str) -> str:
            if code == "value":
                raise ValueError("the password is swordfish")
            raise KeyError("the password is swordfish")

    class Opened(Event):
        by: Guarded

    for code in ("value", "key"):
        with pytest.raises(ValueError, match="it is not valid") as caught:
            FieldJSON(Path(Opened, ("by",))).read({"code": code})
        assert "swordfish" not in str(caught.value)
