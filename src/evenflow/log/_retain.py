"""What a subject keeps: the words for it, checked when they are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from evenflow._comparable import path_of
from evenflow._fields import fields_of
from evenflow._routing import names

if TYPE_CHECKING:
    from collections.abc import Hashable

    from evenflow._fields import Path

Unacked: TypeAlias = Literal["keep", "drop"]
"""What happens to an event that retention would remove and a group has still to acknowledge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retain:
    """How much of its history a subject keeps; what is oldest goes first.

    An event goes as soon as it is beyond any of the limits; with ``last_by``, the newest event of each key stays.
    ``Retain(age=timedelta(days=30), events=10_000_000, last_by=Tick.symbol)``

    Attributes:
        age: events older than this go.
        events: when there are more than this, the oldest go.
        last_by: a field: the newest event of each value of it stays, however old (SQLite and Postgres).
            Alone it keeps nothing but these.
        unacked: ``"keep"`` what a group has still to acknowledge, or ``"drop"`` it, counted and told as a ``Gap``.

    Raises:
        TypeError: a limit has the wrong type, or ``last_by`` is no field of an event.
        ValueError: a limit is not more than 0, nothing is limited, or ``unacked`` is another word.
    """

    age: timedelta | None = None
    events: int | None = None
    last_by: Hashable | None = None
    unacked: Unacked = "keep"

    def __post_init__(self) -> None:
        if self.age is None and self.events is None and self.last_by is None:
            raise ValueError("Retain() limits nothing; give age=, events= or last_by=, or leave retain= out")
        if self.age is not None:
            _check_age(self.age)
        if self.events is not None:
            _check_events(self.events)
        if self.last_by is not None and path_of(self.last_by) is None:
            raise TypeError(
                f"last_by must be a field of an event (Tick.symbol), not {self.last_by!r}: "
                "the log keeps it, and a callable cannot be kept"
            )
        if self.unacked not in get_args(Unacked):
            raise ValueError(f"unacked must be 'keep' or 'drop', not {self.unacked!r}")

    @property
    def key(self) -> Path | None:
        """Where ``last_by`` reads the key of an event."""
        return None if self.last_by is None else path_of(self.last_by)

    def __eq__(self, other: object, /) -> bool:
        return self._parts() == other._parts() if isinstance(other, Retain) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        # the field itself is compared with nothing: that would be a condition
        return self.age, self.events, self.key, self.unacked


def refuse_without_key(retain: Retain, classes: tuple[type, ...], /) -> None:
    """Refuse ``last_by`` where the events of a class could have no key.

    Raises:
        ValueError: a class has no such field, and is no base of the class that has it.
    """
    path = retain.key
    if path is None:
        return
    without = [cls for cls in classes if path.names[0] not in (fields_of(cls) or {}) and cls not in path.owner.__mro__]
    if without:
        raise ValueError(
            f"last_by={path} is no field of {', '.join(names(without))}, which the subject carries too; every class"
            " needs it: give the others a subject of their own"
        )


def _check_age(age: object) -> None:
    if not isinstance(age, timedelta):
        raise TypeError(f"age must be a timedelta, not {age!r}: write timedelta(days=30)")
    if age <= timedelta(0):
        raise ValueError(f"age must be more than 0, not {age}")


def _check_events(events: object) -> None:
    if not isinstance(events, int) or isinstance(events, bool):
        raise TypeError(f"events must be a whole number, not {events!r}")
    if events < 1:
        raise ValueError(f"events must be at least 1, not {events}")
