"""Which class an event from the log is, and how one of an older version becomes one of today."""

from __future__ import annotations

import gc
import json
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from evenflow import DecodeError, Event
from evenflow.log._offsets import Offset
from evenflow.log._schemas import Schemas, upgrade

T = TypeVar("T")
PLACE = Offset("orders", "k3", 17)


class Order(Event, name="shop.order", version=3, formerly=("Order", "OldOrder")):
    number: int
    total: Decimal
    currency: str


@upgrade(Order, from_version=1)
def add_total(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "total": str(data.pop("cents") / 100)}


@upgrade(Order, from_version=2)
def add_currency(data: dict[str, Any]) -> dict[str, Any]:
    data["currency"] = "EUR"
    return data


class RushOrder(Order):
    courier: str = "foot"


class Shipped(Event):
    number: int


class Changed(Event, Generic[T], version=2):
    after: T


@upgrade(Changed, from_version=1)
def rename_new(data: dict[str, Any]) -> dict[str, Any]:
    return {"after": data["new"]}


SCHEMAS = Schemas("orders", (Order, Shipped))
ORDER = Order(number=1, total=Decimal("1.5"), currency="USD")
SHIPPED_DATA = b'{"number":1}'


def stored(schemas: Schemas, event: object) -> tuple[str, int, bytes]:
    """What is kept of an event."""
    codec = schemas.codec(event)
    return codec.name, codec.version, codec.encode(event)


@pytest.mark.parametrize(
    "event", [ORDER, RushOrder(number=1, total=Decimal(1), currency="EUR"), Shipped(number=1)], ids=str
)
def test_an_event_is_found_again_by_its_wire_name(event: Event) -> None:
    """As an event of its own class, be it a declared one or a subclass."""
    again = SCHEMAS.decode(*stored(SCHEMAS, event))
    assert again == event
    assert type(again) is type(event)


@pytest.mark.parametrize(
    "version, data",
    [
        (1, b'{"number":1,"cents":150}'),
        (2, b'{"number":1,"total":"1.5"}'),
        (3, b'{"number":1,"total":"1.5","currency":"EUR"}'),
    ],
)
@pytest.mark.parametrize("name", ["shop.order", "Order", "OldOrder"])
def test_an_event_of_any_version_and_name_is_read_as_todays(name: str, version: int, data: bytes) -> None:
    """The steps are chained, from whichever version the event has; a former name is the class of today."""
    assert SCHEMAS.decode(name, version, data) == Order(number=1, total=Decimal("1.5"), currency="EUR")


def test_a_parametrized_event_takes_the_steps_of_the_general_one() -> None:
    """Nobody can decorate for each parameter."""
    schemas = Schemas("changes", (Changed[int],))
    assert schemas.decode("Changed[int]", 1, b'{"new":3}') == Changed[int](after=3)


def test_a_subclass_has_steps_of_its_own() -> None:
    """Its version is its own, so those of its parent say nothing about it."""
    with pytest.raises(DecodeError, match="is newer than RushOrder, which has version=1"):
        SCHEMAS.decode("RushOrder", 2, b"{}")


def test_a_step_may_return_what_json_can_hold() -> None:
    """Also values that pydantic writes as JSON, bytes included; a strict class reads them as it reads any event."""

    class Precise(Event, version=2):
        model_config = ConfigDict(strict=True)
        total: Decimal
        data: bytes

    upgrade(Precise, from_version=1)(lambda data: {"total": Decimal("1.5"), "data": b"\xff"})
    assert Schemas("precise", (Precise,)).decode("Precise", 1, b"{}") == Precise(total=Decimal("1.5"), data=b"\xff")


def test_a_newer_version_is_a_decode_error_that_names_both() -> None:
    """With the place, the name and the version as attributes, for whoever skips or counts it."""
    with pytest.raises(
        DecodeError, match=r"'shop.order' of version 4, is newer than Order, which has version=3"
    ) as caught:
        SCHEMAS.decode("shop.order", 4, b"{}", offset=PLACE)
    assert (caught.value.offset, caught.value.type, caught.value.version) == (PLACE, "shop.order", 4)
    assert "orders.k3.17" in str(caught.value)


