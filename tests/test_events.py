"""Events: frozen pydantic models whose fields can be compared on the class."""

from __future__ import annotations

import copy
import inspect
import pickle
import pydoc
import rlcompleter
import threading
import warnings
from decimal import Decimal
from itertools import count, takewhile
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from unittest.mock import create_autospec

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    computed_field,
    create_model,
)

from evenflow import Condition, Event, fields
from evenflow._events import identity_of, wire_name

T = TypeVar("T")


class Customer(BaseModel):
    country: str
    age: int = 30


class OrderPlaced(Event, name="shop.order.placed"):
    order_id: int
    region: str
    total: Decimal
    customer: Customer
    discount: Decimal | None = None


class RushOrder(OrderPlaced):
    region: str = "eu"
    courier: str = "foot"


class Changed(Event, Generic[T]):
    before: T | None = None
    after: T


class Node(Event):
    number: int = 0
    next: Node | None = None
    late: Later | None = None


class Later(BaseModel):
    x: int = 0


def order(**changes: Any) -> OrderPlaced:
    """An order, with some fields changed."""
    return OrderPlaced(
        **{"order_id": 1, "region": "eu", "total": Decimal(5), "customer": Customer(country="de"), **changes}
    )


def test_an_event_is_frozen() -> None:
    """Every subscriber gets the same instance, so nobody can change it."""
    with pytest.raises(ValidationError):
        order().region = "us"  # type: ignore[misc]
    assert {Node(number=1): 1}[Node(number=1)] == 1


def test_an_event_that_is_not_frozen_is_refused() -> None:
    """`frozen=False` is an error that says why, whether as a keyword or in the settings."""
    with pytest.raises(TypeError, match="not frozen"):

        class Loose(Event, frozen=False):
            pass

    with pytest.raises(TypeError, match="handed to every subscriber"):

        class Loose2(Event):
            model_config = ConfigDict(frozen=False)


def test_it_stays_a_pydantic_model() -> None:
    """Validation, dumping, schema and type adapters work as for the same model without evenflow."""

    class Same(BaseModel):
        order_id: int
        region: str
        total: Decimal
        customer: Customer
        discount: Decimal | None = None

    mine, theirs = OrderPlaced.model_json_schema(), Same.model_json_schema()
    assert mine["properties"] == theirs["properties"]
    assert mine["required"] == theirs["required"]
    assert order().model_dump_json() == Same(**order().model_dump()).model_dump_json()
    assert TypeAdapter(OrderPlaced).validate_json(order().model_dump_json()) == order()
    with pytest.raises(ValidationError):
        order(order_id="x")
    assert order().model_copy(update={"region": "us"}).region == "us"
    assert copy.deepcopy(order()) == order()


def test_it_can_be_pickled() -> None:
    """Events, conditions on them, and fields read on the class can be pickled."""
    assert pickle.loads(pickle.dumps(order())) == order()
    condition: Any = OrderPlaced.customer.country == "de"
    assert pickle.loads(pickle.dumps(condition)) == condition
    assert repr(pickle.loads(pickle.dumps(OrderPlaced.total))) == "OrderPlaced.total"
    assert repr(copy.deepcopy(OrderPlaced.total)) == "OrderPlaced.total"


def test_aliases_computed_fields_private_attributes_and_class_variables_are_left_alone() -> None:
    """Everything else that pydantic puts on a model works, and a field is read by its own name, not its alias."""

    class Rich(Event):
        LIMIT: ClassVar[int] = 3
        amount: int = Field(alias="Amount")
        kind: Literal["rich"] = "rich"
        _seen: int = PrivateAttr(default=7)

        @computed_field  # type: ignore[prop-decorator]
        @property
        def doubled(self) -> int:
            return self.amount * 2

    event = Rich(Amount=2)  # type: ignore[call-arg]
    assert event.model_dump(by_alias=True) == {"Amount": 2, "kind": "rich", "doubled": 4}
    assert (event._seen, Rich.LIMIT) == (7, 3)
    condition: Any = Rich.amount == 2
    assert condition(event)
    with pytest.raises(AttributeError):
        Rich.Amount  # noqa: B018


def test_it_can_be_autospecced() -> None:
    """A mock of an event class has the model's methods."""
    mock = create_autospec(OrderPlaced)
    assert mock.model_validate is not None
    assert create_autospec(OrderPlaced, instance=True).model_dump is not None


