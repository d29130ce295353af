"""The index against plain evaluation: random classes, conditions and events, through random subscribe and close.

``EVENFLOW_FUZZ_EXAMPLES`` says how many; ``make fuzz`` asks for 50,000.
"""

from __future__ import annotations

import functools
import os
import warnings
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel, ConfigDict, create_model

from evenflow._comparable import one_of, present
from evenflow._conditions import Condition
from evenflow._events import Event
from evenflow._routing import Interest, Router
from tests.fuzz import values

EXAMPLES = int(os.environ.get("EVENFLOW_FUZZ_EXAMPLES", "300"))


class Inner(BaseModel):
    """What lies within an event."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    x: Any = None
    n: int = 0
    deeper: Inner | None = None


FIELDS: dict[str, list[Any]] = {
    "a": [Any, int, Decimal, str],
    "b": [Any, str | None, float],
    "c": [Any, Decimal | None, bool],
    "p": [bool, Any],
    "sub": [Inner | None, Inner],
}
TYPED: dict[Any, list[Any]] = {
    int: [0, 1, 2, 3, 2**70],
    Decimal: [Decimal(0), Decimal("1.0"), Decimal("2.5"), Decimal("NaN")],
    str: ["", "a", "b", "x" * 5000],
    str | None: ["a", "", None],
    float: [0.0, 1.0, 2.5, float("nan"), float("inf")],
    Decimal | None: [Decimal(1), Decimal("2.5"), None],
    bool: [True, False],
}

Shape = tuple[tuple[int, tuple[tuple[str, int], ...]], ...]


@functools.lru_cache(maxsize=4000)
def classes_of(shape: Shape) -> tuple[type[Event], ...]:
    """Classes of events: for each, its parent (or none) and its fields with their types."""
    made: list[type[Event]] = []
    for number, (parent, fields) in enumerate(shape):
        base = made[parent] if 0 <= parent < number else Event
        own: dict[str, Any] = {name: (FIELDS[name][kind % len(FIELDS[name])], ...) for name, kind in fields}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made.append(create_model(f"E{number}", __base__=base, **own))
    return tuple(made)


fields = st.lists(
    st.tuples(st.sampled_from(sorted(FIELDS)), st.integers(0, 3)), min_size=1, max_size=4, unique_by=lambda f: f[0]
).map(tuple)
shapes = st.lists(st.tuples(st.integers(-1, 2), fields), min_size=1, max_size=4).map(tuple)
anything = st.sampled_from(values.VALUES)


@st.composite
def inners(draw: st.DrawFn, depth: int = 2) -> Inner | None:
    """What lies within an event, or None."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return None
    return Inner.model_construct(x=draw(anything), n=draw(st.integers(0, 2)), deeper=draw(inners(depth - 1)))


@st.composite
def events(draw: st.DrawFn, classes: tuple[type[Event], ...]) -> Event:
    """An event of one of these classes; where its fields allow anything, they hold anything."""
    cls = draw(st.sampled_from(classes))
    given_values: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        if name == "sub":
            given_values[name] = draw(inners())
        else:
            given_values[name] = draw(st.sampled_from(TYPED[info.annotation]) if info.annotation in TYPED else anything)
    return cls.model_construct(**given_values)


@st.composite
def leaves(draw: st.DrawFn, classes: tuple[type[Event], ...]) -> Condition | None:
    """One comparison; None where it is refused when it is written."""
    cls: Any = draw(st.sampled_from(classes))
    name = draw(st.sampled_from(sorted(cls.model_fields)))
    field = getattr(cls, name)
    if name == "sub":
        steps = draw(st.sampled_from([("x",), ("n",), ("deeper", "x"), ("deeper", "n")]))
        for step in steps:
            field = getattr(field, step)
    if draw(st.integers(0, 4)) == 0:
        field = present(field)
    form = draw(st.sampled_from(["==", "==", "==", "!=", "<", "<=", ">", ">=", "<", ">=", "one_of", "truth"]))
    try:
        if form == "one_of":
            return one_of(field, *draw(st.lists(anything, min_size=1, max_size=4)))
        if form == "truth":
            return field.__evenflow_condition__()
        value = draw(anything)
        return {
            "==": lambda: field == value,
            "!=": lambda: field != value,
            "<": lambda: field < value,
            "<=": lambda: field <= value,
            ">": lambda: field > value,
            ">=": lambda: field >= value,
        }[form]()
    except (TypeError, ZeroDivisionError, ArithmeticError):  # refused when it is written
        return None