def test_an_unknown_name_is_a_decode_error_that_names_what_is_known() -> None:
    """And says the ways out."""
    with pytest.raises(DecodeError, match="'Cancelled' of version 2, and orders knows no class") as caught:
        SCHEMAS.decode("Cancelled", 2, b"{}", offset=PLACE)
    assert (caught.value.offset, caught.value.type, caught.value.version) == (PLACE, "Cancelled", 2)
    for word in ("'Shipped'", "'OldOrder'", "formerly=('Cancelled',)", "orders.k3.17"):
        assert word in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b'{"number":"x"}', b"null", b"\xff"])
def test_what_pydantic_does_not_take_is_a_decode_error_with_its_cause(data: bytes) -> None:
    """The cause says which field was wrong."""
    with pytest.raises(DecodeError, match="is no Shipped") as caught:
        SCHEMAS.decode("Shipped", 1, data, offset=PLACE)
    assert isinstance(caught.value.__cause__, ValidationError)
    assert caught.value.offset == PLACE


@pytest.mark.parametrize(
    "version, data, word",
    [
        (1, b'{"number":1}', r"made .*add_total raise KeyError\('cents'\)"),
        (1, b"[1]", r"is \[1\] before the step from 1, and not a dict"),
        (1, b"{", "is no JSON"),
        (2, b'{"number":1}', "is no Order"),
    ],
)
def test_what_a_step_does_not_take_is_a_decode_error(version: int, data: bytes, word: str) -> None:
    """The message names the step; what it raised is the cause."""
    with pytest.raises(DecodeError, match=word) as caught:
        SCHEMAS.decode("shop.order", version, data, offset=PLACE)
    assert caught.value.offset == PLACE
    assert caught.value.__cause__ is not None or "not a dict" in word


@pytest.mark.parametrize("returned, word", [(None, "is None before the step from 2"), ({"x": object()}, "no JSON")])
def test_a_step_that_returns_no_dict_of_json_is_a_decode_error(returned: Any, word: str) -> None:
    """Forgetting to return is the usual mistake."""

    class Careless(Event, version=3):
        pass

    upgrade(Careless, from_version=1)(lambda data: returned)
    upgrade(Careless, from_version=2)(lambda data: data)
    with pytest.raises(DecodeError, match=word):
        Schemas("careless", (Careless,)).decode("Careless", 1, b"{}")


def test_a_version_older_than_the_first_step_is_a_decode_error_that_says_what_to_write() -> None:
    """A class need not know versions that nobody has any more."""

    class Young(Event, version=3):
        pass

    upgrade(Young, from_version=2)(lambda data: data)
    schemas = Schemas("young", (Young,))
    assert schemas.decode("Young", 2, b"{}") == Young()
    with pytest.raises(DecodeError, match=r"no step from 1; write one with @upgrade\(Young, from_version=1\)"):
        schemas.decode("Young", 1, b"{}")


def test_a_gap_in_a_chain_is_refused() -> None:
    """When the subject is made, and when the log looks again; the message names the missing steps."""

    class Gapped(Event, version=5):
        pass

    schemas = Schemas("gapped", (Gapped,))
    upgrade(Gapped, from_version=2)(lambda data: data)
    for look in (lambda: Schemas("gapped", (Gapped,)), schemas.check):
        with pytest.raises(ValueError, match="version=5 and steps from 2, but none from 3, 4"):
            look()
    upgrade(Gapped, from_version=4)(lambda data: data)
    upgrade(Gapped, from_version=3)(lambda data: data)
    schemas.check()


def test_a_gap_in_the_chain_of_a_subclass_is_refused() -> None:
    """The subject reads its events too."""

    class Parent(Event):
        pass

    class Child(Parent, version=3):
        pass

    upgrade(Child, from_version=1)(lambda data: data)
    with pytest.raises(ValueError, match="the upgrades of Child have a gap"):
        Schemas("parents", (Parent,))


def test_two_steps_from_one_version_are_refused() -> None:
    """Both are named."""
    with pytest.raises(ValueError, match=r"two steps from version 1: .*add_total and .*another"):

        @upgrade(Order, from_version=1)
        def another(data: dict[str, Any]) -> dict[str, Any]:
            return data