def test_it_can_be_the_body_of_a_request() -> None:
    """FastAPI takes it as a body, validates it and puts it into its own schema."""
    fastapi = pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    app = fastapi.FastAPI()

    def place(event: OrderPlaced) -> OrderPlaced:
        return event

    place.__annotations__ = {"event": OrderPlaced, "return": OrderPlaced}
    app.post("/orders")(place)
    client = TestClient(app)
    assert client.post("/orders", json=order().model_dump(mode="json")).json()["region"] == "eu"
    assert client.post("/orders", json={}).status_code == 422
    assert "OrderPlaced" in client.get("/openapi.json").text


def test_a_redeclared_field_warns_of_nothing_and_keeps_its_meaning() -> None:
    """A subclass can give a field a new default or type; without a default, the field is required."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Child(OrderPlaced):
            order_id: int
            total: Decimal = Decimal(1)

    assert Child.model_fields["order_id"].is_required()
    assert not Child.model_fields["total"].is_required()
    assert RushOrder.model_fields["region"].default == "eu"
    condition: Any = RushOrder.region == "eu"
    assert repr(condition) == "RushOrder.region == 'eu'"


def test_fields_can_be_compared_while_another_thread_makes_a_class() -> None:
    """While one thread makes a subclass, other threads can still read the fields of its parents."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow:
        def __set_name__(self, owner: type, name: str) -> None:
            inside.set()
            assert go_on.wait(10)

    def make() -> None:
        create_model("Made", __base__=OrderPlaced, __cls_kwargs__={}, region=(str, "x"))
        type(Event)("Made", (OrderPlaced,), {"__annotations__": {"_slow": ClassVar[Any]}, "_slow": Slow()})

    thread = threading.Thread(target=make)
    thread.start()
    try:
        assert inside.wait(10)
        assert repr(OrderPlaced.region) == "OrderPlaced.region"
    finally:
        go_on.set()
        thread.join()


def test_fields_can_be_used_in_the_body_of_a_subclass() -> None:
    """While the body of a class runs, the fields of its parent can be read."""

    class Big(OrderPlaced):
        IS_BIG: ClassVar[Any] = OrderPlaced.total > 100

    assert Big.IS_BIG(order(total=Decimal(101)))


identity = int


def test_the_annotations_of_a_class_made_in_a_function_are_those_of_that_function() -> None:
    """As in any pydantic model: a name in an annotation may be local, and none of evenflow's own names is taken for it."""

    class Local(BaseModel):
        x: int = 0

    class Made(Event):
        local: Local
        number: identity  # type: ignore[valid-type]  # a variable for mypy

    assert Made.__pydantic_complete__
    assert Made.model_fields["local"].annotation is Local
    assert Made.model_fields["number"].annotation is int
    assert Made(local=Local(), number=5).number == 5


def test_generic_events() -> None:
    """A parametrized event is a class of its own with its own fields, and its instances are instances of the generic class."""
    condition: Any = fields(Changed[Customer]).after.country == "de"
    assert isinstance(condition, Condition)
    assert condition(Changed[Customer](after=Customer(country="de")))
    assert not condition(Changed[int](after=3))
    assert repr(condition) == "fields(Changed[Customer]).after.country == 'de'"
    assert isinstance(Changed[int](after=3), Changed)


def test_fields_of_what_is_no_event_are_refused() -> None:
    """`fields` takes classes of events only; for anything else, a callable does."""
    for wrong in (Customer, int, order(), "x"):
        with pytest.raises(TypeError, match="use a callable"):
            fields(wrong)  # type: ignore[arg-type]


def test_events_that_refer_to_each_other_and_to_what_comes_later() -> None:
    """The type of a field can be named before it exists; its own fields are known as soon as it does."""
    condition: Any = Node.next.next.number == 2  # type: ignore[union-attr]
    assert condition(Node(next=Node(next=Node(number=2))))
    assert not condition(Node())
    assert (Node.late.x == 3)(Node(late=Later(x=3)))  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("name", ["json", "copy", "model_dump", "register", "mro", "dict", "schema", "validate"])
def test_a_field_that_hides_an_attribute_is_refused(name: str) -> None:
    """A field with the name of an attribute of `Event` is a TypeError that suggests another name."""
    with pytest.raises(TypeError, match=f"field '{name}' of Bad would hide .*alias=.{name}"):
        type(Event)("Bad", (Event,), {"__annotations__": {name: int}, "__module__": __name__})
    with pytest.raises(TypeError, match="would hide"):
        create_model("Bad", __base__=OrderPlaced, **{name: (int, 1)})


class MyClassVar(BaseModel):
    """Its name says nothing of what is annotated with it."""


