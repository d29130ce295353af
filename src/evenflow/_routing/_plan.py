"""From a condition to the places in the index where it can be found.

Rule 1: a condition that holds for an event is found at one of its places; what else it says is asked then.
Rule 2: nothing is found through ``~`` and ``!=``, which say what is not so.

    a == 1, one_of(a, 1, 2), a bool field    a key
    a > 1, a <= 5                            a span; those of one field are laid into one
    x & y                                    all keys together, and within them one span
    x | y                                    every place of x, and every place of y
    ~x, a != 1, values with == of their own  nowhere: asked one by one
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
"""How many keys a conjunction of ``one_of`` may become; what would make it more is asked instead."""


class Reading(NamedTuple):
    """What is read from an event: the value at the end of some names, or whether it is true."""

    names: tuple[str, ...]
    truth: bool = False


class Interval(NamedTuple):
    """The span in which what is read must lie; ``None`` is an open side, ``family`` whose order it is."""

    reading: Reading
    family: str
    low: Bound
    high: Bound


class Atom(NamedTuple):
    """One place in the index: events of this class whose readings give this key, and lie in this span."""

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
    """Where a condition is found, and whether being found there says it all."""

    atoms: tuple[Atom, ...]
    exact: bool


Keyed: TypeAlias = tuple[Reading, tuple[object, ...]]


def plan(condition: Condition, crowd: Callable[[Atom], int], /) -> Plan | None:
    """Where to find a condition; None where it has to be asked one by one.

    ``crowd`` says how many would be found along with it at a place: the least crowded span is taken.
    """
    parts = condition.parts if isinstance(condition, All) else (condition,)
    found = _plan_of_all(parts, crowd)
    if found is not None:
        return found
    covers = [cover for part in parts if isinstance(part, Either) if (cover := _plan_of_either(part, crowd))]
    return min(covers, key=lambda cover: len(cover.atoms), default=None)


def _plan_of_either(condition: Either, crowd: Callable[[Atom], int]) -> Plan | None:
    atoms: dict[Atom, None] = {}
    for part in condition.parts:
        found = plan(part, crowd)
        if found is None:
            return None
        atoms.update(dict.fromkeys(found.atoms))
    return Plan(tuple(atoms), exact=False)


def _plan_of_all(parts: tuple[Condition, ...], crowd: Callable[[Atom], int]) -> Plan | None:
    """One place for all that can be found together; the others are asked."""
    leaves = [part for part in parts if isinstance(part, (Comparison, OneOf, Truth))]
    owner = _narrowest(leaf.path.owner for leaf in leaves)
    leaves = [leaf for leaf in leaves if owner is not None and is_subclass(owner, leaf.path.owner)]
    keyed, used = _keys(leaves)
    intervals = _intervals(leaves)
    if owner is None or not (keyed or intervals):
        return None
    readings = tuple(keyed)
    keys = tuple(itertools.product(*keyed.values()))
    choices = [
        ([Atom(owner, readings, key, interval) for key in keys], merged) for interval, merged in intervals.items()
    ] or [([Atom(owner, readings, key, None) for key in keys], 0)]
    atoms, merged = choices[0] if len(choices) == 1 else min(choices, key=lambda choice: max(map(crowd, choice[0])))
    return Plan(tuple(atoms), exact=used + merged == len(parts))


def _narrowest(owners: Iterable[type]) -> type | None:
    """The class that is a subclass of the most others."""
    every = tuple(dict.fromkeys(owners))
    return max(every, key=lambda cls: sum(is_subclass(cls, other) for other in every), default=None)


def _keys(leaves: list[Comparison | OneOf | Truth]) -> tuple[dict[Reading, tuple[object, ...]], int]:
    """What is said by equality, fewest values first, each reading once; and how many of the leaves that is."""
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


def _intervals(leaves: list[Comparison | OneOf | Truth]) -> dict[Interval, int]:
    """What is said by order: one span for each field; and how many leaves each of them says."""
    said: dict[tuple[str, ...], list[Comparison]] = {}
    for leaf in leaves:
        if isinstance(leaf, Comparison) and leaf.op in ORDERINGS and one_family(leaf.value, None):
            said.setdefault(leaf.path.names, []).append(leaf)
    found: dict[Interval, int] = {}
    for names, bounds in said.items():
        low = next((leaf for leaf in bounds if leaf.op[0] == ">"), None)
        high = next((leaf for leaf in bounds if leaf.op[0] == "<"), None)
        interval = _interval(Reading(names), low, high)
        if interval is not None:
            found[interval] = (low is not None) + (high is not None)
    return found


def _interval(reading: Reading, low: Comparison | None, high: Comparison | None) -> Interval | None:
    """The span between two bounds; None where they have no common order, or nothing lies between them."""
    common = one_family(None if low is None else low.value, None if high is None else high.value)
    if common is None:
        return None
    family, lowest, highest = common
    start = BOTTOM if low is None else Bound(lowest, low.op == ">")
    end = TOP if high is None else Bound(highest, high.op == "<")
    return Interval(reading, family, start, end) if _has_room(start, end) else None


def _has_room(low: Bound, high: Bound) -> bool:
    """Whether any value may lie between."""
    return bool(low.value < high.value or (low.value == high.value and not low.is_open and not high.is_open))
