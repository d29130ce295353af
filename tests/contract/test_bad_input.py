"""Bad input: each wrong argument is an error that says what was given and what to do, and nothing is half-done."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from evenflow import Event, State, Subject, one_of

from .kit import Order, Shipped, Tick, both, numbers, take_all


def refused(call: Callable[[], Any], error: type[Exception] | tuple[type[Exception], ...], *words: str) -> str:
    """Assert that the call is refused, and that the message has all these words."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    assert len(message) > 15, message
    return message


SUBSCRIBE: list[Any] = [
    pytest.param({"buffer": 0}, ValueError, ["buffer", "0"], id="buffer=0"),
    pytest.param({"buffer": -1}, ValueError, ["buffer", "-1"], id="buffer=-1"),
    pytest.param({"buffer": True}, (TypeError, ValueError), ["buffer", "True"], id="buffer=True"),
    pytest.param({"buffer": 1.5}, (TypeError, ValueError), ["buffer", "1.5"], id="buffer=1.5"),
    pytest.param({"buffer": "64"}, (TypeError, ValueError), ["buffer", "'64'"], id="buffer='64'"),
    pytest.param({"buffer": None}, (TypeError, ValueError), ["buffer", "None"], id="buffer=None"),
    pytest.param(
        {"overflow": "blok"},
        ValueError,
        ["overflow", "blok", "block", "drop_oldest", "drop_newest", "disconnect"],
        id="overflow='blok'",
    ),
    pytest.param({"overflow": 1}, (TypeError, ValueError), ["overflow"], id="overflow=1"),
    pytest.param({"overflow": ["block"]}, (TypeError, ValueError), ["overflow"], id="overflow=list"),
    pytest.param({"name": 7}, TypeError, ["name", "7"], id="name=7"),
    pytest.param({"where": True}, TypeError, ["where", "True"], id="where=True"),
    pytest.param({"conflate": "symbol"}, TypeError, ["conflate", "symbol"], id="conflate='symbol'"),
    pytest.param({"conflate": 3}, TypeError, ["conflate"], id="conflate=3"),
    pytest.param({"conflate": True}, TypeError, ["conflate"], id="conflate=True"),
    pytest.param({"buffr": 3}, TypeError, ["buffr"], id="an unknown keyword"),
]


@pytest.mark.parametrize("options, error, words", SUBSCRIBE)
@both
async def test_subscribe_refuses_wrong_arguments_at_once(options: dict[str, Any], error: Any, words: list[str]) -> None:
    """The value is in the message, and nothing is subscribed."""
    subject: Any = Subject(Tick, name="ticks")
    refused(lambda: subject.subscribe(Tick, **options), error, *words)
    assert subject.statistics().subscriptions == ()
    assert await subject.publish(Tick(symbol="a", price=1)) == 0


@pytest.mark.parametrize("options, error, words", SUBSCRIBE)
@both
async def test_observe_refuses_wrong_arguments_at_once(options: dict[str, Any], error: Any, words: list[str]) -> None:
    """An observer is refused when it is made, not when it first runs."""
    subject: Any = Subject(Tick, name="ticks")
    refused(lambda: subject.observe(print, Tick, **options), error, *words)
    refused(lambda: subject.observer(Tick, **options)(print), error, *words)
    async with subject:
        assert await subject.publish(Tick(symbol="a", price=1)) == 0


@pytest.mark.parametrize(
    "options, words",
    [
        ({"replay": -1}, ["replay", "-1"]),
        ({"replay": True}, ["replay", "True"]),
        ({"replay": 1.5}, ["replay", "1.5"]),
        ({"replay": 1, "replay_by": Tick.symbol, "replay_keys": 0}, ["replay_keys", "0"]),
        ({"stall_after": 0}, ["stall_after", "0"]),
        ({"stall_after": -1}, ["stall_after", "-1"]),
        ({"stall_after": "5"}, ["stall_after", "5"]),
        ({"name": 5}, ["name", "5"]),
        ({"replay": 1, "replay_by": "symbol"}, ["replay_by", "symbol"]),
        ({"replay_by": Tick.symbol}, ["replay"]),
        ({"unknown": 1}, ["unknown"]),
    ],
)
def test_a_subject_refuses_wrong_arguments(options: dict[str, Any], words: list[str]) -> None:
    """Its options are checked when the subject is made."""
    refused(lambda: Subject(Tick, **options), (TypeError, ValueError), *words)


