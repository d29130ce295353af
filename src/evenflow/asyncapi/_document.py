"""The AsyncAPI 3.0 document of some subjects.

    AsyncAPI                          here
    channels.<subject>                a subject: its address is the subject's name
    components.messages.<event>       a class of events: ``name`` is its wire name, its headers are those of CloudEvents
    operations.send-<subject>         what is published there is sent to whoever subscribes
    operations.receive-<subject>      a durable subject with consumers also takes in what others publish
    components.schemas                what the fields are on the wire
    x-evenflow                        retention, groups, versions, former names: whoever does not know it may ignore it

The same subjects give the same document in every run: keys are sorted, and fields stand as they were declared.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from evenflow.log._schemas import _steps_of
from evenflow.log._wire import CONTENT_TYPE

from ._draft07 import converted, pruned
from ._examples import examples_of
from ._subjects import documented
from ._wire_schema import wire_schemas

if TYPE_CHECKING:
    from evenflow.log._codec import Codec

    from ._subjects import Documentable, Documented
    from ._wire_schema import Schema

VERSION: Final = "3.0.0"
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_IN_ADDRESSES: Final = re.compile(r"[{}]")


def document(
    *subjects: Documentable, title: str, version: str, servers: Mapping[str, str | Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of these subjects, made of what JSON has, so that ``json.dumps`` can write it.

    Of a log all subjects are documented. A subject is documented with the classes that it declares and their
    subclasses, as far as they are defined now. The same classes give the same document in every run.

    Args:
        subjects: subjects in memory, which need a ``name=``, durable ones, and logs.
        title: of the application.
        version: of the application's interface: yours to choose.
        servers: by name, where the events can be had: an address, whose password is left out, or a server object of
            AsyncAPI, which is taken as it is.

    Raises:
        TypeError: something is no subject and no log, pydantic cannot write a class, or a text is none.
        ValueError: there is no subject, two subjects have one name, or two classes have one wire name.
    """
    for what, text in (("title", title), ("version", version)):
        if not isinstance(text, str) or not text.strip():
            raise TypeError(f"{what} must be a text that is not empty, not {text!r}")
    found = documented(*subjects)
    codecs = {name: codec for subject in found for name, codec in subject.codecs.items()}
    messages = _keys(codecs)
    channels = _keys(subject.name for subject in found)
    payloads, schemas = _schemas(codecs)
    made: dict[str, Any] = {"asyncapi": VERSION, "info": {"title": title, "version": version}}
    made["defaultContentType"] = CONTENT_TYPE
    if servers:
        made["servers"] = {name: _server(name, servers[name]) for name in sorted(servers)}
    made["channels"] = {channels[subject.name]: _channel(subject, messages) for subject in found}
    made["operations"] = _operations(found, channels, messages)
    made["components"] = {
        "messages": {messages[name]: _message(codecs[name], payloads[name], schemas) for name in sorted(codecs)},
        "schemas": {name: pruned(schemas[name], schemas) for name in sorted(schemas)},
    }
    return made


def _keys(names: Any) -> dict[str, str]:
    """A key for each name: what AsyncAPI and references allow, and different for different names."""
    keys: dict[str, str] = {}
    for name in sorted(names):
        key = base = _NOT_IN_KEYS.sub("_", name).strip("_") or "unnamed"
        number = 2
        while key in keys.values():
            key, number = f"{base}_{number}", number + 1
        keys[name] = key
    return keys


