"""A change as messages. Pure, as far as it goes: what must be looked up first is told by what is raised or missing.

    what a change has             its messages
    a record put                  one, which removes the one before (``Nats-Rollup``)
    a record deleted              one without a value, which the server removes after a while
    a record expected             a header of its own message, or of another one of the change
    an event                      one
    an event with an id           the record of its id, which must not be there, and the event behind it
    an id reserved or freed       the record of the id

Rule 1: the record of an id and its event are neighbours: the event's number is one more than the record's sequence.
Rule 2: an id is thought to be free until it is looked up, which is done once the server has said that it is not.
Rule 3: a record that must not exist may have left the message of its deletion: that is looked up likewise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from evenflow.log._stored import ABSENT, Done, IdTaken, Outdated

from ._values import DELETED, EXPECTED, EXPECTED_OF, MSG_ID, ROLLUP, TTL, event_headers, put_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenflow.log._stored import Append, Change

    from ._names import Names
    from ._values import Message

MOST: Final = 1_000
"""Messages of one batch: a server takes no more, unless it is told to."""
GONE: Final = 120
"""Seconds that the message of a deletion stays: whoever follows what is due looks more often."""
FILLER: Final = 1
SMALL: Final = 1 << 12
"""Bytes that any server takes for one message."""
ADDED: Final = 400
"""Bytes of headers, at most, that are added when a message is sent, and between its headers."""


class Out(NamedTuple):
    """A message to be sent.

    Attributes:
        subject: where to.
        data: its payload.
        headers: its headers.
    """

    subject: str
    data: bytes
    headers: dict[str, str]


class Id(NamedTuple):
    """What is known of an id.

    Attributes:
        seq: of its record; 0 where there is none, and never was lately.
        digest: of the data that it belongs to; None where it is free.
        reserved: whether its event has not gone out yet.
    """

    seq: int = 0
    digest: str | None = None
    reserved: bool = False


FREE: Final = Id()


def id_in(message: Message | None) -> Id:
    """What the record of an id says."""
    if message is None:
        return FREE
    if message.is_deletion:
        return Id(message.seq)
    found = json.loads(message.data)
    return Id(message.seq, found["digest"], bool(found.get("reserved")))


class Writing(NamedTuple):
    """With what messages are made."""

    names: Names
    log: str
    member: str
    keep_ids: int


class Plan:
    """The messages of one change.

    Attributes:
        messages: in their order.
        touched: the subjects of records and ids that it writes or expects; a batch has each once.

    Raises:
        IdTaken: an id belongs to other data.
    """

    def __init__(
        self, writing: Writing, change: Change, name: str, ids: Mapping[str, Id], versions: Mapping[str, int]
    ) -> None:
        self._writing = writing
        self._names = writing.names
        self._change = change
        self._ids = dict(ids)
        self._versions = versions
        self._name = name
        self.messages: list[Out] = []
        self.touched: set[str] = set()
        self._places: list[int | None] = []
        """Of each appended event, the place of its message; None where it is there already."""
        self._known: list[int] = []
        """Of each appended event that is there already, its number."""
        self._records: dict[str, int] = {}
        self._events: list[int] = []
        for append in change.appends:
            self._append(append)
        self._reserve()
        self._free()
        self._put()
        self._expect_others()

    # ------------------------------------------------------------------ making messages

    def _append(self, append: Append) -> None:
        if append.id is not None and not self._take(append):
            return
        place = len(self.messages)
        self._places.append(place)
        self._known.append(0)
        self._events.append(place)
        self.messages.append(
            Out(
                self._names.event(append.subject, append.type, append.route),
                append.data,
                event_headers(self._writing.log, append, f"{self._name}-{place}"),
            )
        )

    def _take(self, append: Append) -> bool:
        """Take the id of an event; False where the event is there already."""
        assert append.id is not None
        subject, digest = self._names.id(append.subject, append.id), append.digest.hex()
        known = self._ids.get(subject, FREE)
        if known.digest is None or (known.reserved and append.scheduled):
            self._ids[subject] = Id(-len(self.messages), digest)
            self._write_id(subject, known.seq, digest, reserved=False)
            return True
        if known.reserved or known.digest != digest:
            raise IdTaken(append.subject, append.id, scheduled=known.reserved)
        if known.seq <= 0:  # it was appended by this change
            self._places.append(1 - known.seq)
            self._known.append(0)
        else:
            self._places.append(None)
            self._known.append(known.seq + 1)
        return False

    def _write_id(self, subject: str, seq: int, digest: str, *, reserved: bool) -> None:
        headers = {ROLLUP: "sub", EXPECTED: str(seq)}
        value: dict[str, object] = {"digest": digest}
        if reserved:
            value["reserved"] = True
        else:
            headers[TTL] = f"{self._writing.keep_ids}s"
        self._add(Out(subject, json.dumps(value).encode(), headers))

    def _reserve(self) -> None:
        for subject, name, digest in self._change.reserves:
            at = self._names.id(subject, name)
            known = self._ids.get(at, FREE)
            if known.digest is not None:
                same = not known.reserved and known.digest == digest.hex()
                raise IdTaken(subject, name, scheduled=known.reserved, same=same)
            self._ids[at] = Id(known.seq, digest.hex(), reserved=True)
            self._write_id(at, known.seq, digest.hex(), reserved=True)

    def _free(self) -> None:
        for subject, name in self._change.frees:
            at = self._names.id(subject, name)
            known = self._ids.get(at, FREE)
            if known.reserved and at not in self.touched:
                self._add(Out(at, b"", {**_DELETION, EXPECTED: str(known.seq)}))

    def _put(self) -> None:
        change, names = self._change, self._names
        for key, put in change.puts.items():
            subject = names.record(key)
            data, headers = put_message(put, None if names.key(subject) == key else key)
            self._expect(key, headers)
            self._records[key] = len(self.messages)
            self._add(Out(subject, data, headers))
        for key in change.deletes:
            if key not in change.puts:
                headers = dict(_DELETION)
                self._expect(key, headers)
                self._add(Out(names.record(key), b"", headers))

    def _expect(self, key: str, headers: dict[str, str]) -> None:
        version = self._change.expect.get(key)
        if version is not None:
            headers[EXPECTED] = str(self._sequence(key, version))

    def _sequence(self, key: str, version: int) -> int:
        return self._versions.get(key, 0) if version == ABSENT else version

    def _expect_others(self) -> None:
        """Expect what is not written: a header on messages that expect nothing of themselves."""
        others = self._change.expect.keys() - self._change.puts.keys() - set(self._change.deletes)
        if not others:
            return
        free = [out for out in self.messages if EXPECTED not in out.headers]
        for number, key in enumerate(sorted(others)):
            if free:
                out = free.pop()
            else:
                out = Out(self._names.filler(self._writing.member, number), b"", {TTL: f"{FILLER}s"})
                self.messages.append(out)
            subject = self._names.record(key)
            out.headers[EXPECTED] = str(self._sequence(key, self._change.expect[key]))
            out.headers[EXPECTED_OF] = subject
            self.touched.add(subject)

    def _add(self, out: Out) -> None:
        self.messages.append(out)
        self.touched.add(out.subject)

    # ------------------------------------------------------------------ a message alone

    @property
    def expects(self) -> bool:
        """Whether the first message expects something."""
        return EXPECTED in self.messages[0].headers

    def single(self) -> tuple[str, bytes, dict[str, str]]:
        """Where its only message is sent to, its payload, and its headers, with its id for the server."""
        ((to, data, headers),) = self.messages
        return to, data, {**headers, MSG_ID: self._name}

    # ------------------------------------------------------------------ what it came to

    @property
    def largest(self) -> int:
        """Bytes of the largest message, with what is added to its headers when it is sent; 0 where all are small."""
        if self._change.appends and len(self.messages) == 1 and self._is_small(self._change.appends[0]):
            return 0
        return max(
            len(out.data) + ADDED + sum(map(len, (*out.headers, *out.headers.values()))) for out in self.messages
        )

    @staticmethod
    def _is_small(append: Append) -> bool:
        return len(append.data) < SMALL and not append.headers

    def done(self, first: int) -> Done:
        """What the change came to, if its first message has this sequence."""
        seqs = [
            known if place is None else first + place for place, known in zip(self._places, self._known, strict=True)
        ]
        return Done(seqs, {key: first + place for key, place in self._records.items()})

    def newest_event(self, first: int) -> int:
        """The number of the last event that it has stored; 0 without one."""
        return first + self._events[-1] if self._events else 0


_DELETION: Final = {ROLLUP: "sub", DELETED: "DEL", TTL: f"{GONE}s"}


def ids_of(names: Names, change: Change) -> list[str]:
    """The records of the ids that a change is about."""
    found = [names.id(append.subject, append.id) for append in change.appends if append.id is not None]
    found += [names.id(reserve.subject, reserve.id) for reserve in change.reserves]
    return found + [names.id(subject, name) for subject, name in change.frees]


def must_look(change: Change) -> bool:
    """Whether ids must be looked up before anything is sent."""
    return bool(change.reserves or change.frees or any(append.scheduled for append in change.appends))


def differing(names: Names, change: Change, found: Mapping[str, Message]) -> dict[str, int]:
    """The sequences that the deletions of records have which must not exist.

    Raises:
        Outdated: a record has another version than was expected.
    """
    wrong: list[str] = []
    deletions: dict[str, int] = {}
    for key, version in change.expect.items():
        message = found.get(names.record(key))
        there = ABSENT if message is None or message.is_deletion else message.seq
        if there != version:
            wrong.append(key)
        elif message is not None and message.is_deletion:
            deletions[key] = message.seq
    if wrong:
        raise Outdated(wrong)
    return deletions


def parts_of(change: Change) -> Sequence[Change]:
    """The changes that a change is made in: one, unless it has nothing but more than a batch has messages of one kind.

    Whatever else is larger is one, too: whether the server takes that is its own setting.
    """
    others = len(change.puts) + len(change.deletes) + len(change.reserves) + len(change.frees)
    if 2 * len(change.appends) + others <= MOST:
        return [change]
    weights = [1 if append.id is None else 2 for append in change.appends]
    if sum(weights) + others <= MOST:
        return [change]
    if not others and not change.expect:
        return _events(change, weights)
    alone = not (change.puts or change.appends or change.reserves or change.frees)
    if alone and change.expect.keys().isdisjoint(change.deletes):
        return _deletions(change)
    return [change]


def _events(change: Change, weights: Sequence[int]) -> Sequence[Change]:
    parts: list[Change] = []
    start = size = 0
    for place, weight in enumerate(weights):
        if size + weight > MOST:
            parts.append(change._replace(appends=change.appends[start:place]))
            start, size = place, 0
        size += weight
    return [*parts, change._replace(appends=change.appends[start:])]


def _deletions(change: Change) -> Sequence[Change]:
    """Each of them expects the same, and can be done again."""
    deletes, half = list(change.deletes), MOST // 2
    return [change._replace(deletes=deletes[start : start + half]) for start in range(0, len(deletes), half)]
