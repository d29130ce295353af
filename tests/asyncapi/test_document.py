"""The document: what the official parser says of it, and that it is the same in every run."""

from __future__ import annotations

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evenflow import Event, Subject
from evenflow.asyncapi import document
from evenflow.log import Retain, upgrade
from evenflow.log._codec import codec_of
from evenflow.log._wire import CloudEvent, attributes_of, source_of
from evenflow.testing import MemoryLog

from .kit import Cat, Changed, Closed, Everything, Open, Settings, Tree, valid

Parse = Callable[[object], dict[str, Any]]

EVERY = (Everything, Settings, Tree, Changed[Cat], Changed[int], Closed, Open)


class Moved(Event, name="shop.moved", version=3, formerly=("Moved",)):
    """Something stands elsewhere."""

    to: str


@upgrade(Moved, from_version=2)
def _from_2(old: dict[str, Any]) -> dict[str, Any]:
    return old


def whole(**keywords: Any) -> dict[str, Any]:
    """A document with a subject of each kind."""
    log = MemoryLog(name="shop")
    kept = log.subject("orders", *EVERY, retain=Retain(age=timedelta(days=3), events=5))

    @kept.consumer("billing")
    async def bill(event: Everything) -> None: ...

    named = Subject(Moved, name="moves {all} / of them", replay=3)
    other = Subject(Moved, Tree, name="moves.all.of.them")
    return document(log, named, other, title="Shop", version="1.2.0", **keywords)


def complaints(said: dict[str, Any]) -> list[Any]:
    """What the parser says, without its advice to use the newest version of AsyncAPI."""
    return [each for each in said["said"] if each["code"] != "asyncapi-latest-version"]


def test_the_official_parser_accepts_a_document_of_every_kind_of_event_and_subject(parse: Parse) -> None:
    """It has no complaint, and finds each message by its wire name."""
    servers = {
        "live": "nats://user:secret@events.example.org:4222/shop",
        "test": {"host": "localhost", "protocol": "x"},
    }
    said = parse(whole(servers=servers))
    assert said["accepted"]
    assert complaints(said) == []
    assert set(said["messages"]) == {codec_of(cls).name for cls in (*EVERY, Moved)}


@pytest.mark.parametrize("broken", ["reference", "type", "operation"])
def test_the_parser_sees_what_is_broken(broken: str, parse: Parse) -> None:
    """That the parser accepts a document says something: it does not accept one with a mistake in it."""
    made = whole()
    message = made["components"]["messages"]["kit.everything"]
    if broken == "reference":
        message["payload"] = {"$ref": "#/components/schemas/Nowhere"}
    elif broken == "type":
        message["payload"] = {"type": "nonsense"}
    else:
        made["operations"]["send-orders"]["messages"][0] = {"$ref": "#/components/messages/kit.everything"}
    said = parse(made)
    assert [each for each in complaints(said) if each["severity"] <= 1]


def test_the_same_classes_give_the_same_text_in_every_process() -> None:
    """Whatever the seed of hashes is, so that the text can be committed and compared."""
    script = "import json; from tests.asyncapi.test_document import whole; print(json.dumps(whole(), indent=2))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert texts == {json.dumps(whole(), indent=2) + "\n"}


def test_a_channel_says_how_its_subject_keeps_events() -> None:
    """Retention and groups of a durable subject, the replay of one in memory; names become keys that references allow."""
    channels = whole()["channels"]
    assert channels["orders"]["address"] == "orders"
    assert channels["orders"]["x-evenflow"] == {
        "durable": True,
        "groups": ["billing"],
        "log": "shop",
        "retain": {"age": "P3D", "events": 5, "unacked": "keep"},
    }
    log = MemoryLog(name="shop")
    log.subject("newest", Everything, retain=Retain(last_by=Everything.number, unacked="drop"))
    newest = document(log, title="t", version="1")["channels"]["newest"]
    assert newest["x-evenflow"]["retain"] == {"lastBy": "number", "unacked": "drop"}
    assert channels["moves_all_of_them"]["title"] == "moves {all} / of them"
    assert channels["moves_all_of_them"]["address"] is None  # braces would be parameters
    assert channels["moves_all_of_them"]["x-evenflow"] == {"durable": False, "replay": 3}
    assert channels["moves.all.of.them"]["x-evenflow"] == {"durable": False}


