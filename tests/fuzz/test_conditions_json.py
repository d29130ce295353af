"""Conditions as JSON with random conditions, random documents and random text.

``EVENFLOW_FUZZ_EXAMPLES`` is the number of examples; ``make fuzz`` sets it to 50,000.
"""

from __future__ import annotations

import enum
import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel

from evenflow import Allowed, Condition, Event, fields, one_of, present, when
from evenflow._allowed import MOST_VALUES

EXAMPLES = int(os.environ.get("EVENFLOW_FUZZ_EXAMPLES", "150"))
BOUNDS = settings(
    max_examples=EXAMPLES, deadline=2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Kind(enum.StrEnum):
    A = "a"
    B = "b"


class Inner(BaseModel):
    n: int = 0
    text: str | None = None


class A(Event, name="fuzz.a"):
    n: int
    d: Decimal | None
    f: float
    q: Fraction
    s: str
    b: bool
    ob: bool | None
    e: Level
    k: Kind
    lit: Literal["x", 2]
    at: datetime
    day: date
    took: timedelta
    mixed: int | str | Decimal | None
    any: Any
    tags: list[str]
    inner: Inner
    maybe: Inner | None


class B(Event, name="fuzz.b"):
    n: int
    s: str | None
    b: bool


numbers = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.fractions(),
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=2))])
inners = st.builds(Inner, n=st.integers(), text=st.none() | text)
FIELDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (A.n, numbers),
    (A.d, numbers | st.none()),
    (present(A.d), numbers),
    (A.f, numbers),
    (A.q, numbers),
    (A.s, text),
    (A.b, numbers),
    (A.e, st.sampled_from([*Level, 1, 2])),
    (A.k, st.sampled_from([*Kind, "a", "b"])),
    (A.lit, st.sampled_from(["x", 2])),
    (A.at, st.datetimes(timezones=zones)),
    (A.day, st.dates()),
    (A.took, st.timedeltas()),
    (A.mixed, numbers | text | st.none()),
    (A.any, numbers | text | st.none() | st.lists(text, max_size=3)),
    (A.tags, st.lists(text, max_size=3)),
    (A.inner, inners),
    (A.inner.n, numbers),
    (A.maybe, inners | st.none()),
    (fields(A).maybe.n, numbers),  # type: ignore[union-attr]  # for events in which it may be None
    (present(A.maybe).n, numbers),
    (present(A.maybe).text, text),
    (present(present(A.maybe).text), text),
    (B.n, numbers),
    (B.s, text | st.none()),
]
ALLOWED = Allowed(*[field for field, _ in FIELDS], A.ob, B.b, also=("ne", "not"))
INDEXED = Allowed(A.n, A.d, A.s, A.e, A.at, A.mixed, A.any, A.q, present(A.maybe).n)
TRUTHS = [when(A.b), when(present(A.ob)), when(B.b)]


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    """A condition of one term."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(TRUTHS))
    field, values = draw(st.sampled_from(FIELDS))
    if draw(st.booleans()):
        return one_of(field, *draw(st.lists(values, min_size=1, max_size=4)))
    value = draw(values)
    sign = draw(st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]))
    condition: Condition = getattr(field, sign)(value)
    return condition


def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return st.one_of(
        st.builds(lambda a, b: a & b, parts, parts),
        st.builds(lambda a, b: a | b, parts, parts),
        parts.map(lambda a: ~a),
    )


conditions = st.recursive(comparisons(), joined, max_leaves=8)


@BOUNDS
@given(conditions)
def test_every_condition_is_read_as_it_was_written(condition: Condition) -> None:
    """From a condition to JSON and back is the same condition, whatever it compares."""
    assert Condition.from_json(condition._owners, condition.to_json(), ALLOWED) == condition


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
words = st.sampled_from(["eq", "ne", "in", "lt", "le", "gt", "ge", "true", "and", "or", "not", "x"])
names = st.sampled_from(
    ["n", "d!", "s", "e", "at", "maybe.n", "maybe!.n", "any", "fuzz.a:n", "b", "q", "mixed", "__class__"]
)
likely = st.sampled_from(["1e999999999", "nan", "1/0", "inf", "2026-01-01", "9" * 4000, 10**400, -0.0, 1, "a", None])
kinds = st.none() | st.sampled_from(["int", "float", "bool", "str", "decimal", "fraction", "x"])
terms = st.one_of(
    st.builds(lambda word, name, value: {word: [name, value]}, words, names, likely | json_values),
    st.builds(lambda word, name, value, kind: {word: [name, value, kind]}, words, names, likely | json_values, kinds),
    st.builds(lambda name, values: {"in": [name, values]}, names, st.lists(likely, max_size=MOST_VALUES + 2)),
    st.builds(lambda word, value: {word: value}, words, json_values),
)
documents = st.recursive(
    terms, lambda inner: st.builds(lambda word, parts: {word: parts}, words, st.lists(inner, max_size=5)), max_leaves=20
)
EVENT = A.model_construct(
    n=1,
    d=Decimal(1),
    q=Fraction(1, 2),
    s="a",
    e=Level.LOW,
    at=datetime(2026, 1, 1, tzinfo=UTC),
    mixed="a",
    any=5,
    maybe=None,
)


def asked(written: str) -> None:
    """Read it; only a ValueError with a short message may come out, and a condition can be asked, printed and hashed."""
    for model in (A, A | B):
        try:
            condition = Condition.from_json(model, written, INDEXED)
        except ValueError as error:
            assert len(str(error)) < 600
        else:
            hash(condition)
            str(condition)
            condition(EVENT)
            assert Condition.from_json(condition._owners, condition.to_json(), INDEXED) == condition


@BOUNDS
@given(documents | json_values)
def test_any_document_is_a_condition_or_a_value_error(document: object) -> None:
    """Nothing else comes out of what looks like a condition."""
    asked(json.dumps(document))


@BOUNDS
@given(st.text() | st.text('[]{}",:0123456789eq.-ntrulfas\\ ', max_size=300))
def test_any_text_is_a_condition_or_a_value_error(written: str) -> None:
    """Nothing else comes out of what does not even look like JSON."""
    asked(written)
