"""Events of every kind that a document has to describe, and the library that says whether a value is valid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID

from jsonschema import Draft7Validator
from pydantic import BaseModel, ConfigDict, Field, Json, PlainSerializer, computed_field, field_serializer
from typing_extensions import TypedDict

from evenflow import Event
from evenflow.log._codec import codec_of

T = TypeVar("T")


class Colour(Enum):
    """An enum of texts."""

    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    friends: list[Dog] = Field(default=[])


class Corner(NamedTuple):
    x: int
    y: float


class Choice(TypedDict):
    needed: int
    perhaps: NotRequired[str]


@dataclass(frozen=True)
class Point:
    x: float
    label: str = "here"


class Everything(Event, name="kit.everything", version=3):
    """An event with a field of each kind."""

    number: int
    ranged: Annotated[int, Field(gt=0, le=100)] = 5
    real: float = 0.5
    finite: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    positive: Annotated[float, Field(ge=0)] = 0.5
    money: Decimal = Decimal("1.50")
    text: Annotated[str, Field(max_length=8)] = "text"
    raw: bytes = b"\xff"
    key: Annotated[bytes, Field(max_length=4)] = b"key"
    at: datetime
    day: date
    hour: time
    span: timedelta = timedelta(hours=1)
    uid: UUID
    colour: Colour = Colour.RED
    maybe: int | None = None
    either: int | str | bool = 1
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    many: list[Cat] = Field(default=[])
    unique: frozenset[int] = frozenset()
    pair: tuple[int, str] = (1, "a")
    longer: tuple[int, ...] = ()
    corner: Corner = Corner(1, 2.0)
    choice: Choice
    point: Point = Point(1.0)
    by_name: dict[str, int] = Field(default={})
    by_number: dict[int, list[float]] = Field(default={})
    anything: Any = None
    renamed: int = Field(1, serialization_alias="other-name")
    hidden: int = Field(1, exclude=True)
    parsed: Json[list[int]] = Field(default=[1])
    rounded: Annotated[float, PlainSerializer(lambda value: round(value), return_type=int)] = 1.0
    unknown: Annotated[int, PlainSerializer(lambda value: value)] = 1

    @computed_field
    def twice(self) -> int:
        return self.number * 2

    @field_serializer("maybe")
    def _maybe(self, value: int | None) -> int | None:
        return value


class Settings(Event, ser_json_bytes="hex", val_json_bytes="hex", ser_json_timedelta="float", allow_inf_nan=False):
    """An event whose class says how some things are written; only what can be read back is followed."""

    raw: Annotated[bytes, Field(max_length=3)]
    span: timedelta
    real: float


class Tree(Event):
    """An event that contains itself."""

    value: int
    parts: list[Tree] = Field(default=[])
    first: Tree | None = None


class Changed(Event, Generic[T]):
    before: T | None = None
    after: T


class Closed(Event):
    model_config = ConfigDict(extra="forbid")
    number: int


class Open(Event):
    model_config = ConfigDict(extra="allow")
    number: int


def valid(whole: dict[str, Any], schema: Any, value: object) -> bool:
    """Whether the value is valid, as the library `jsonschema` says."""
    return Draft7Validator({"allOf": [schema], "components": whole["components"]}).is_valid(value)


def check(whole: dict[str, Any], event: object) -> None:
    """Assert that what is written for the event is valid by the document."""
    codec = codec_of(type(event))
    message = next(each for each in whole["components"]["messages"].values() if each["name"] == codec.name)
    written = json.loads(codec.encode(event))
    schema = {"allOf": [message["payload"]], "components": whole["components"]}
    errors = [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(written)]
    assert not errors, (written, errors)