def test_what_a_subject_with_consumers_takes_in_is_documented_too() -> None:
    """An operation `send` for each subject, and `receive` where groups handle what anybody publishes."""
    operations = whole()["operations"]
    assert [(name, operation["action"]) for name, operation in operations.items()] == [
        ("receive-orders", "receive"),
        ("send-moves.all.of.them", "send"),
        ("send-moves_all_of_them", "send"),
        ("send-orders", "send"),
    ]
    assert operations["send-moves.all.of.them"]["messages"] == [
        {"$ref": "#/channels/moves.all.of.them/messages/Tree"},
        {"$ref": "#/channels/moves.all.of.them/messages/shop.moved"},
    ]


def test_a_message_knows_its_names_and_versions() -> None:
    """Wire name, description, version, former names, and the oldest version that `@upgrade` reads."""
    message = whole()["components"]["messages"]["shop.moved"]
    assert (message["name"], message["title"]) == ("shop.moved", "Moved")
    assert message["description"] == "Something stands elsewhere."
    assert message["x-evenflow"] == {"formerly": ["Moved"], "readsFrom": 2, "version": 3}


def test_headers_are_valid_for_the_attributes_of_a_real_cloudevent() -> None:
    """Those of our own event are; those of another type or version are not."""
    made = whole()
    headers = made["components"]["messages"]["shop.moved"]["headers"]
    event = CloudEvent("7", source_of("shop", "moves"), "shop.moved", b"{}", time=1, version=3, headers={"trace": "x"})
    assert valid(made, headers, attributes_of(event))
    for wrong in (event._replace(type="other"), event._replace(version=2), event._replace(id="")):
        assert not valid(made, headers, attributes_of(wrong))


def test_base_classes_and_subclasses_are_messages_and_abstract_ones_are_not() -> None:
    """A subject carries its classes and all that derive from them."""

    class Abstract(Event, ABC):
        @abstractmethod
        def says(self) -> str: ...

    class Base(Abstract, name="kit.base"):
        number: int

        def says(self) -> str:
            return "base"

    class Derived(Base, name="kit.derived"):
        more: str

    made = document(Subject(Abstract, name="all"), title="t", version="1")
    assert list(made["components"]["messages"]) == ["kit.base", "kit.derived"]
    derived = made["components"]["schemas"]["Derived"]
    assert list(derived["properties"]) == ["number", "more"]
    assert Derived(number=1, more="x").says() == "base"


def test_servers_are_addresses_without_their_passwords_or_objects_taken_as_they_are() -> None:
    """A user and a password never stand in a document."""
    servers = {"b": {"host": "h", "protocol": "kafka", "tags": []}, "a": "redis://user:secret@db.example.org:6379/3"}
    made = whole(servers=servers)["servers"]
    assert list(made.items()) == [
        ("a", {"host": "db.example.org:6379", "protocol": "redis", "pathname": "/3"}),
        ("b", {"host": "h", "protocol": "kafka", "tags": []}),
    ]
    assert "servers" not in whole()
    with pytest.raises(ValueError, match="must be an address"):
        whole(servers={"a": "localhost"})
    with pytest.raises(TypeError, match="an address or a server object"):
        whole(servers={"a": 7})


@pytest.mark.parametrize("keywords", [{"title": ""}, {"version": None}, {"title": 7}])
def test_a_title_and_a_version_are_texts(keywords: dict[str, Any]) -> None:
    """AsyncAPI needs both."""
    with pytest.raises(TypeError, match="must be a text that is not empty"):
        document(Subject(Moved, name="moves"), **{"title": "t", "version": "1", **keywords})