@pytest.mark.parametrize("wrong", ["Order", 1, None, Order(n=1), [Order], Any])
def test_a_subject_refuses_what_is_no_class(wrong: Any) -> None:
    """The types of a subject are classes, or unions of them."""
    refused(lambda: Subject(wrong), (TypeError, ValueError))


@pytest.mark.parametrize("concurrency", [0, -1, True, 1.5, "2", None])
def test_concurrency_is_a_number_of_handlers(concurrency: Any) -> None:
    """It is a whole number of at least one."""
    subject = Subject(Order)
    refused(lambda: subject.observe(print, Order, concurrency=concurrency), (TypeError, ValueError), "concurrency")


def test_an_observer_without_annotation_says_how_to_name_what_it_wants() -> None:
    """`@subject.observer` on a function without annotations is a TypeError with the function's name and what to do."""
    subject = Subject(Order)

    def unannotated(order):  # type: ignore[no-untyped-def]
        """A handler without annotations."""

    refused(lambda: subject.observer(unannotated), TypeError, "unannotated")


def test_an_observer_annotated_with_no_event_of_the_subject_is_refused() -> None:
    """It is refused when it is decorated."""
    subject = Subject(Order)

    def of_another(event: Shipped) -> None: ...

    def of_no_class(event: list[int]) -> None: ...

    for handler in (of_another, of_no_class):
        refused(lambda handler=handler: subject.observer(handler), (TypeError, ValueError))


def test_an_observer_whose_wants_contradict_its_annotation_is_refused() -> None:
    """`@subject.observer(A)` on a handler of B is refused at run time, where no type checker sees it."""
    subject = Subject(Order, Shipped)

    def of_shipped(event: Shipped) -> None: ...

    refused(lambda: subject.observer(Order)(of_shipped), TypeError, "of_shipped")  # type: ignore[type-var]


@pytest.mark.parametrize("handler", [None, 1, "handler"])
def test_a_handler_that_is_not_callable_is_refused(handler: Any) -> None:
    """What cannot be called is no handler."""
    subject = Subject(Order)
    refused(lambda: subject.observe(handler, Order), TypeError)


def test_a_handler_without_a_parameter_is_refused() -> None:
    """A function without a parameter cannot be given an event."""
    subject: Any = Subject(Order)
    refused(lambda: subject.observe(lambda: None, Order), TypeError)


@both
async def test_close_takes_an_exception() -> None:
    """`close("over")` is refused: readers could not be given a string as an error."""
    subject: Any = Subject(Order)
    refused(lambda: subject.close("over"), TypeError, "over")
    async with subject.subscribe(Order) as subscription:
        assert await subject.publish(Order(n=1)) == 1
        assert numbers(take_all(subscription)) == [1]


@both
async def test_publish_many_of_one_event_is_refused() -> None:
    """One event is no iterable of events, though a pydantic model can be iterated."""
    subject: Any = Subject(Order)
    async with subject.subscribe(Order) as subscription:
        with pytest.raises(TypeError):
            await subject.publish_many(Order(n=1))
        with pytest.raises(TypeError):
            await subject.publish_many(5)
        assert take_all(subscription) == []


@both
async def test_a_conflate_that_returns_an_unhashable_key_ends_that_subscription_alone() -> None:
    """The subscription ends with a TypeError that names it; the publisher and the others notice nothing."""
    subject = Subject(Order)
    bad: Any = lambda order: [order.n]  # noqa: E731 - a key as users write it
    async with subject.subscribe(Order, conflate=bad) as broken, subject.subscribe(Order) as fine:
        await subject.publish(Order(n=1))
        await subject.publish(Order(n=2))
        assert numbers(take_all(fine)) == [1, 2]
        with pytest.raises(TypeError):
            await broken.receive()


# -- events and conditions


