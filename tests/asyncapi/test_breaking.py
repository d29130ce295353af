"""Which changes of a program break somebody: each kind is found, in one sentence, and nothing else is."""

from __future__ import annotations

import copy
import inspect
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from evenflow import Event, Subject
from evenflow.asyncapi import document
from evenflow.asyncapi._breaking import Change, breaking_changes
from evenflow.log import upgrade
from evenflow.testing import MemoryLog
from tests.conftest import UNAVOIDABLE


class Line(BaseModel):
    price: float = 1.0
    count: int = 1


class Person(BaseModel):
    kind: Literal["person"] = "person"
    name: str = ""


class Firm(BaseModel):
    kind: Literal["firm"] = "firm"
    number: int = 0


FIELDS: dict[str, Any] = {
    "n": (int, ...),
    "text": (str, "x"),
    "maybe": (int | None, None),
    "state": (Literal["new", "paid"], "new"),
    "size": (Annotated[int, Field(ge=0, le=10)], 1),
    "lines": (list[Line], []),
    "by_name": (dict[str, int], {}),
    "buyer": (Annotated[Person | Firm, Field(discriminator="kind")], Person()),
}
SOMETIMES = "exclude_if" in inspect.signature(Field).parameters
"""Whether this pydantic has fields that are written only sometimes: it has since 2.12."""


def sometimes(default: Any) -> Any:
    """A field that is not written when it has its default."""
    return Field(default, exclude_if=lambda value: value == default) if SOMETIMES else Field(default)


FIELDS["rare"] = (int, sometimes(1))


def cls(fields: dict[str, Any] = FIELDS, /, name: str = "Order", **keywords: Any) -> type[Event]:
    """A class of events with these fields."""
    return create_model(name, __base__=Event, __cls_kwargs__=keywords, **fields)


def made(*classes: type[Event], inward: bool = False, name: str = "orders") -> dict[str, Any]:
    """The document of a subject with these classes; with `inward` others publish there too."""
    log = MemoryLog(name="shop")
    subject = log.subject(name, *classes)
    if inward:

        @subject.consumer("billing")
        async def bill(event: Event) -> None: ...

    whole: dict[str, Any] = json.loads(json.dumps(document(subject, title="Shop", version="1")))
    return whole


def texts(old: dict[str, Any], new: dict[str, Any], direction: str = "send") -> list[str]:
    """What breaks in this direction."""
    return [change.text for change in breaking_changes(old, new) if change.direction == direction]


OLD, OLD_INWARD = made(cls()), made(cls(), inward=True)


def test_a_document_that_did_not_change_is_compatible() -> None:
    """In both directions."""
    assert breaking_changes(OLD_INWARD, copy.deepcopy(OLD_INWARD)) == []


SENT = [
    ("text", None, "In orders, Order.text is no longer sent."),
    ("rare", None, "In orders, Order.rare is no longer sent."),
    (
        "text",
        (str, sometimes("x")),
        "In orders, Order.text is no longer always there.",
    ),
    ("n", (str, ...), "In orders, Order.n may now be a string; it was an integer."),
    ("n", (int | None, ...), "In orders, Order.n may now be null; it was an integer."),
    ("state", (Literal["new", "paid", "sent"], "new"), "In orders, Order.state may now be 'sent'; it was 'new' or 'paid'."),
    ("state", (str, "new"), "In orders, Order.state may now be a string; it was 'new' or 'paid'."),
    (
        "size",
        (Annotated[int, Field(ge=0, le=20)], 1),
        "In orders, Order.size has a wider limit: it was maximum 10, and is maximum 20.",
    ),
    ("size", (int, 1), "In orders, Order.size has a wider limit: it was minimum 0, and is no minimum."),
    ("by_name", (dict[str, str], {}), "In orders, Order.by_name[] may now be a string; it was an integer."),
    ("lines", (list[int], []), "In orders, Order.lines[] may now be an integer; it was an object (Line)."),
    ("buyer", (Person | int, 1), "In orders, Order.buyer may now be an integer; it was an object (Person) or an object (Firm)."),
]  # fmt: skip


@pytest.mark.parametrize("field, now, text", SENT)
def test_each_change_that_breaks_a_reader_is_found(field: str, now: Any, text: str) -> None:
    """Of a field, in one sentence, as long as the event is sent."""
    if text.endswith("no longer always there.") and not SOMETIMES:
        pytest.skip(f"{UNAVOIDABLE}this pydantic always writes every field")
    fields = {**FIELDS, field: now}
    new = made(cls({name: part for name, part in fields.items() if part is not None}))
    assert text in texts(OLD, new)
    assert texts(OLD, new, "receive") == []


