"""One class of events, to JSON and back."""

from __future__ import annotations

import gc
import json
import math
import warnings
import weakref
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, Union
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    ValidationError,
    computed_field,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from evenflow import Event
from evenflow.log._codec import codec_of

T = TypeVar("T")


def round_trip(event: Any) -> Any:
    """What is read back, after what was written turned out to be JSON."""
    codec = codec_of(type(event))
    data = codec.encode(event)
    json.loads(data, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    return codec.decode(data)


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Money(BaseModel):
    amount: Decimal
    currency: str = "EUR"


class Plain(Event):
    number: int
    text: str = ""
    nothing: int | None = None


class Rich(Event, name="rich"):
    total: Decimal
    at: datetime
    day: date
    clock: time
    wait: timedelta
    key: UUID
    path: Path
    colour: Colour
    price: Money
    prices: dict[str, tuple[Money, ...]]
    numbers: frozenset[int]
    by_number: dict[int, str]


RICH = Rich(
    total=Decimal("12.50"),
    at=datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC),
    day=date(2026, 11, 28),
    clock=time(12, 30),
    wait=timedelta(days=3, microseconds=1),
    key=UUID(int=7),
    path=Path("a/b"),
    colour=Colour.BLUE,
    price=Money(amount=Decimal("0.1")),
    prices={"a": (Money(amount=Decimal(1)), Money(amount=Decimal("1e30"), currency="USD"))},
    numbers=frozenset({1, 2}),
    by_number={1: "one"},
)


class Camel(Event):
    model_config = ConfigDict(alias_generator=to_camel)
    order_id: int
    nested: CamelPart


