"""From a condition to the places in the index where it is found.

Rule 1: if a condition holds for an event, the event leads to one of its places. If it says more, it is asked then.
Rule 2: ``~`` and ``!=`` lead nowhere, because nearly every event meets them.

    a == 1, one_of(a, 1, 2), a bool field    a key
    a > 1, a <= 5                            an interval; two bounds of one field make one interval
    x & y                                    all keys together, and within them one interval
    x | y                                    every place of x, and every place of y
    ~x, a != 1, values with == of their own  no place: asked for every event
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from evenflow._conditions import ORDERINGS, All, Comparison, Condition, Either, OneOf, Truth

from ._classes import is_subclass
from ._spans import BOTTOM, TOP, Bound
from ._values import can_be_key, one_family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MANY: Final = 64
"""The most keys that several ``one_of`` together become. A further ``one_of`` that would make more is asked instead."""


class Reading(NamedTuple):
    """What is read from an event: the value at the end of these names, or with ``truth`` the bool of that value."""

    names: tuple[str, ...]
    truth: bool = False


class Interval(NamedTuple):
    """The bounds between which the value that is read must lie, and the family of values that they belong to."""

    reading: Reading
    family: str
    low: Bound
    high: Bound


class Atom(NamedTuple):
    """One place in the index: events of this class that have this key, and a value in this interval if there is one."""

    owner: type
    readings: tuple[Reading, ...]
    key: tuple[object, ...]
    interval: Interval | None

    def spoken(self) -> str:
        """The place in words: ``region and customer.country, in the order of total``."""
        keys = " and ".join(".".join(reading.names) for reading in self.readings)
        if self.interval is None:
            return keys
        order = f"the order of {'.'.join(self.interval.reading.names)}"
        return f"{keys}, then {order}" if keys else order


class Plan(NamedTuple):
    """The places of a condition; ``exact`` if it certainly holds for every event that leads to one of them."""

    atoms: tuple[Atom, ...]
    exact: bool


Keyed: TypeAlias = tuple[Reading, tuple[object, ...]]


def plan(condition: Condition, count: Callable[[Atom], int], /) -> Plan | None:
    """The places of a condition; None if it must be asked for every event.

    ``count`` says how many entries an event at a place leads to: of several intervals, the least crowded is taken.
    """
    parts = condition.parts if isinstance(condition, All) else (condition,)
    found = _plan_of_all(parts, count)
    if found is not None:
        return found
    covers = [cover for part in parts if isinstance(part, Either) if (cover := _plan_of_either(part, count))]
    return min(covers, key=lambda cover: len(cover.atoms), default=None)


def _plan_of_either(condition: Either, count: Callable[[Atom], int]) -> Plan | None:
    atoms: dict[Atom, None] = {}
    for part in condition.parts:
        found = plan(part, count)
        if found is None:
            return None
        atoms.update(dict.fromkeys(found.atoms))
    return Plan(tuple(atoms), exact=False)


def _plan_of_all(parts: tuple[Condition, ...], count: Callable[[Atom], int]) -> Plan | None:
    """The places of a conjunction: all its keys together, and one of its intervals. The other parts are asked."""
    leaves = [part for part in parts if isinstance(part, (Comparison, OneOf, Truth))]
    owner = _narrowest(leaf.path.owner for leaf in leaves)
    leaves = [leaf for leaf in leaves if owner is not None and is_subclass(owner, leaf.path.owner)]
    keyed, used = _keys(leaves)
    intervals = _intervals(leaves)
    if owner is None or not (keyed or any(intervals)):
        return None
    readings = tuple(keyed)
    keys = tuple(itertools.product(*keyed.values()))
    choices = [
        (tuple(Atom(owner, readings, key, interval) for key in keys), used + merged)
        for interval, merged in intervals.items()
    ]
    atoms, said = choices[0] if len(choices) == 1 else min(choices, key=lambda choice: max(map(count, choice[0])))
    return Plan(atoms, exact=said == len(parts))


def _narrowest(owners: Iterable[type]) -> type | None:
    """The class that is a subclass of most of the others."""
    every = tuple(dict.fromkeys(owners))
    return max(every, key=lambda cls: sum(is_subclass(cls, other) for other in every), default=None)


def _keys(leaves: list[Comparison | OneOf | Truth]) -> tuple[dict[Reading, tuple[object, ...]], int]:
    """What the leaves say by equality, each reading once, and how many leaves that is; those with few values first."""
    found: dict[Reading, tuple[object, ...]] = {}
    several = 1
    for reading, values in sorted(filter(None, map(_keyed, leaves)), key=lambda keyed: len(keyed[1])):
        if reading in found or (found and several * len(values) > MANY):
            continue
        found[reading] = values
        several *= len(values)
    return dict(sorted(found.items())), len(found)


def _keyed(leaf: Comparison | OneOf | Truth) -> Keyed | None:
    if isinstance(leaf, Truth):
        return Reading(leaf.path.names, truth=True), (True,)
    if isinstance(leaf, Comparison) and leaf.op != "==":
        return None
    values = leaf.values if isinstance(leaf, OneOf) else (leaf.value,)
    if not all(map(can_be_key, values)):
        return None
    return Reading(leaf.path.names), tuple(dict.fromkeys(values))


def _intervals(leaves: list[Comparison | OneOf | Truth]) -> dict[Interval | None, int]:
    """What the leaves say by order: an interval for each field, and how many leaves went into it; or None alone."""
    said: dict[tuple[str, ...], list[Comparison]] = {}
    for leaf in leaves:
        if isinstance(leaf, Comparison) and leaf.op in ORDERINGS and one_family(leaf.value, None):
            said.setdefault(leaf.path.names, []).append(leaf)
    found: dict[Interval | None, int] = {}
    for names, bounds in said.items():
        low = next((leaf for leaf in bounds if leaf.op[0] == ">"), None)
        high = next((leaf for leaf in bounds if leaf.op[0] == "<"), None)
        interval = _interval(Reading(names), low, high)
        if interval is not None:
            found[interval] = (low is not None) + (high is not None)
    return found or {None: 0}


def _interval(reading: Reading, low: Comparison | None, high: Comparison | None) -> Interval | None:
    """The interval between two bounds; None if they have no common order, or no value lies between them."""
    common = one_family(None if low is None else low.value, None if high is None else high.value)
    if common is None:
        return None
    family, lowest, highest = common
    start = BOTTOM if low is None else Bound(lowest, low.op == ">")
    end = TOP if high is None else Bound(highest, high.op == "<")
    return Interval(reading, family, start, end) if _has_room(start, end) else None


def _has_room(low: Bound, high: Bound) -> bool:
    """Whether a value can lie between these bounds."""
    return bool(low.value < high.value or (low.value == high.value and not low.is_open and not high.is_open))