@pytest.mark.parametrize("version", [0, -1, 3, 4])
def test_a_step_begins_at_an_older_version(version: int) -> None:
    """From today's version, or a newer one, nothing leads on: that would be a circle."""
    with pytest.raises(ValueError, match=f"older than Order, which has version=3, and at least 1, not {version}"):
        upgrade(Order, from_version=version)


@pytest.mark.parametrize(
    "cls, version, step",
    [
        (Order, "1", len),
        (Order, True, len),
        (BaseModel, 1, len),
        (int, 1, len),
        (ORDER, 1, len),
        (Changed, 1, "no function"),
    ],
)
def test_a_step_is_a_function_of_a_class_of_events(cls: Any, version: Any, step: Any) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError):
        upgrade(cls, from_version=version)(step)


def test_a_step_is_not_async() -> None:
    """Events are read without waiting."""

    async def later(data: dict[str, Any]) -> dict[str, Any]:
        return data

    with pytest.raises(TypeError, match="plain function"):
        upgrade(Changed, from_version=1)(later)  # type: ignore[type-var]


def test_the_function_stays_what_it_is() -> None:
    """The decorator returns it, so that it can be tested by itself."""
    assert add_currency({}) == {"currency": "EUR"}


def test_two_classes_with_one_wire_name_are_refused() -> None:
    """Both are named with their modules; so is one whose former name is another's name of today."""

    class Base(Event):
        pass

    class One(Base, name="same"):
        pass

    class Two(Base, name="same"):
        pass

    class Three(Event, name="three", formerly=("same",)):
        pass

    class Four(Event, name="four", formerly=("same",)):
        pass

    for types in ((Base,), (One, Two), (One, Three), (Three, One), (Three, Four)):
        with pytest.raises(ValueError, match="two classes of clash have the wire name 'same'") as caught:
            Schemas("clash", types)
        assert f"{__name__}.test_two_classes" in str(caught.value)
    assert "Three (formerly)" in str(caught.value)
    assert "Four (formerly)" in str(caught.value)
    assert Schemas("fine", (One, Shipped))


def test_one_class_may_be_declared_twice() -> None:
    """By itself and as a subclass of another."""
    assert Schemas("orders", (Order, RushOrder, Order)).decode(*stored(SCHEMAS, ORDER)) == ORDER


def test_a_class_that_is_defined_later_is_carried() -> None:
    """Its events are written and read, and its name belongs to what its parents want."""

    class Parent(Event):
        pass

    schemas = Schemas("later", (Parent,))
    with pytest.raises(DecodeError):
        schemas.decode("LaterChild", 1, b"{}")

    class LaterChild(Parent):
        pass

    assert schemas.decode("LaterChild", 1, b"{}") == LaterChild()
    assert schemas.names_of(Parent) == {"Parent", "LaterChild"}

    class Grandchild(LaterChild):
        pass

    assert schemas.names_of(Parent) == {"Parent", "LaterChild", "Grandchild"}
    assert schemas.other_names(Grandchild) == {"Parent", "LaterChild"}

    class Namesake(Parent, name="LaterChild"):
        pass

    with pytest.raises(ValueError, match="two classes of later"):
        schemas.codec(Namesake())


def test_the_class_that_a_decorator_has_replaced_is_no_namesake() -> None:
    """`dataclass(slots=True)` makes a second class of the same name, and may keep the first alive."""

    class Shape:
        pass

    @dataclass(frozen=True, slots=True)
    class Circle(Shape):
        radius: float

    schemas = Schemas("shapes", (Shape,))
    assert schemas.decode(*stored(schemas, Circle(1.0))) == Circle(1.0)
    assert len(type.__subclasses__(Shape)) == 2


def test_the_class_of_a_cell_that_was_run_again_is_no_namesake() -> None:
    """A class that nobody has any more is collected before two classes are refused."""

    class Parent(Event):
        pass

    gc.disable()
    try:
        for version in (1, 2):
            type(Event)("Child", (Parent,), {"__module__": __name__}, version=version)
        schemas = Schemas("parents", (Parent,))
    finally:
        gc.enable()
    assert schemas.names_of(Parent) == {"Parent"}