def test_a_field_hides_an_attribute_wherever_it_was_written_and_whatever_its_type_is_called() -> None:
    """In a plain model that the event derives from, too; a real `ClassVar` is no field."""
    with pytest.warns(UserWarning, match="shadows an attribute"):

        class Mixin(BaseModel):
            register: int = 1

    with pytest.raises(TypeError, match="field 'register' of Bad would hide"):

        class Bad(Mixin, Event):
            pass

    with pytest.raises(TypeError, match="field 'json' of Worse would hide"):

        class Worse(Event):
            json: MyClassVar  # type: ignore[assignment]

    class Good(Event):
        schema: ClassVar[int] = 3  # type: ignore[assignment]

    assert Good.schema == 3


def test_an_unknown_class_keyword_is_refused() -> None:
    """A misspelled `name=` is a TypeError that suggests the right word; the settings of pydantic are taken."""
    with pytest.raises(TypeError, match="'nmae'; did you mean 'name'"):

        class Misspelled(Event, nmae="x"):
            pass

    with pytest.raises(TypeError, match="does not know the keyword 'colour'"):

        class Unknown(Event, colour="red"):
            pass

    class Titled(Event, title="A title", name="titled"):
        pass

    assert Titled.model_json_schema()["title"] == "A title"


def test_keywords_of_a_users_own_base_are_taken() -> None:
    """If the `__init_subclass__` of a parent takes a keyword, it gets it."""

    class Topical(Event):
        TOPIC: ClassVar[str] = ""

        def __init_subclass__(cls, *, topic: str = "", **rest: Any) -> None:
            super().__init_subclass__(**rest)
            cls.TOPIC = topic

    class Weather(Topical, topic="weather"):
        pass

    assert Weather.TOPIC == "weather"


def test_the_wire_name_is_the_class_name_or_what_was_given_and_is_not_inherited() -> None:
    """`name=` is for one class; its subclasses are named after themselves."""
    assert wire_name(OrderPlaced) == "shop.order.placed"
    assert wire_name(RushOrder) == "RushOrder"
    assert wire_name(Changed[int]) == "Changed[int]"
    assert wire_name(Customer) == "Customer"


@pytest.mark.parametrize("name", ["", "  ", 3, b"x"])
def test_a_wire_name_is_a_text(name: Any) -> None:
    """An empty name, or one that is not a str, is refused."""
    with pytest.raises(TypeError, match="must be a text"):

        class Bad(Event, name=name):
            pass


def test_a_class_has_a_version_and_former_names() -> None:
    """`version=` is 1 unless it is said, `formerly=` empty; a plain class has its own name, and version 1."""

    class Renamed(Event, name="shop.renamed", version=3, formerly=("Old", "Older")):
        pass

    assert identity_of(Renamed) == ("shop.renamed", 3, ("Old", "Older"))
    assert identity_of(Node) == ("Node", 1, ())
    assert identity_of(Customer) == ("Customer", 1, ())
    assert identity_of(int) == ("int", 1, ())


def test_a_subclass_inherits_neither_version_nor_former_names() -> None:
    """They are said of one class, as its name is."""

    class Parent(Event, version=2, formerly=("Mother",)):
        pass

    class Child(Parent):
        pass

    assert identity_of(Child) == ("Child", 1, ())


def test_a_parametrized_event_has_the_version_of_the_general_one() -> None:
    """Nobody can write class keywords for `Moved[int]`; its former names have the parameters too."""

    class Moved(Event, Generic[T], version=2, formerly=("Shifted",)):
        to: T

    assert identity_of(Moved[int]) == ("Moved[int]", 2, ("Shifted[int]",))


@pytest.mark.parametrize(
    "keywords, error, word",
    [
        ({"version": 0}, ValueError, "version of Bad must be at least 1, not 0"),
        ({"version": "2"}, TypeError, "whole number, not '2'"),
        ({"version": True}, TypeError, "whole number, not True"),
        ({"version": None}, TypeError, "whole number, not None"),
        ({"formerly": "Old"}, TypeError, r"tuple of names, as in \('OldName',\), not 'Old'"),
        ({"formerly": 3}, TypeError, "tuple of names, .* not 3"),
        ({"formerly": ("Old", 3)}, TypeError, "not empty, not 3"),
        ({"formerly": (" ",)}, TypeError, "not empty, not ' '"),
        ({"formerly": ("Old", "Old")}, ValueError, "'Old' twice"),
        ({"formerly": ("Bad",)}, ValueError, "'Bad' twice, or it is the name of today"),
        ({"versoin": 2}, TypeError, "did you mean 'version'"),
        ({"formely": ()}, TypeError, "did you mean 'formerly'"),
    ],
)
def test_a_version_or_a_former_name_that_makes_no_sense_is_refused(
    keywords: dict[str, Any], error: type[Exception], word: str
) -> None:
    """When the class is made, with what was given and what was expected."""
    with pytest.raises(error, match=word):
        type(Event)("Bad", (Event,), {"__module__": __name__}, **keywords)