TAKEN_IN = [
    ("more", (int, ...), None),
    ("n", (str, ...), "In orders, Order.n must now be a string; it could be an integer."),
    ("maybe", (int, 1), "In orders, Order.maybe must now be an integer; it could be null."),
    ("state", (Literal["new"], "new"), "In orders, Order.state must now be 'new'; it could be 'paid'."),
    (
        "size",
        (Annotated[int, Field(ge=0, le=5)], 1),
        "In orders, Order.size has a narrower limit: it was maximum 10, and is maximum 5.",
    ),
    ("maybe", (int | None, ...), "In orders, Order.maybe is now required of whoever publishes."),
]


@pytest.mark.parametrize("field, now, text", TAKEN_IN)
def test_each_change_that_breaks_a_publisher_is_found(field: str, now: Any, text: str | None) -> None:
    """Of what is taken in: new demands, narrower types."""
    new = made(cls({**FIELDS, field: now}), inward=True)
    text = text or f"In orders, Order.{field} is now required of whoever publishes."
    assert text in texts(OLD_INWARD, new, "receive")


def test_subjects_and_events_that_are_gone_are_found() -> None:
    """A subject that was removed, one that takes nothing in any more, an event that has another name."""
    old = made(cls(), cls(name="Paid"), inward=True)
    assert breaking_changes(old, made(cls(), name="other")) == [
        Change("orders", "", "", direction, "removed", "The subject orders was removed.")
        for direction in ("receive", "send")
    ]
    assert texts(old, made(cls(), cls(name="Paid")), "receive") == ["The subject orders takes nothing in any more."]
    renamed = made(cls(), cls(name="Paid2", formerly=("Paid",)), inward=True)
    assert texts(old, renamed) == ["Paid is no longer sent to orders."]
    assert texts(old, renamed, "receive") == []  # a log reads the former name
    assert texts(old, made(cls(), inward=True), "receive") == ["Paid is no longer taken in from orders."]


def test_what_an_upgrade_reads_breaks_no_publisher() -> None:
    """Who publishes the older version is understood; who reads gets the new one."""
    newer = cls({**FIELDS, "more": (int, ...)}, version=2)
    assert texts(OLD_INWARD, made(newer, inward=True), "receive") != []
    upgrade(newer, from_version=1)(lambda old: {**old, "more": 1})
    assert breaking_changes(OLD_INWARD, made(newer, inward=True)) == []


def test_a_class_that_forbids_other_fields_cannot_get_or_lose_one_quietly() -> None:
    """`extra="forbid"`: readers were told that there is no other, and a publisher's old field is refused."""

    class Strict(Event, name="Order"):
        model_config = ConfigDict(extra="forbid")
        n: int

    class Grown(Event, name="Order"):
        model_config = ConfigDict(extra="forbid")
        n: int
        more: int = 1

    loose, strict, grown = (made(each, inward=True) for each in (cls({"n": (int, ...)}), Strict, Grown))
    assert breaking_changes(loose, strict) == []  # whoever publishes keeps to the fields that are named
    assert texts(strict, grown) == [
        "In orders, Order.more is sent now, and readers were told that there are no other fields."
    ]
    assert texts(grown, strict, "receive") == ["In orders, Order.more is no longer allowed."]


def test_a_subject_in_memory_is_compared_as_well() -> None:
    """By its name, whatever key the name has become."""
    old, new = (
        document(Subject(each, name="a {b}"), title="t", version="1") for each in (cls(), cls({"n": (str, ...)}))
    )
    assert any(change.subject == "a {b}" and change.field == "n" for change in breaking_changes(old, new))


class Node(BaseModel):
    value: int = 0
    parts: list[Node] = Field(default=[])


class NewNode(BaseModel):
    value: str = ""
    parts: list[NewNode] = Field(default=[])


def test_a_change_deep_in_a_class_that_contains_itself_is_found_once() -> None:
    """Where it is met first; and comparing ends."""
    old, new = made(cls({"root": (Node, ...)})), made(cls({"root": (NewNode, ...)}))
    assert texts(old, new) == ["In orders, Order.root.value may now be a string; it was an integer."]


