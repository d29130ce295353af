"""Bad input: each wrong argument is an error that says what was given and what to do, and nothing is half-done."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from pydantic import computed_field

from evenflow import Event, State, Subject, one_of, present, stream, when

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


PUBLISH: list[Callable[[Any, Any], Any]] = [
    lambda subject, event: subject.publish(event).send(None),
    lambda subject, event: subject.publish_nowait(event),
    lambda subject, event: subject.publish_many([event]).send(None),
    lambda subject, event: subject.explain(event),
]


@pytest.mark.parametrize("publish", PUBLISH)
def test_the_class_of_an_event_is_no_event(publish: Callable[[Any, Any], Any]) -> None:
    """`publish(Order)` is answered with `Order(...)`, and a class of another kind with what the subject takes."""
    subject = Subject(Order, name="shop")
    said = refused(
        lambda: publish(subject, Order), TypeError, "shop", "not the class Order itself", "give it Order(...)"
    )
    assert "EventMeta" not in said
    refused(lambda: publish(subject, Shipped), TypeError, "not the class Shipped itself", "give it Order(...)")


def namesake() -> Any:
    class Order(Event):
        n: int

    return Order


def test_where_two_classes_have_one_name_their_modules_are_shown() -> None:
    """Each message that names both says which is which; where even the modules are the same, the objects differ."""
    other, another = namesake(), namesake()
    mine, theirs = f"{Order.__module__}.Order", f"{other.__module__}.namesake.<locals>.Order"
    subject: Any = Subject(Order, Shipped, name="shop")
    refused(lambda: subject.publish_nowait(other(n=1)), TypeError, mine, theirs, "| Shipped", "an test", "two classes")
    refused(lambda: subject.publish_nowait(other), TypeError, mine, theirs)
    refused(lambda: subject.subscribe(other), ValueError, mine, theirs, "Shipped")
    refused(lambda: subject.subscribe(where=other.n > 1), ValueError, mine, theirs)
    refused(lambda: Subject(Order, other).subscribe(Order, where=other.n > 1), ValueError, mine, theirs)
    refused(
        lambda: Subject(other).publish_nowait(another(n=1)), TypeError, f"at {id(other):#x}", f"at {id(another):#x}"
    )

    def of_other(event: other) -> None: ...  # type: ignore[valid-type]

    of_other.__annotations__ = {"event": other}
    refused(lambda: Subject(Order, other).observer(Order)(of_other), TypeError, mine, theirs)
    assert mine in repr(Subject(Order, other))
    assert theirs in repr(Subject(Order, other))
    both_wanted = Subject(Order, other).subscribe(Order, other)
    assert mine in repr(both_wanted)
    both_wanted.close()
    wanting = Subject(Order, other)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subscription = wanting.subscribe(Order, name="mine")
        assert f"it is an {theirs}, wanted {mine}" in wanting.explain(other(n=1))[0].reason
        subscription.close()
    assert "test_bad_input" not in refused(lambda: Subject(Order).publish_nowait(Shipped(n=1)), TypeError)  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", [lambda: Order.region in ["eu", "us"], lambda: Order.region not in ["us", "eu"]])
def test_a_field_in_a_list_is_answered_with_one_of(ask: Callable[[], Any]) -> None:
    """Python asks `==` and then for the truth of the answer; the error says what to write instead of `in`."""
    refused(ask, TypeError, "`Order.region in [...]`", "one_of(Order.region, ...)")
    assert "one_of" not in refused(lambda: bool(Order.n > 1), TypeError)


def test_a_buffer_without_a_bound_is_refused_with_a_large_one() -> None:
    """`buffer=None` asks for no bound, and every buffer has one."""
    refused(lambda: Subject(Order).subscribe(buffer=None), TypeError, "not None", "every buffer is bounded", "10_000")  # type: ignore[call-overload]


MISCALLED: list[Callable[[Any], Any]] = [
    lambda subject: subject.subscribe(wants=Order),
    lambda subject: subject.subscribe(buffr=1),
    lambda subject: subject.first(buffer=1),
    lambda subject: subject.observe(),
    lambda subject: subject.observe(print, unknown=1),
    lambda subject: subject.observer(Order, unknown=1)(print),
    lambda subject: subject.publish_nowait(),
    lambda subject: subject.publish(1, 2),
    lambda subject: subject.close(1, 2),
]


@pytest.mark.parametrize("call", MISCALLED)
def test_a_wrong_call_of_a_subject_is_called_one_of_a_subject(call: Callable[[Any], Any]) -> None:
    """Python names the method itself, and names no class that users do not know."""
    assert refused(lambda: call(Subject(Order)), TypeError).startswith("Subject.")


@pytest.mark.parametrize(
    "wrong, name",
    [
        (lambda: stream([1]).map(str).receive(1), "Stream"),  # type: ignore[call-arg]
        (lambda: stream([1]).map(), "Stream"),  # type: ignore[call-arg]
        (lambda: list(stream([1]).map(str)), "Stream"),  # type: ignore[call-overload]
        (lambda: when(Order.n > 1)[0], "Condition"),  # type: ignore[index]
        (lambda: Order.n(), "field"),  # type: ignore[operator]
    ],
)
def test_what_python_says_of_a_wrong_use_names_no_private_class(wrong: Callable[[], Any], name: str) -> None:
    """A chain is a Stream, what a comparison makes is a Condition, and a field is a field."""
    said = refused(wrong, TypeError, name)
    assert not any(private in said for private in ("_ChainStream", "Comparison", "FieldRef", "Signatures"))


class Priced(Event):
    net: int

    @computed_field
    @property
    def gross(self) -> int:
        """With tax."""
        return self.net * 2

    @property
    def cheap(self) -> bool:
        return self.net < 3

    @cached_property
    def label(self) -> str:
        return f"{self.net} EUR"


COMPUTED: list[Any] = [
    lambda: Priced.gross > 3,
    lambda: Priced.gross == 3,
    lambda: Priced.gross != 3,
    lambda: Priced.label == "3 EUR",
    lambda: one_of(Priced.gross, 1),
    lambda: present(Priced.gross),
    lambda: when(Priced.cheap),
    lambda: Subject(Priced).subscribe(where=Priced.cheap),
    lambda: (Priced.net > 1) & Priced.cheap,
    lambda: ~Priced.cheap,  # type: ignore[operator]
]


@pytest.mark.parametrize("write", COMPUTED)
def test_a_condition_on_what_is_computed_is_refused_with_a_callable(write: Callable[[], Any]) -> None:
    """A property has no value on the class; comparing it must not quietly be False."""
    refused(write, TypeError, "Priced.", "is computed", "where=lambda event: event.")


def test_what_is_computed_works_on_an_event_as_ever() -> None:
    """In the event, in what it is dumped to, and in a subclass."""

    class Rebate(Priced):
        """A kind of it."""

    event = Rebate(net=2)
    assert (event.gross, event.cheap, event.label, event.label) == (4, True, "2 EUR", "2 EUR")
    assert event.model_dump() == {"net": 2, "gross": 4}
    assert Priced.gross.__doc__ == "With tax."  # type: ignore[attr-defined]


@both
async def test_a_predicate_of_a_state_is_a_function() -> None:
    """`wait_for(2)` is answered with the function that compares, and `update(2)` with `set`."""
    state: Any = State(1)
    with pytest.raises(TypeError, match=r"not 2; to wait for this value use wait_for\(lambda value: value == 2\)"):
        await state.wait_for(2)
    refused(lambda: state.update(2), TypeError, "not 2", "set()")
    assert state.value == 1


def test_a_method_as_a_handler_is_refused_where_it_is_written() -> None:
    """In a class body there is no `self` yet; the error says where there is one."""
    subject: Any = Subject(Order)

    def bare() -> None:
        class Mailer:
            @subject.observer
            def on_placed(self, order: Order) -> None: ...

    def called() -> None:
        class Mailer:
            @subject.observer(Order)
            async def on_placed(self, order: Order) -> None: ...

    def forgot_the_event() -> None:
        class Mailer:
            @subject.observer
            def on_placed(self) -> None: ...

    for define in (bare, called, forgot_the_event):
        refused(define, TypeError, "Mailer.on_placed is a method", "subject.observe(self.on_placed")

    def of_the_class() -> None:
        class Mailer:
            @subject.observer
            @classmethod
            def on_placed(cls, order: Order) -> None: ...

    def of_the_class_with_wants() -> None:
        class Mailer:
            @subject.observer(Order)
            @classmethod
            def on_placed(cls, order: Order) -> None: ...

    def of_the_class_by_observe() -> None:
        class Mailer:
            @classmethod
            def on_placed(cls, order: Order) -> None: ...

            subject.observe(on_placed)

    for define in (of_the_class, of_the_class_with_wants, of_the_class_by_observe):
        refused(define, TypeError, "Mailer.on_placed is a classmethod", "after the class")
    assert subject.statistics().observers == ()


def test_a_decorated_class_that_is_no_event_is_refused() -> None:
    """`@subject.observer` over a class reads like a want, and must not replace the class by a decorator."""
    subject: Any = Subject(Order)
    refused(lambda: subject.observer(dict), ValueError, "dict", "Order")
    refused(lambda: subject.observer(7), TypeError, "7")


def test_a_static_or_a_bound_method_is_a_handler() -> None:
    """Neither lacks a `self`."""
    subject = Subject(Order)

    class Mailer:
        @subject.observer
        @staticmethod
        def on_placed(order: Order) -> None: ...

        def on_shipped(self, order: Order) -> None: ...

    subject.observe(Mailer().on_shipped)
    assert [o.name.rpartition(".")[2] for o in subject.statistics().observers] == ["on_placed", "on_shipped"]


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