def conditions(classes: tuple[type[Event], ...]) -> st.SearchStrategy[Condition]:
    """Comparisons, joined."""
    leaf = leaves(classes).filter(lambda condition: condition is not None)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
            st.tuples(inner, inner).map(lambda two: two[0] & two[1]),
            st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
            inner.map(lambda one: ~one),
        ),
        max_leaves=5,
    )


class Target:
    """Somebody who wants something; the callable is its own."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, event: object, /) -> Any:
        if self.answer is Raising:
            raise Raising
        return self.answer


class Raising(Exception):
    """What a callable raises."""


def plain(router: Router[Target], interest: Interest, event: Event, target: Target) -> Any:
    """The answer without the index, or the class of what it raises."""
    try:
        return router.wanted(interest, event, target)
    except Exception as error:  # whatever it is, it is the answer
        return type(error)


def compare(router: Router[Target], alive: dict[Target, Interest], event: Event) -> None:
    """Publish, as far as finding goes, and hold it against the plain answers."""
    route = router.route(type(event))
    failures: list[tuple[Target, BaseException]] = []
    found = route.find(event, failures)
    failed = [target for target, _ in failures]
    assert len(set(found)) == len(found)
    assert len(set(failed)) == len(failed)
    assert not set(found) & set(failed)
    assert not set(found) & set(route.everyone)
    got = set(found) | set(route.everyone)
    assert (got | set(failed)) <= set(alive)
    for target, interest in alive.items():
        answer = plain(router, interest, event, target)
        if isinstance(answer, bool):
            assert (target in got) is answer, (interest, event)
            assert target not in failed, (interest, event)
        else:  # it raises when it is asked; an index may find out without asking that it is not wanted
            assert target not in got, (interest, event)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(st.data())
def test_the_index_answers_as_plain_evaluation(data: st.DataObject) -> None:
    """Whatever is published, whoever comes and goes: the index finds those for whom ``condition(event)`` is true."""
    classes = classes_of(data.draw(shapes))
    router: Router[Target] = Router(())
    alive: dict[Target, Interest] = {}
    for _ in range(data.draw(st.integers(2, 12))):
        step = data.draw(st.sampled_from(["subscribe", "subscribe", "close", "publish"]))
        if step == "close" and alive:
            target = data.draw(st.sampled_from(list(alive)))
            router.remove(target)
            del alive[target]
        elif step == "publish":
            compare(router, alive, data.draw(events(classes)))
        else:
            subscribe(data, router, alive, classes)
    for _ in range(3):
        compare(router, alive, data.draw(events(classes)))
    for target in list(alive):
        router.remove(target)
        del alive[target]
    for cls in classes:
        assert not router.route(cls).choosy
        assert not router.route(cls).everyone


def subscribe(
    data: st.DataObject, router: Router[Target], alive: dict[Target, Interest], classes: tuple[type[Event], ...]
) -> None:
    """Let somebody in who wants something."""
    wants = data.draw(st.lists(st.sampled_from([*classes, Event]), max_size=2, unique=True))
    kind = data.draw(st.sampled_from(["condition"] * 6 + ["callable", "nothing"]))
    target = Target(data.draw(st.sampled_from([True, False, Raising])))
    where: Any = {"callable": lambda _: True, "nothing": None}.get(kind)
    if kind == "condition":
        where = data.draw(conditions(classes))
    try:
        interest = router.interest(tuple(wants), where)
    except ValueError:  # a wanted class of which the condition says nothing
        return
    router.add(target, interest)
    alive[target] = interest