class CamelPart(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    unit_price: Decimal


class OneAlias(Event):
    amount: int = Field(alias="Amount")


class ValidationAlias(Event):
    amount: int = Field(validation_alias="Amount")
    other: int = Field(1, validation_alias=AliasChoices("o", AliasPath("deep", 0)))
    deep: int = Field(validation_alias=AliasPath("where", "it", "is"))


class SerializationAlias(Event):
    amount: int = Field(serialization_alias="Amount")
    both: int = Field(validation_alias="in", serialization_alias="out")


class ByNameOnly(Event):
    model_config = ConfigDict(populate_by_name=True, validate_by_alias=False, validate_by_name=True)
    amount: int = Field(alias="Amount")


class Swapped(Event):
    a: int = Field(alias="b")
    b: int = Field(alias="a")


class Nasty(Event):
    """Fields that are called as parts of a schema are."""

    type: str
    default: dict[str, Any]
    metadata: OneAlias
    fields: list[int]
    choices: SerializationAlias
    config: bytes
    cls: int = Field(validation_alias="klass")


class Computed(Event):
    model_config = ConfigDict(extra="forbid")
    amount: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return self.amount * 2


class Extra(Event):
    model_config = ConfigDict(extra="allow")
    amount: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return self.amount * 2


class Blob(Event):
    data: bytes
    more: tuple[bytes, ...] = ()
    part: BlobPart | None = None


class BlobPart(BaseModel):
    data: bytes


class HexBlob(Event):
    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
    data: bytes


class HalfBlob(Event):
    model_config = ConfigDict(ser_json_bytes="base64")
    data: bytes


class Numbers(Event):
    value: float
    maybe: float | None = None
    many: tuple[float, ...] = ()
    strict: float = Field(0, strict=True)


class Strict(Event):
    model_config = ConfigDict(strict=True)
    value: float
    at: datetime
    total: Decimal
    data: bytes
    colour: Colour


class Seconds(Event):
    model_config = ConfigDict(ser_json_timedelta="float")
    wait: timedelta


class Parsed(Event):
    content: Json[list[int]]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["default"] = "default"
    tail: bytes = b"\xff"


class Pet(Event):
    animal: Annotated[Cat | Dog, Field(discriminator="kind")]
    smart: Cat | Dog | int


class Tagged(Event):
    """A choice whose tag is called as a part of a schema is."""

    animal: Annotated[Bird | Fish, Field(discriminator="kind")]


class Bird(BaseModel):
    kind: Literal["bird"] = "bird"


class Fish(BaseModel):
    kind: Literal["default"] = "default"
    scales: bytes = b"\xff"


class Tree(Event):
    value: float
    left: Tree | None = None
    right: Tree | None = None


class Changed(Event, Generic[T]):
    before: T | None = None
    after: T


class Point(TypedDict):
    x: float
    data: bytes


class Typed(Event):
    point: Point


@dataclass(frozen=True)
class Data:
    number: int
    at: datetime
    data: bytes = b""
    part: Money | None = None
    tags: list[str] = field(default_factory=list)


@pydantic_dataclass(frozen=True)
class Aliased:
    amount: int = Field(serialization_alias="Amount")
    blob: bytes = b""


class Names(RootModel[list[str]]):
    pass


class PlainModel(BaseModel):
    number: int = Field(alias="Number")


EVENTS: list[Any] = [
    Plain(number=1),
    Plain(number=1, text='"ä\n\u2028🦆', nothing=2),
    RICH,
    Camel(orderId=1, nested=CamelPart(unitPrice=Decimal(2))),  # type: ignore[call-arg]
    OneAlias(Amount=1),  # type: ignore[call-arg]
    ValidationAlias(Amount=1, o=2, where={"it": {"is": 3}}),  # type: ignore[call-arg]
    SerializationAlias(amount=1, **{"in": 2}),  # type: ignore[arg-type]
    Swapped(a=1, b=2),
    Nasty(
        type="model",
        default={"type": "model-field", "fields": {"x": {"type": "bytes"}}},
        metadata=OneAlias(Amount=1),  # type: ignore[call-arg]
        fields=[1],
        choices=SerializationAlias(amount=1, **{"in": 2}),  # type: ignore[arg-type]
        config=b"\xff",
        klass=3,  # type: ignore[call-arg]
    ),
    Computed(amount=2),
    Extra(amount=2, more=[1, "two"]),  # type: ignore[call-arg]
    Blob(data=b"\x00\xff", more=(b"", b"text", b"\xfe"), part=BlobPart(data=b"\x80")),
    HexBlob(data=b"\x00\xff"),
    HalfBlob(data=b"aGk="),
    Numbers(value=math.inf, maybe=-math.inf, many=(math.inf, 0.1, 1e300), strict=math.inf),
    Strict(value=1.5, at=RICH.at, total=Decimal("1.10"), data=b"\xff", colour=Colour.RED),
    Strict(value=-math.inf, at=RICH.at, total=Decimal("1.10"), data=b"", colour=Colour.BLUE),
    Seconds(wait=timedelta(microseconds=1, days=300_000)),
    Parsed(content="[1, 2]"),  # type: ignore[arg-type]
    Pet(animal=Dog(), smart=Cat(lives=3)),
    Tagged(animal=Fish()),
    Aliased(amount=1, blob=b"\xff"),
    Pet(animal=Cat(), smart=7),
    Tree(value=1, left=Tree(value=math.inf, right=Tree(value=3))),
    Changed[int](before=1, after=2),
    Changed[Money](after=Money(amount=Decimal(1))),
    Changed(after=[1, "x", None]),
    Typed(point={"x": math.inf, "data": b"\xff"}),
    Data(1, RICH.at, b"\xff\x00", Money(amount=Decimal(1)), ["a"]),
    Names(["a", "b"]),
    PlainModel(Number=3),
    7,
    "text",
    b"\xff",
    RICH.at,
    Decimal("1.50"),
    True,
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{type(event).__name__}")
def test_what_is_read_is_what_was_published(event: Any) -> None:
    """For every kind of field and setting: the same event, of the same class, from JSON that anybody can read."""
    again = round_trip(event)
    assert again == event
    assert type(again) is type(event)


@given(
    st.builds(
        Blob,
        data=st.binary(),
        more=st.tuples(st.binary()),
        part=st.none() | st.builds(BlobPart, data=st.binary()),
    )
)
def test_all_bytes_come_back(event: Blob) -> None:
    """Whatever they are, in the event and in the models in it."""
    assert round_trip(event) == event


@given(st.builds(Numbers, value=st.floats(allow_nan=False), maybe=st.none() | st.floats(allow_nan=False)))
def test_all_numbers_come_back(event: Numbers) -> None:
    """To the last digit, infinity included."""
    assert round_trip(event) == event


def test_a_number_that_is_none_comes_back() -> None:
    """NaN is not None: pydantic alone would write both as null."""
    again = round_trip(Numbers(value=math.nan, maybe=math.nan))
    assert math.isnan(again.value)
    assert math.isnan(again.maybe)


@pytest.mark.skipif("validate_by_alias" not in ConfigDict.__annotations__, reason="pydantic 2.10 has no such setting")
def test_a_class_that_is_not_read_by_its_aliases_comes_back() -> None:
    """It is written with them, and so the log reads it by them too."""
    event = ByNameOnly(amount=1)
    assert codec_of(ByNameOnly).encode(event) == b'{"Amount":1}'
    assert round_trip(event) == event


def test_it_is_written_as_the_web_sees_it() -> None:
    """By its aliases, without computed fields, and compactly."""
    assert codec_of(Camel).encode(EVENTS[3]) == b'{"orderId":1,"nested":{"unitPrice":"2"}}'
    assert codec_of(Computed).encode(Computed(amount=2)) == b'{"amount":2}'
    assert codec_of(HexBlob).encode(HexBlob(data=b"\x00\xff")) == b'{"data":"00ff"}'


def test_the_class_itself_stays_as_it_is() -> None:
    """The log's own settings are not those of `model_dump_json` and `model_validate_json`."""
    round_trip(Blob(data=b"text"))
    round_trip(ValidationAlias(Amount=1, where={"it": {"is": 3}}))  # type: ignore[call-arg]
    assert Blob(data=b"text").model_dump_json() == '{"data":"text","more":[],"part":null}'
    assert Blob.model_validate_json('{"data":"text"}').data == b"text"
    with pytest.raises(ValidationError):
        ValidationAlias.model_validate_json('{"amount":1,"other":1,"deep":3}')


def test_what_was_written_by_another_alias_is_still_read() -> None:
    """Events that others wrote, by the alias that the class reads, are read too."""
    read = codec_of(ValidationAlias).decode(b'{"Amount":1,"o":2,"where":{"it":{"is":3}}}')
    assert read == EVENTS[5]


class Excluded(Event):
    seen: int = 0
    hidden: int = Field(exclude=True)


class Once(Event):
    name: str

    @field_validator("name")
    @classmethod
    def _only_new(cls, name: str) -> str:
        if name.startswith("<"):
            raise ValueError("it was wrapped already")
        return f"<{name}>"


@pytest.mark.parametrize("event", [Excluded(hidden=1), Once(name="x")], ids=["excluded", "validator"])
def test_an_event_that_nobody_could_read_is_not_written(event: Event) -> None:
    """A required field that is excluded, or a validator that does not take its own value: a ValueError that says so."""
    with pytest.raises(ValueError, match="could not be read back, so it is not stored"):
        codec_of(type(event)).encode(event)


@pytest.mark.parametrize(
    "event",
    [
        Plain.model_construct(number="many"),
        Plain.model_construct(number=1.5),
        Plain.model_construct(text="x"),
        Plain(number=1).model_copy(update={"number": None}),
        Data("many", RICH.at),  # type: ignore[arg-type]
        Data(1, None),  # type: ignore[arg-type]
        Changed[int].model_construct(after="x"),
    ],
    ids=str,
)
def test_an_event_that_was_never_validated_is_refused(event: Any) -> None:
    """With `model_copy`, `model_construct`, or as a dataclass of wrong types: what could not be read is not written."""
    with pytest.raises(ValueError, match=r"this (Plain|Data|Changed\[int\]) could not be read back"):
        codec_of(type(event)).encode(event)
    with pytest.raises(ValueError):
        codec_of(type(event)).encode_all([event])


class LooseDefault(Event):
    total: Decimal = 5  # type: ignore[assignment]


def test_a_default_of_another_type_is_harmless() -> None:
    """If it is read as an equal event it is written, and nobody is warned."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert round_trip(LooseDefault()) == LooseDefault()


class Opaque:
    pass


class Holder(Event):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    what: Any = None


def test_what_is_no_json_is_refused() -> None:
    """An object that pydantic cannot write, or a class that it has no schema for: the message says which."""
    with pytest.raises(ValueError, match="this Holder cannot be written as JSON"):
        codec_of(Holder).encode(Holder(what=Opaque()))
    with pytest.raises(TypeError, match=r"test_codec.Opaque cannot be stored.*derive it from Event"):
        codec_of(Opaque).encode(Opaque())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"number":"x"}', b"\xff", b'{"text":"x"}'])
def test_what_is_no_event_is_pydantics_error(data: bytes) -> None:
    """Bytes that are no JSON, or not of this class."""
    with pytest.raises(ValidationError):
        codec_of(Plain).decode(data)


def test_a_codec_is_made_once_for_each_class() -> None:
    """A subclass has its own, and so have classes that take no attribute."""

    class Child(Plain):
        pass

    assert codec_of(Plain) is codec_of(Plain)
    assert codec_of(Child) is not codec_of(Plain)
    assert codec_of(Child).name == "Child"
    assert codec_of(int) is codec_of(int)
    assert "Child" in repr(codec_of(Child))


def test_a_codec_knows_what_the_class_is_called() -> None:
    """The wire name, the version and the former names."""

    class Renamed(Event, name="shop.renamed", version=3, formerly=("Old",)):
        pass

    codec = codec_of(Renamed)
    assert (codec.name, codec.version, codec.formerly) == ("shop.renamed", 3, ("Old",))


def test_a_class_may_name_others_that_come_later() -> None:
    """Making the codec asks nothing; they must be known when the first event is written."""
    codec = codec_of(Early)
    assert codec is EARLY
    assert codec.decode(b'{"late":{"number":1}}') == Early(late=Late(number=1))
    assert round_trip(Early(late=Late(number=1))) == Early(late=Late(number=1))


def test_a_class_whose_annotations_cannot_be_found_is_refused() -> None:
    """The message has the way out, which helps."""

    class Outer(Event):
        inner: Inner

    codec = codec_of(Outer)
    with pytest.raises(TypeError, match=r"call Outer.model_rebuild\(\) once they are defined"):
        codec.decode(b'{"inner":{"number":1}}')

    class Inner(BaseModel):
        number: int

    Outer.model_rebuild()
    assert codec.decode(b'{"inner":{"number":1}}') == Outer(inner=Inner(number=1))


class Early(Event):
    late: Late


EARLY = codec_of(Early)


class Late(BaseModel):
    number: int


class Preset(Event):
    content: dict[str, str] = {"type": "float"}  # noqa: RUF012 -- pydantic copies it for each event


def test_a_default_stays_what_it_is() -> None:
    """Even if it looks like a part of a schema."""
    assert codec_of(Preset).decode(b"{}") == Preset()


def test_a_class_that_was_made_of_another_has_a_codec_of_its_own() -> None:
    """`dataclass(slots=True)` makes a new class, with whatever the first one had."""

    class First:
        number: int

    codec_of(First)
    second = dataclass(slots=True)(First)
    assert codec_of(second).cls is second
    assert round_trip(second(1)) == second(1)  # type: ignore[call-arg]


def test_a_class_that_nobody_uses_is_freed() -> None:
    """The codec goes with its class."""

    class Brief(Event):
        number: int = 1

    round_trip(Brief())
    gone = weakref.ref(Brief)
    del Brief
    gc.collect()
    assert gone() is None


def test_a_union_is_no_trouble() -> None:
    """Old-style unions of models in lists, too."""

    class Zoo(Event):
        pets: list[Union[Cat, Dog]]  # noqa: UP007 -- the old style is what is tested

    assert round_trip(Zoo(pets=[Dog(), Cat()])) == Zoo(pets=[Dog(), Cat()])


class Kept(Event):
    number: int
    _seen: int = PrivateAttr(default=0)


def test_a_private_attribute_is_not_written() -> None:
    """As in pydantic: it has its default again."""
    assert codec_of(Kept).encode(Kept(number=1)) == b'{"number":1}'
