r"""Offsets: places in a subject of a log, and where one may be used.

A log writes one *lineage* at a time. It begins a new one where its events may differ from those of another copy:

    log        a1 ----1----2----3----4----5----6        offsets orders.a1.1 to orders.a1.6
                                 \
    its copy                      b7 ---4----5          orders.a1.1 to orders.a1.3, orders.b7.4, orders.b7.5

Rule 1: the offset of an event has the lineage in which the event was stored, so it is the same in every copy.
Rule 2: an offset may be used in a log that knows its lineage, up to where that log left this lineage.
        ``orders.a1.5`` is another event in the copy, or none: there it is refused, never taken for another place.
Rule 3: offsets of one subject are ordered by their numbers. Numbers are not gapless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from ._names import checked_name, short

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1


@lru_cache(maxsize=256)
def _check_line(subject: object, lineage: object) -> None:
    # Kept, because every event that is read has an offset, and they differ in their numbers alone.
    checked_name(subject)
    checked_name(lineage, "a lineage")


@dataclass(frozen=True, slots=True)
class Offset:
    """The place of an event in its subject, ordered within the subject.

    ``str(offset)`` is short, can stand in a URL or a header, and ``Offset.parse`` reads it back.
    What it is made of is for the log: compare offsets, keep them, give them to ``since=``, and nothing else.

    Attributes:
        subject: the name of the subject.
        lineage: the line of the log's history in which the event was stored.
        seq: its number in the log; 0 is before every event.

    Raises:
        TypeError: a part has the wrong type, or (when compared) the other is no offset.
        ValueError: a part cannot be in an offset, or (when compared) the other is one of another subject.
    """

    subject: str
    lineage: str
    seq: int

    def __post_init__(self) -> None:
        _check_line(self.subject, self.lineage)
        if not isinstance(self.seq, int) or isinstance(self.seq, bool):
            raise TypeError(f"the number of an offset must be a whole number, not {self.seq!r}")
        if not 0 <= self.seq <= _LARGEST:
            raise ValueError(f"the number of an offset must be between 0 and 2**63 - 1, not {self.seq}")

    @classmethod
    def _made(cls, subject: str, lineage: str, seq: int, /) -> Offset:
        """An offset of parts that are known to be right: in a fifth of the time."""
        made = object.__new__(cls)
        _set_subject(made, subject)
        _set_lineage(made, lineage)
        _set_seq(made, seq)
        return made

    @classmethod
    def parse(cls, text: str, /) -> Offset:
        """The offset that ``str(offset)`` wrote.

        Raises:
            TypeError: it is not a str.
            ValueError: it is not the text of an offset.
        """
        if not isinstance(text, str):
            raise TypeError(f"Offset.parse takes the text of an offset, not {text!r}")
        subject, _, rest = text.partition(".")
        lineage, _, seq = rest.partition(".")
        # `str` of a number writes it in one way; what int() would take besides is no text of ours.
        if not (seq.isascii() and seq.isdigit() and str(int(seq[:20])) == seq):
            raise ValueError(
                f"{short(text)} is not an offset; one looks like 'orders.k3x9.17', as str(offset) writes it"
            )
        try:
            return cls(subject, lineage, int(seq))
        except ValueError as error:
            raise ValueError(f"{short(text)} is not an offset: {error}") from None

    def __str__(self) -> str:
        return f"{self.subject}.{self.lineage}.{self.seq}"

    def __repr__(self) -> str:
        return f"Offset({str(self)!r})"

    def _place(self, other: Offset) -> tuple[int, str]:
        if other.subject != self.subject:
            raise ValueError(
                f"{self} and {other} cannot be compared: offsets are ordered within one subject, "
                f"and these are of {self.subject!r} and {other.subject!r}"
            )
        # Two events with one number in two copies of a log: the lineage only keeps sorting in agreement with `==`.
        return self.seq, self.lineage

    def __lt__(self, other: object, /) -> bool:
        return self._place(other) < other._place(self) if isinstance(other, Offset) else NotImplemented

    def __le__(self, other: object, /) -> bool:
        return self._place(other) <= other._place(self) if isinstance(other, Offset) else NotImplemented

    def __gt__(self, other: object, /) -> bool:
        return self._place(other) > other._place(self) if isinstance(other, Offset) else NotImplemented

    def __ge__(self, other: object, /) -> bool:
        return self._place(other) >= other._place(self) if isinstance(other, Offset) else NotImplemented


_set_subject, _set_lineage, _set_seq = (Offset.__dict__[part].__set__ for part in Offset.__slots__)
"""What sets the slots of an offset, which is frozen to everybody else."""

Since: TypeAlias = Offset | datetime | Literal["start", "now"]
"""Where reading begins: after an offset, at the first event at or after a time, with the oldest, or with what comes."""

Until: TypeAlias = Offset | datetime | Literal["end"]
"""Where reading ends: with the event at an offset, before the first event at or after a time, or with the newest."""


def lineage_of(seq: int, lineages: Sequence[tuple[str, int]], /) -> str:
    """The lineage in which the event with this number was stored.

    ``lineages`` are ``(id, after)``, the oldest first: events above ``after`` were stored in it, up to the next one's.
    """
    found = lineages[0][0]
    if len(lineages) == 1:
        return found
    for lineage, after in lineages[1:]:
        if seq <= after:
            break
        found = lineage
    return found


def offsets_of(seqs: Sequence[int], subject: str, lineages: Sequence[tuple[str, int]], /) -> list[Offset]:
    """The offsets of several events of a subject, whatever the order of their numbers."""
    if not seqs:
        return []
    lineage, made = lineage_of(min(seqs), lineages), Offset._made
    if lineage == lineage_of(max(seqs), lineages):
        return [made(subject, lineage, seq) for seq in seqs]
    return [made(subject, lineage_of(seq, lineages), seq) for seq in seqs]


def seq_in(offset: Offset, subject: str, lineages: Sequence[tuple[str, int]], /) -> int:
    """The number that an offset stands for in a subject of a log with these lineages (see ``lineage_of``).

    Raises:
        ValueError: it is an offset of another subject or of another log, or one of a copy of this log, after the two
            had parted.
    """
    if offset.subject != subject:
        raise ValueError(f"{offset} is an offset of the subject {offset.subject!r}, not of {subject!r}")
    newest = lineages[-1][0]
    for position, (lineage, _) in enumerate(lineages):
        if lineage != offset.lineage:
            continue
        left = lineages[position + 1][1] if lineage != newest else _LARGEST
        if offset.seq > left:
            raise ValueError(
                f"{offset} is not in this log of {subject!r}: it left the lineage {lineage!r} after {left}, and is in "
                f"{newest!r} now; the offset is of another copy, or of events that were lost; "
                f"since=Offset.parse('{subject}.{lineage}.{left}') reads what came after they parted"
            )
        return offset.seq
    raise ValueError(
        f"{offset} is of the lineage {offset.lineage!r}, which this log of {subject!r} does not know: it has "
        f"{', '.join(repr(known) for known, _ in lineages)}; the offset is of another log, or of a copy of this one"
    )


def checked_since(since: object, name: str = "since", /) -> Since:
    """Where reading begins.

    Raises:
        TypeError: it is no offset, datetime or str.
        ValueError: it is a naive datetime, or a text other than "start" and "now".
    """
    if since in ("start", "now"):
        return cast("Since", since)
    return _checked_place(since, name, "'start' or 'now'")


def checked_until(until: object, /) -> Until:
    """Where reading ends.

    Raises:
        TypeError: it is no offset, datetime or str.
        ValueError: it is a naive datetime, or a text other than "end".
    """
    if until == "end":
        return "end"
    return _checked_place(until, "until", "'end'")


def _checked_place(given: object, name: str, words: str) -> Offset | datetime:
    if isinstance(given, Offset):
        return given
    if isinstance(given, datetime):
        if given.utcoffset() is None:
            raise ValueError(
                f"{name} must be an aware datetime, not the naive {given!r}: add tzinfo=UTC, or .astimezone()"
            )
        return given
    if isinstance(given, str):
        raise ValueError(  # noqa: TRY004 -- a word is what it may be, but not this one
            f"{name} must be {words}, an Offset or an aware datetime, not {given!r}; Offset.parse reads a text"
        )
    raise TypeError(f"{name} must be {words}, an Offset or an aware datetime, not {given!r}")


def microseconds(time: datetime, /) -> int:
    """An aware datetime as whole microseconds since 1970, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def moment(microseconds: int, /) -> datetime:
    """Whole microseconds since 1970 as a datetime in UTC, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)