def _schemas(codecs: Mapping[str, Codec]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    payloads, schemas = wire_schemas(codecs)
    return (
        {name: converted(schema) for name, schema in payloads.items()},
        {name: converted(schema) for name, schema in schemas.items()},
    )


def _channel(subject: Documented, messages: Mapping[str, str]) -> dict[str, Any]:
    references = {messages[name]: {"$ref": f"#/components/messages/{messages[name]}"} for name in subject.codecs}
    return {
        # Braces would be parameters, and those have rules of their own.
        "address": None if _NOT_IN_ADDRESSES.search(subject.name) else subject.name,
        "title": subject.name,
        "description": _described(subject),
        "messages": dict(sorted(references.items())),
        "x-evenflow": dict(sorted(subject.facts.items())),
    }


def _described(subject: Documented) -> str:
    if not subject.facts["durable"]:
        replay = subject.facts.get("replay", 0)
        later = f"whoever subscribes gets the last {replay} first" if replay else "whoever subscribes gets what is new"
        return f"Events in memory, in one order: {later}."
    retain = subject.facts.get("retain")
    kept = "all of them are kept" if retain is None else "the oldest are removed as x-evenflow.retain says"
    return f"Events in the log {subject.facts['log']}, in one order, to be read from any place: {kept}."


def _operations(
    subjects: Sequence[Documented], channels: Mapping[str, str], messages: Mapping[str, str]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for subject in subjects:
        channel = f"#/channels/{channels[subject.name]}"
        references = [
            {"$ref": f"{channel}/messages/{key}"} for key in sorted(messages[name] for name in subject.codecs)
        ]
        common = {"channel": {"$ref": channel}, "messages": references}
        made[f"send-{channels[subject.name]}"] = {
            "action": "send",
            "summary": f"What is published to {subject.name} goes to all who subscribe.",
            **common,
        }
        if subject.groups:
            groups = ", ".join(subject.groups)
            made[f"receive-{channels[subject.name]}"] = {
                "action": "receive",
                "summary": f"What anybody publishes to {subject.name} is handled by the groups: {groups}.",
                **common,
            }
    return dict(sorted(made.items()))


def _message(codec: Codec, payload: Schema, schemas: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": codec.name, "title": codec.cls.__name__, "contentType": CONTENT_TYPE}
    if codec.cls.__module__ != "builtins" and (said := codec.cls.__dict__.get("__doc__")):
        made["description"] = inspect.cleandoc(said)
    made["headers"] = _headers(codec)
    made["payload"] = pruned(payload, schemas)
    if examples := examples_of(codec, payload, schemas):
        made["examples"] = [{"payload": example} for example in examples]
    facts: dict[str, Any] = {"version": codec.version}
    if codec.formerly:
        facts["formerly"] = list(codec.formerly)
    if oldest := min(_steps_of(codec.cls), default=0):
        facts["readsFrom"] = oldest
    made["x-evenflow"] = dict(sorted(facts.items()))
    return made


def _headers(codec: Codec) -> Schema:
    """The attributes of CloudEvents in binary mode, without the prefix that the binding of a transport gives them."""
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "description": "CloudEvents 1.0; the binding of the transport gives each name its prefix, such as ce-",
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {**text, "description": "unique for its source"},
            "source": {**text, "format": "uri-reference", "description": "urn:evenflow:<log>:<subject>"},
            "type": {"type": "string", "const": codec.name},
            "time": {"type": "string", "format": "date-time", "description": "when it was stored"},
            "datacontenttype": {"type": "string", "const": CONTENT_TYPE},
            "schemaversion": {
                "type": "string",
                "const": str(codec.version),
                "description": "the version that this document describes; older events in a log have a smaller one",
            },
        },
        "required": ["specversion", "id", "source", "type", "datacontenttype", "schemaversion"],
    }


def _server(name: str, server: object) -> dict[str, Any]:
    if isinstance(server, Mapping):
        return dict(cast("Mapping[str, Any]", server))
    if not isinstance(server, str):
        raise TypeError(f"the server {name!r} must be an address or a server object of AsyncAPI, not {server!r}")
    parts = urlsplit(server)
    if not parts.scheme or not parts.hostname:
        raise ValueError(f"the server {name!r} must be an address such as nats://events.example.org:4222")
    host = parts.netloc.rpartition("@")[2]
    made = {"host": host, "protocol": parts.scheme}
    return made | {"pathname": parts.path} if parts.path.strip("/") else made