KINDS: list[Any] = [
    int, str, float, bool, bytes, int | None, list[int], dict[str, str], Line, Person | Firm, tuple[int, str], Any,
    Annotated[int, Field(ge=3)], Annotated[str, Field(max_length=4)], Literal["a", "b"], list[Line | None], Node,
]  # fmt: skip
PLAIN = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(KINDS), min_size=1, max_size=5)


def as_fields(kinds: dict[str, Any]) -> dict[str, Any]:
    """Fields without defaults."""
    return {name: (kind, ...) for name, kind in kinds.items()}


@settings(max_examples=30)
@given(PLAIN, st.data())
def test_random_compatible_changes_break_nobody(kinds: dict[str, Any], data: st.DataObject) -> None:
    """New events, new fields with a default, other words, another order: any of them together."""
    fields = as_fields(kinds)
    new = {name: fields[name] for name in data.draw(st.permutations(sorted(fields)))}
    for name in data.draw(st.lists(st.sampled_from(sorted(kinds)), unique=True)):
        new[name] = (kinds[name], Field(..., description="other words", title="Other"))
    for number, kind in enumerate(data.draw(st.lists(st.sampled_from(KINDS), max_size=3))):
        new[f"new{number}"] = (kind | None, None)
    more = [cls(as_fields(data.draw(PLAIN)), "More")] if data.draw(st.booleans()) else []
    assert breaking_changes(made(cls(fields), inward=True), made(cls(new), *more, inward=True)) == []


@settings(max_examples=30)
@given(PLAIN, st.data())
def test_random_breaking_changes_are_found(kinds: dict[str, Any], data: st.DataObject) -> None:
    """A field that is removed, gets another type, or may be missing; one that publishers must give: each is named."""
    fields = as_fields(kinds)
    name = data.draw(st.sampled_from(sorted(kinds)))
    how = data.draw(st.sampled_from(["removed", "type", "required", *(["missing"] if SOMETIMES else [])]))
    new = {**fields, "always": (int, 1)}
    if how == "removed":
        del new[name]
    elif how == "required":
        name = "other"
        new[name] = (data.draw(st.sampled_from(KINDS)), ...)
    elif how == "missing":
        new[name] = (kinds[name], sometimes(...))
    else:
        fields[name] = (data.draw(st.sampled_from([int, Literal["a", "b"], Line, list[int], bool, Node])), ...)
        new[name] = (Literal["quite", "another"], ...)
    found = breaking_changes(made(cls(fields), inward=True), made(cls(new), inward=True))
    direction = "receive" if how == "required" else "send"
    assert (name, direction) in {(change.field, change.direction) for change in found}


@pytest.mark.parametrize(
    "document, says",
    [
        (None, "it is no JSON object"),
        ([], "it is no JSON object"),
        ({}, "it says asyncapi: nothing"),
        ({"asyncapi": "2.6.0"}, "it says asyncapi: 2.6.0"),
        ({"asyncapi": "3.0.0", "channels": []}, "no valid AsyncAPI document"),
        ({"asyncapi": "3.0.0", "operations": {"a": {}}}, "no valid AsyncAPI document"),
        ({"asyncapi": "3.0.0", "operations": {"a": {"action": "send", "channel": {"$ref": "#/channels/x"}}}}, "not there"),
        ({"asyncapi": "3.0.0", "channels": {"x": {}},
          "operations": {"a": {"action": "shout", "channel": {"$ref": "#/channels/x"}}}}, "the action 'shout'"),
        ({"asyncapi": "3.0.0", "channels": {"x": {"$ref": "#/channels/x"}},
          "operations": {"a": {"action": "send", "channel": {"$ref": "#/channels/x"}}}}, "refers to itself"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(document: object, says: str) -> None:
    """In one sentence that says which of the two it is."""
    with pytest.raises(ValueError, match=says):
        breaking_changes(document, OLD)
    with pytest.raises(ValueError, match="the new document"):
        breaking_changes(OLD, document)


def test_a_payload_of_another_language_and_a_dangling_reference_are_refused() -> None:
    """They cannot be compared, and silence would say that they are compatible."""
    avro, dangling = copy.deepcopy(OLD), copy.deepcopy(OLD)
    avro["components"]["messages"]["Order"]["payload"] = {"schemaFormat": "application/vnd.apache.avro", "schema": {}}
    dangling["components"]["messages"]["Order"]["payload"] = {"$ref": "#/components/schemas/Nowhere"}
    with pytest.raises(ValueError, match="not compared"):
        breaking_changes(avro, OLD)
    with pytest.raises(ValueError, match="leads to no schema"):
        breaking_changes(OLD, dangling)
