"""The index against plain evaluation, with random classes, conditions and events, and random subscribing and closing.

``EVENFLOW_FUZZ_EXAMPLES`` is the number of examples; ``make fuzz`` sets it to 50,000.
"""

from __future__ import annotations

import functools
import operator
import os
import random
import warnings
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel, ConfigDict, create_model

from evenflow import Condition, Event, one_of, present, when
from evenflow._routing import Interest, Router
from tests.fuzz import values

EXAMPLES = int(os.environ.get("EVENFLOW_FUZZ_EXAMPLES", "150"))


class Inner(BaseModel):
    """A model inside an event."""

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


@functools.cache
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


# Every strategy is made once. It draws recipes, and classes are looked up for them later.
def shape_of(seed: int) -> Shape:
    """A few classes: for each, its parent (or none) and some fields of some types."""
    draw = random.Random(seed)
    return tuple(
        (
            draw.randrange(-1, 3),
            tuple((name, draw.randrange(4)) for name in draw.sample(sorted(FIELDS), draw.randrange(1, 5))),
        )
        for _ in range(draw.randrange(1, 5))
    )


shapes = st.integers(0, 499).map(shape_of)  # 1,250 classes or so: pydantic takes its time to make one
anything = st.integers(0, len(values.VALUES) - 1).map(values.VALUES.__getitem__)  # some cannot be hashed
number = st.integers(0, 11)
inners = st.recursive(
    st.none(),
    lambda deeper: st.builds(Inner.model_construct, x=anything, n=st.integers(0, 2), deeper=deeper),
    max_leaves=2,
)
EventRecipe = tuple[int, list[tuple[Any, int]], Any]
event_recipes = st.tuples(number, st.lists(st.tuples(anything, number), min_size=4, max_size=4), inners)
SIGNS: dict[str, Any] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
forms = st.sampled_from(["==", "==", "==", "!=", "<", "<=", ">", ">=", "<", ">=", "one_of", "truth"])
leaves = st.tuples(
    st.just("leaf"), number, number, number, st.integers(0, 4), forms, st.lists(anything, min_size=1, max_size=4)
)
condition_recipes = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("&&|"), inner, inner),
        st.tuples(st.just("~"), inner),
    ),
    max_leaves=5,
)
steps = st.one_of(
    st.tuples(st.just("subscribe"), st.lists(number, max_size=2), st.integers(0, 7), condition_recipes, number),
    st.tuples(st.just("subscribe"), st.lists(number, max_size=2), st.integers(0, 7), condition_recipes, number),
    st.tuples(st.just("close"), number),
    st.tuples(st.just("publish"), event_recipes),
)
programs = st.tuples(shapes, st.lists(steps, min_size=3, max_size=14), st.lists(event_recipes, min_size=3, max_size=3))


def event_of(recipe: EventRecipe, classes: tuple[type[Event], ...]) -> Event:
    """An event of one of these classes; fields of any type hold any value."""
    which, given_values, inner = recipe
    cls = classes[which % len(classes)]
    supply = iter(given_values)
    held: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        if name == "sub":
            held[name] = inner
            continue
        value, choice = next(supply)
        allowed = TYPED.get(info.annotation)
        held[name] = value if allowed is None else allowed[choice % len(allowed)]
    return cls.model_construct(**held)


def leaf_of(recipe: Any, classes: tuple[type[Event], ...]) -> Condition:
    """One comparison; raises if it is refused."""
    _, which, name_number, step, presence, form, found = recipe
    cls: Any = classes[which % len(classes)]
    names = sorted(cls.model_fields)
    name = names[name_number % len(names)]
    field = getattr(cls, name)
    if name == "sub":
        for below in (("x",), ("n",), ("deeper", "x"), ("deeper", "n"))[step % 4]:
            field = getattr(field, below)
    if presence == 0:
        field = present(field)
    if form == "truth":
        return when(field)
    for value in (*found, 1, "a"):  # the first that the field can hold
        try:
            return one_of(field, value, *found) if form == "one_of" else when(SIGNS[form](field, value))
        except TypeError:
            found = []
    raise TypeError("nothing fits")


def condition_of(recipe: Any, classes: tuple[type[Event], ...]) -> Condition:
    """Comparisons, joined; raises if one is refused."""
    if recipe[0] == "leaf":
        return leaf_of(recipe, classes)
    parts = [condition_of(part, classes) for part in recipe[1:]]
    if recipe[0] == "~":
        return ~parts[0]
    return parts[0] & parts[1] if recipe[0] == "&" else parts[0] | parts[1]


class Target:
    """Something that wants events, with a callable of its own."""

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
    """Find who wants an event, and compare that with the plain answers."""
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
@given(programs)
def test_the_index_answers_as_plain_evaluation(program: Any) -> None:
    """Whatever is published, and whoever subscribes and closes, the index finds those for whom ``condition(event)`` is true."""
    shape, steps_drawn, last_events = program
    classes = classes_of(shape)
    router: Router[Target] = Router(())
    alive: dict[Target, Interest] = {}
    for step in steps_drawn:
        if step[0] == "publish":
            compare(router, alive, event_of(step[1], classes))
        elif step[0] == "subscribe":
            subscribe(step, router, alive, classes)
        elif alive:
            target = list(alive)[step[1] % len(alive)]
            router.remove(target)
            del alive[target]
    for recipe in last_events:
        compare(router, alive, event_of(recipe, classes))
    for target in alive:
        router.remove(target)
    for cls in classes:
        assert not router.route(cls).conditional
        assert not router.route(cls).everyone


def subscribe(
    step: Any, router: Router[Target], alive: dict[Target, Interest], classes: tuple[type[Event], ...]
) -> None:
    """Add a target, unless what it wants is refused."""
    _, wanted, kind, recipe, answer = step
    choices = [*classes, Event]
    wants = tuple(dict.fromkeys(choices[which % len(choices)] for which in wanted))
    target = Target([True, False, Raising][answer % 3])
    try:
        where: Any = None if kind == 0 else (lambda _: True) if kind == 1 else condition_of(recipe, classes)
        interest = router.interest(wants, where)
    except (TypeError, ValueError, ArithmeticError):  # refused when it is written
        return
    router.add(target, interest)
    alive[target] = interest