def test_a_misspelled_field_is_an_attribute_error_that_helps() -> None:
    """The message suggests a similar field, or lists all fields."""
    with pytest.raises(AttributeError, match="no field 'regoin'; did you mean 'region'"):
        OrderPlaced.regoin  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="it has order_id, region, total, customer, discount"):
        OrderPlaced.zzz  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="Customer has no field 'contry'; did you mean 'country'"):
        OrderPlaced.customer.contry  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(OrderPlaced, "__nothing__")
    assert not hasattr(OrderPlaced, "_nothing")
    assert not hasattr(Event, "anything")


class Described(OrderPlaced):
    weight: int = Field(description="in grams")
    region: str = "eu"


def completions(text: str) -> list[str]:
    completer = rlcompleter.Completer({"OrderPlaced": OrderPlaced, "Described": Described})
    found = (completer.complete(text, number) for number in count())
    return [name for name in takewhile(bool, found) if name is not None]


def test_the_fields_are_in_dir_and_in_completion() -> None:
    """`OrderPlaced.reg<tab>` finds the field, an inherited one too, and so does a field of a field."""
    assert {"order_id", "region", "total", "customer", "discount"} <= set(dir(OrderPlaced))
    assert {"order_id", "weight", "courier"} - set(dir(Described)) == {"courier"}
    assert {"before", "after"} <= set(dir(Changed[int]))
    assert "OrderPlaced.region" in completions("OrderPlaced.reg")
    assert completions("Described.ord") == ["Described.order_id"]
    assert completions("OrderPlaced.customer.co") == ["OrderPlaced.customer.country"]
    assert {"country", "age"} <= set(dir(OrderPlaced.customer))
    assert "country" not in dir(OrderPlaced.region)


def test_sphinx_finds_a_field_without_a_default_that_is_none() -> None:
    """Autodoc lists what is in the class's own `__dict__`, and shows no value of what is a data descriptor."""
    assert {"order_id", "region", "total"} <= vars(OrderPlaced).keys()
    assert {"weight", "region"} <= vars(Described).keys()
    assert "order_id" not in vars(Described)
    for field in (OrderPlaced.order_id, Described.region):
        assert inspect.isdatadescriptor(field)
    assert inspect.getdoc(OrderPlaced.order_id) is None
    assert inspect.getdoc(Described.weight) == "in grams"
    assert inspect.getdoc(Described.customer.country) is None


def test_a_field_is_no_descriptor_of_the_class_that_keeps_it() -> None:
    """`key = OrderPlaced.region` in a class body is a plain attribute, which an instance may set."""

    class Holder:
        key: Any = OrderPlaced.region

    holder = Holder()
    assert holder.key is OrderPlaced.region
    holder.key = 3
    assert holder.key == 3


def test_help_lists_the_fields() -> None:
    """`help(OrderPlaced)` has a line for each, without a value that is none."""
    lines = pydoc.plain(pydoc.render_doc(Described)).splitlines()
    for name in ("weight", "region", "order_id"):
        assert f" |  {name}" in lines
    assert " |      in grams" in lines


def test_an_event_without_a_value_is_an_attribute_error_as_in_pydantic() -> None:
    """`model_construct` may leave fields out."""
    event = OrderPlaced.model_construct(region="eu")
    assert event.region == "eu"
    assert not hasattr(event, "total")
    with pytest.raises(AttributeError, match="total"):
        event.total  # noqa: B018


def test_two_classes_with_one_wire_name_may_live_side_by_side() -> None:
    """In memory, wire names do not matter."""

    class A(Event, name="same"):
        pass

    class B(Event, name="same"):
        pass

    assert wire_name(A) == wire_name(B)


def test_annotated_fields_and_constraints() -> None:
    """A field can be compared whatever its metadata says."""

    class Limited(Event):
        amount: Annotated[int, Field(gt=0, lt=10)] = 1

    condition: Any = Limited.amount == 99
    assert not condition(Limited())


@pytest.mark.parametrize("name", ["a\nb", "a\r", "\x00", "a\x1b[31m", "a\x85", "a\u2028", "\ud800"])
def test_a_name_that_is_not_one_line_of_text_is_refused_when_it_is_given(name: str) -> None:
    """It goes into headers, event streams and logs, where a line end would begin something else."""
    with pytest.raises(ValueError, match="control character"):

        class Given(Event, name=name):
            n: int

    with pytest.raises(ValueError, match="control character"):

        class Former(Event, formerly=(name,)):
            n: int

    if "\x00" not in name and "\ud800" not in name:
        with pytest.raises(ValueError, match="control character"):
            type(Event)(name, (Event,), {})
