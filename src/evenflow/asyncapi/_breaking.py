"""Which changes between two documents break whoever reads what we send, or publishes what we take in.

                     breaks readers of what is sent                 breaks publishers of what is taken in
    a subject        removed, or nothing is sent there any more     removed, or nothing is taken in there any more
    an event         removed                                        removed, and no class has its name as a former one
    a field          removed, no longer always there                newly required, no longer allowed
    a type, a value  one that they do not know may come             one that they publish is refused
    a limit          wider                                          narrower

Rule 1: which direction an event has is what the operations of the older document say: ``send``, ``receive``.
Rule 2: what is new breaks nobody: a reader asks for the events that it knows.
Rule 3: what is taken in may be of an older version, if the class has ``@upgrade`` from that one on.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, cast

from ._contained import Comparison, Difference

Direction: TypeAlias = Literal["send", "receive"]


class Change(NamedTuple):
    """A change that breaks somebody.

    Attributes:
        subject: where.
        event: the wire name of the event; empty if the subject itself is meant.
        field: which field, such as ``lines[].price``; empty if the event itself is meant.
        direction: ``send``: it breaks readers of what we send; ``receive``: whoever publishes what we take in.
        kind: ``removed``, ``missing``, ``required``, ``extra``, ``type``, ``value``, ``limit``, ``unclear``.
        text: what it is, in one sentence.
    """

    subject: str
    event: str
    field: str
    direction: Direction
    kind: str
    text: str


class _Message(NamedTuple):
    name: str
    payload: Any
    version: int
    reads_from: int
    formerly: tuple[str, ...]


def breaking_changes(old: object, new: object, /) -> list[Change]:
    """The changes from one document to the other that break somebody, sorted; none if they are compatible.

    Raises:
        ValueError: one of them is no AsyncAPI 3 document, or has a reference that leads nowhere.
    """
    before, after = _Document(old, "the old document"), _Document(new, "the new document")
    found: list[Change] = []
    for (subject, direction), messages in before.sent.items():
        now = after.sent.get((subject, direction))
        if now is None:
            gone = subject not in after.subjects
            found.append(_subject_gone(subject, direction, gone))
            continue
        for name in messages:
            found += _of_event(subject, direction, messages[name], now, before, after)
    return sorted(set(found))


def _subject_gone(subject: str, direction: Direction, gone: bool) -> Change:
    what = "was removed" if gone else "sends nothing any more" if direction == "send" else "takes nothing in any more"
    return Change(subject, "", "", direction, "removed", f"The subject {subject} {what}.")


def _of_event(
    subject: str, direction: Direction, was: _Message, now: dict[str, _Message], before: _Document, after: _Document
) -> list[Change]:
    event = now.get(was.name)
    if direction == "send":
        if event is None:
            text = f"{was.name} is no longer sent to {subject}."
            return [Change(subject, was.name, "", direction, "removed", text)]
        compared = Comparison(after.schemas, before.schemas, strict=True).differences(event.payload, was.payload)
        return [_sent(subject, was.name, each) for each in compared]
    event = event or next((each for each in now.values() if was.name in each.formerly), None)
    if event is None:
        text = f"{was.name} is no longer taken in from {subject}."
        return [Change(subject, was.name, "", direction, "removed", text)]
    if was.version < event.version and event.reads_from <= was.version:
        return []
    compared = Comparison(before.schemas, after.schemas, strict=False).differences(was.payload, event.payload)
    return [_taken_in(subject, was.name, each) for each in compared]


def _sent(subject: str, event: str, found: Difference) -> Change:
    field, full = _named(event, found)
    texts = {
        "removed": f"{full} is no longer sent.",
        "missing": f"{full} is no longer always there.",
        "extra": f"{full} is sent now, and readers were told that there are no other fields."
        if field
        else f"{full} may have other fields now, and readers were told that there are none.",
        "type": f"{full} may now be {found.sent}; it was {found.read}.",
        "value": f"{full} may now be {found.sent}; it was {found.read}.",
        "limit": f"{full} has a wider limit: it was {found.read}, and is {found.sent}.",
        "unclear": f"{full} cannot be compared: readers were promised {found.read}.",
    }
    return Change(subject, event, field, "send", found.kind, f"In {subject}, {texts[found.kind]}")


def _taken_in(subject: str, event: str, found: Difference) -> Change:
    field, full = _named(event, found)
    kind = "required" if found.kind in ("removed", "missing") else found.kind
    texts = {
        "required": f"{full} is now required of whoever publishes.",
        "extra": f"{full} is no longer allowed." if field else f"{full} no longer allows other fields.",
        "type": f"{full} must now be {found.read}; it could be {found.sent}.",
        "value": f"{full} must now be {found.read}; it could be {found.sent}.",
        "limit": f"{full} has a narrower limit: it was {found.sent}, and is {found.read}.",
        "unclear": f"{full} cannot be compared: it now demands {found.read}.",
    }
    return Change(subject, event, field, "receive", kind, f"In {subject}, {texts[kind]}")


def _named(event: str, found: Difference) -> tuple[str, str]:
    field = ".".join(found.path).replace(".[", "[")
    return field, f"{event}.{field}" if field else event


class _Document:
    """What is sent and taken in, by subject."""

    def __init__(self, document: object, what: str) -> None:
        if not isinstance(document, dict):
            raise ValueError(f"{what} is no AsyncAPI document: it is no JSON object")  # noqa: TRY004 -- it is what a file has
        self._whole = cast("dict[str, Any]", document)
        self._what = what
        version = str(self._whole.get("asyncapi", ""))
        if not version.startswith("3."):
            raise ValueError(f"{what} is no AsyncAPI 3 document: it says asyncapi: {version or 'nothing'}")
        try:
            self.schemas: dict[str, Any] = self._whole.get("components", {}).get("schemas", {})
            self.subjects = {_subject(key, channel) for key, channel in self._whole.get("channels", {}).items()}
            self.sent = self._by_subject()
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{what} is no valid AsyncAPI document: {error!r}") from error

    def _by_subject(self) -> dict[tuple[str, Direction], dict[str, _Message]]:
        found: dict[tuple[str, Direction], dict[str, _Message]] = {}
        for operation in self._whole.get("operations", {}).values():
            direction: Direction = operation["action"]
            if direction not in ("send", "receive"):
                raise ValueError(f"{self._what} has an operation with the action {direction!r}")
            reference = operation["channel"]["$ref"]
            channel = self._at(operation["channel"])
            listed = operation.get("messages")
            messages = list(channel.get("messages", {}).values()) if listed is None else listed
            made = found.setdefault((_subject(reference.rpartition("/")[2], channel), direction), {})
            for message in map(self._message, messages):
                made[message.name] = message
        return found

    def _message(self, reference: Any) -> _Message:
        message = self._at(reference)
        payload = message.get("payload", True)
        if isinstance(payload, dict) and "schemaFormat" in payload:
            raise ValueError(f"{self._what} describes {message.get('name')} as {payload['schemaFormat']}: not compared")
        name = message.get("name") or str(reference.get("$ref", "")).rpartition("/")[2]
        facts = message.get("x-evenflow", {})
        version = facts.get("version", 1)
        return _Message(name, payload, version, facts.get("readsFrom", version), tuple(facts.get("formerly", ())))

    def _at(self, node: Any) -> Any:
        """What a reference leads to, through others."""
        for _ in range(10):
            if "$ref" not in node:
                return node
            reference = str(node["$ref"])
            node = self._whole
            try:
                for part in reference.removeprefix("#/").split("/"):
                    node = node[part.replace("~1", "/").replace("~0", "~")]
            except (KeyError, TypeError):
                raise ValueError(f"{self._what} refers to {reference!r}, which is not there") from None
        raise ValueError(f"{self._what} has a reference that refers to itself")


def _subject(key: str, channel: Any) -> str:
    return str(channel.get("address") or channel.get("title") or key)