def define(body: str) -> dict[str, Any]:
    """Run a class statement as a user would write it."""
    scope: dict[str, Any] = {"Event": Event, "Order": Order}
    exec(body, scope)
    return scope


@pytest.mark.parametrize("field", ["json", "copy", "dict", "model_dump", "model_fields", "register", "mro"])
def test_a_field_that_hides_an_attribute_of_event_is_refused(field: str) -> None:
    """The TypeError comes when the class is made, and names the field."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(lambda: define(f"class Bad(Event):\n    {field}: int\n"), (TypeError, NameError, ValueError), field)


def test_an_unknown_class_keyword_is_refused() -> None:
    """A misspelled `name=` is a TypeError that lists the known keywords."""
    refused(lambda: define("class Bad(Event, nmae='x'):\n    n: int\n"), TypeError, "nmae")


@pytest.mark.parametrize("name", ["", 5])
def test_a_wire_name_that_is_no_word_is_refused(name: Any) -> None:
    """A wire name is a string that is not empty."""
    refused(lambda: define(f"class Bad(Event, name={name!r}):\n    n: int\n"), (TypeError, ValueError), "name")


CONDITIONS: list[Any] = [
    pytest.param(lambda: (Order.n > 1) and (Order.n < 3), TypeError, ["&"], id="and"),
    pytest.param(lambda: (Order.n > 1) or (Order.n < 3), TypeError, ["|"], id="or"),
    pytest.param(lambda: not (Order.n > 1), TypeError, ["~"], id="not"),
    pytest.param(lambda: bool(Order.n == 1), TypeError, ["&"], id="bool()"),
    pytest.param(lambda: 1 < Order.n < 3, TypeError, ["&"], id="a chain"),
    pytest.param(lambda: Order.region.startswith("e"), (TypeError, AttributeError), ["callable"], id="a method"),
    pytest.param(lambda: Order.n + 1, TypeError, ["callable"], id="arithmetic"),
    pytest.param(lambda: Order.n > Order.n, TypeError, ["callable"], id="field against field"),
    pytest.param(lambda: Order.n == Shipped.n, TypeError, ["callable"], id="field against another class's"),
    pytest.param(lambda: Order.region[0], TypeError, ["callable"], id="an index"),
    pytest.param(lambda: len(Order.region), TypeError, [], id="len"),
    pytest.param(lambda: "e" in Order.region, TypeError, [], id="in"),
    pytest.param(lambda: Order.n == "x", TypeError, ["n"], id="a value the type cannot hold"),
    pytest.param(lambda: Order.region > 5, TypeError, ["region"], id="an order the type cannot hold"),
    pytest.param(lambda: one_of(Order.n, "x"), TypeError, ["n"], id="one_of a wrong value"),
    pytest.param(lambda: one_of(5, 5), TypeError, [], id="one_of no field"),  # type: ignore[call-overload]
]


@pytest.mark.parametrize("write, error, words", CONDITIONS)
def test_an_impossible_condition_is_refused(write: Callable[[], Any], error: Any, words: list[str]) -> None:
    """The error comes when the condition is written, and says what to do."""
    refused(write, error, *words)


def test_an_event_cannot_be_changed() -> None:
    """One instance is handed to every subscriber, so events are frozen."""
    order: Any = Order(n=1)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        order.n = 2


@pytest.mark.parametrize("call", ["update", "wait_for"])
@both
async def test_state_refuses_what_cannot_be_called(call: str) -> None:
    """`update` and `wait_for` take functions."""
    state: Any = State(1)
    with pytest.raises(TypeError):
        if call == "update":
            state.update(5)
        else:
            await state.wait_for(5)
    assert state.value == 1


@both
async def test_a_refused_subscribe_leaves_no_trace_while_a_publish_waits() -> None:
    """A refused subscribe, observe or first changes nothing."""
    subject: Any = Subject(Order)
    for call in (subject.subscribe, subject.first, lambda **o: subject.observe(print, Order, **o)):
        with pytest.raises((TypeError, ValueError)):
            call(where=True)
    assert subject.statistics().subscriptions == ()
    assert await subject.publish(Order(n=1)) == 0