def test_a_class_that_nobody_uses_any_more_is_freed() -> None:
    """A subject keeps what it declares, and no subclass of it."""

    class Parent(Event):
        pass

    class Child(Parent):
        pass

    schemas = Schemas("parents", (Parent,))
    schemas.decode(*stored(schemas, Child()))
    gone = weakref.ref(Child)
    del Child
    gc.collect()
    assert gone() is None
    assert schemas.names_of(Parent) == {"Parent"}
    with pytest.raises(DecodeError):
        schemas.decode("Child", 1, b"{}")


def test_an_event_of_another_class_is_refused() -> None:
    """The message says what the subject takes."""
    with pytest.raises(TypeError, match=r"orders takes Order \| Shipped"):
        SCHEMAS.codec(Changed[int](after=1))
    with pytest.raises(TypeError, match="orders takes"):
        SCHEMAS.codec(7)


class Named(Protocol):
    name: str


class Virtual(ABC):
    @abstractmethod
    def name(self) -> str: ...


def test_an_event_that_could_not_be_found_again_is_refused() -> None:
    """A class that was only registered with a declared one derives from none, and nobody would know it when reading."""

    class Stranger(Event):
        pass

    Virtual.register(Stranger)
    with pytest.raises(TypeError, match=r"could not find Stranger again.*declare it too"):
        Schemas("virtual", (Virtual,)).codec(Stranger())


def test_wants_are_wire_names() -> None:
    """Of the class and its subclasses, those of formerly included; a base of several covers all of them."""
    assert SCHEMAS.names_of(Order) == {"shop.order", "Order", "OldOrder", "RushOrder"}
    assert SCHEMAS.names_of(RushOrder) == {"RushOrder"}
    assert SCHEMAS.names_of(RushOrder, Shipped) == {"RushOrder", "Shipped"}
    assert (
        SCHEMAS.names_of(Event)
        == SCHEMAS.names_of(object)
        == {"shop.order", "Order", "OldOrder", "RushOrder", "Shipped"}
    )
    assert SCHEMAS.names_of(int) == frozenset()


def test_what_no_want_covers_is_known_too() -> None:
    """A name that is in neither may be of a class that is defined elsewhere."""
    assert SCHEMAS.other_names(Order) == {"Shipped"}
    assert SCHEMAS.other_names(RushOrder, Shipped) == {"shop.order", "Order", "OldOrder"}
    assert SCHEMAS.other_names(Event) == frozenset()


def test_a_want_that_asks_each_event_covers_all_names() -> None:
    """Of a Protocol nothing is known from the class alone."""
    assert SCHEMAS.names_of(Named) == SCHEMAS.names_of(Event)


def test_a_general_event_covers_its_parametrized_ones() -> None:
    """`Changed` wants `Changed[int]`, as in memory."""
    schemas = Schemas("changes", (Changed[int], Changed[str]))
    assert schemas.names_of(Changed) == {"Changed[int]", "Changed[str]"}
    assert schemas.names_of(Changed[int]) == {"Changed[int]"}


class PlainModel(BaseModel):
    number: int


@dataclass
class Data:
    number: int


@pytest.mark.parametrize(
    "event, name", [(PlainModel(number=1), "PlainModel"), (Data(1), "Data"), (7, "int"), ("x", "str")], ids=str
)
def test_other_classes_have_their_own_name_and_version_1(event: Any, name: str) -> None:
    """Models of pydantic, dataclasses and what is built in."""
    schemas = Schemas("others", (type(event),))
    kind, version, data = stored(schemas, event)
    assert (kind, version) == (name, 1)
    assert json.loads(data) is not None
    assert schemas.decode(kind, version, data) == event
    assert schemas.names_of(type(event)) == {name}


def test_a_builtin_class_carries_no_subclass() -> None:
    """The standard library has many of them: they are declared, or they are refused."""
    with pytest.raises(TypeError, match="could not find bool again"):
        Schemas("numbers", (int,)).codec(True)
    assert Schemas("numbers", (int, bool)).codec(True).name == "bool"


def test_a_reader_is_there_for_todays_version_of_a_known_class_alone() -> None:
    """Whatever else there is must be decoded: it is older, newer, or unknown."""
    read = SCHEMAS.reader("Shipped", 1)
    assert read is not None
    assert read(SHIPPED_DATA) == Shipped(number=1)
    assert SCHEMAS.reader("Shipped", 2) is SCHEMAS.reader("Nothing", 1) is None
