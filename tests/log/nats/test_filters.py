"""Which subjects have what a reader wants."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from evenflow.log._nats._filters import MOST, patterns
from evenflow.log._nats._layouts import Layout
from evenflow.log._nats._names import Names
from evenflow.log._routes import Route, Wanted

NAMES = Names("evenflow-shop", "evenflow.shop")
START = "evenflow.shop.events.orders."
PLACED = Layout("Placed", ("region",), 2)
BOTH = Layout("Placed", ("region", "kind"), 2)


def asked(types: set[str] | None = None, versions: Any = None, **fields: set[str]) -> Wanted:
    """A reader of these types whose fields have one of these texts."""
    version_of = {"Placed": 2, "Shipped": 1} if versions is None else versions
    texts = {name: frozenset(some) for name, some in fields.items()}
    return Wanted(None if types is None else frozenset(types), texts, version_of.get)


def found(wanted: Wanted, *layouts: Layout) -> list[str]:
    """The patterns, without what all begin with."""
    return [pattern.removeprefix(START) for pattern in patterns(NAMES, "orders", wanted, frozenset(layouts))]


def test_a_text_of_a_field_is_a_token() -> None:
    """Beside it stand the events that have no route."""
    assert found(asked({"Placed"}, region={"eu"}), PLACED) == ["Placed._", "Placed.region@2.eu"]
    assert found(asked(region={"a.b *", ""}), PLACED) == ["*._", "Placed.region@2.=", "Placed.region@2.a=2Eb=20=2A"]
    assert found(asked({"Placed"}, region={"eu", "us"}, kind={"a"}), BOTH) == [
        "Placed._",
        "Placed.region+kind@2.eu.a",
        "Placed.region+kind@2.us.a",
    ]
    assert found(asked({"Placed"}, kind={"a"}), BOTH) == ["Placed._", "Placed.region+kind@2.*.a"]


def test_of_a_layout_of_which_nothing_is_known_everything_is_asked_for() -> None:
    """One of another version, by other fields, or of a class that nobody here knows."""
    old, other, unknown = PLACED._replace(version=1), Layout("Placed", ("kind",), 2), Layout("New", ("region",), 1)
    assert found(asked(region={"eu"}), PLACED, old, other, unknown) == [
        "*._",
        "New.region@1.>",
        "Placed.kind@2.>",
        "Placed.region@1.>",
        "Placed.region@2.eu",
    ]
    assert found(asked({"Placed"}, region={"eu"}), PLACED, unknown) == ["Placed._", "Placed.region@2.eu"]


def test_where_nothing_can_be_left_out_there_is_one_question_for_each_type() -> None:
    """Or one for all there is."""
    assert found(asked()) == [">"]
    assert found(asked(region={"eu"})) == [">"]
    assert found(asked({"Placed", "Shipped"}, kind={"a"}), PLACED) in (
        ["Placed.>", "Shipped.>"],
        ["Shipped.>", "Placed.>"],
    )
    assert found(asked({"Placed"}), PLACED) == ["Placed.>"]
    assert found(asked(set(), region={"eu"}), PLACED) == [">"]
    assert found(asked({f"T{n}" for n in range(MOST + 1)})) == [">"]


def test_there_is_a_bounded_number_of_questions() -> None:
    """The field with the most texts is left open first."""
    many = {str(n) for n in range(MOST)}
    assert found(asked({"Placed"}, region=many, kind={"a"}), BOTH) == ["Placed._", "Placed.region+kind@2.*.a"]
    assert len(found(asked({"Placed"}, region=set(list(many)[1:])), PLACED)) == MOST
    assert found(asked({"Placed"}, region=many), PLACED) == ["Placed.>"]
    layouts = [Layout("Placed", (f"f{n}",), 2) for n in range(MOST)]
    assert found(asked({"Placed"}, f1={"x"}), *layouts) == ["Placed.>"]


TEXTS = st.text(max_size=3) | st.sampled_from(["a.b", "*", ">", " ", "_", "x" * 300])
FIELDS = st.lists(st.sampled_from(["region", "kind", "customer.country"]), min_size=1, max_size=3, unique=True)


def matches(pattern: str, subject: str) -> bool:
    """What the server means by a pattern."""
    ours, theirs = pattern.split("."), subject.split(".")
    if ours[-1] == ">":
        return len(theirs) >= len(ours) and all(map(_token_matches, ours[:-1], theirs))
    return len(ours) == len(theirs) and all(map(_token_matches, ours, theirs))


def _token_matches(ours: str, theirs: str) -> bool:
    return ours in ("*", theirs)


@given(st.data())
def test_each_event_that_may_be_wanted_matches_a_pattern(data: st.DataObject) -> None:
    """Whatever it is routed by; and one with another text does not, as long as there is room for all texts."""
    kind = data.draw(st.sampled_from(["Placed", "Shipped", "shop.new"]))
    fields, version = tuple(data.draw(FIELDS)), data.draw(st.sampled_from([1, 2]))
    texts = tuple(data.draw(TEXTS) for _ in fields)
    route = data.draw(st.sampled_from([None, Route(fields, version, texts)]))
    others = data.draw(
        st.lists(st.builds(Layout, st.sampled_from(["Placed", "Shipped"]), FIELDS.map(tuple), st.just(2)))
    )
    layouts = {*others} if route is None else {*others, Layout(kind, fields, version)}
    asked_of = data.draw(
        st.dictionaries(st.sampled_from(["region", "kind", "customer.country"]), st.sets(TEXTS, max_size=20))
    )
    wanted = asked(data.draw(st.sampled_from([None, {kind}, {kind, "Placed"}])), **asked_of)
    subject = NAMES.event("orders", kind, route)
    some = patterns(NAMES, "orders", wanted, layouts)
    assert 1 <= len(some) <= MOST
    limits = None if route is None else wanted.texts(kind, fields, version)
    may_be_wanted = limits is None or all(
        each is None or text in each for text, each in zip(texts, limits, strict=True)
    )
    if may_be_wanted:
        assert any(matches(pattern, subject) for pattern in some)
    elif not others and sum(map(len, asked_of.values())) <= 2:
        assert not any(matches(pattern, subject) for pattern in some)
