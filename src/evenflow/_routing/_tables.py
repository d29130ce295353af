"""The places of the index: by key, and within a key by interval.

    Table    (region, customer.country)         one for each set of fields that conditions compare by equality
      Place    ("eu", "de")                     found by hash; holds the entries whose condition says no more
        Ranges   price                          one for each field that the others compare by order as well
          Spans    number                       one for each family of values
            Span     100 <= price < 200         found in logarithmic time; holds the entries of this interval

A key or an interval of one entry holds the entry itself, and most do. A crowd holds several.
If an event's value cannot be read or looked up, all entries that could be found by it are asked.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, cast

from evenflow._fields import MISSING

from ._entries import Crowd, Entry
from ._spans import BOTTOM, TOP, Spans
from ._values import HASHED, NO_ORDER, as_float, beside, can_be_hashed, family

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._plan import Interval, Reading

T = TypeVar("T")
Reader: TypeAlias = "Callable[[object], object]"

SAMPLE: Final = 64
"""How many entries are counted to compare how crowded two intervals are."""


class Table(Generic[T]):
    """The entries that are found by the values of these fields together."""

    __slots__ = ("_places", "_read", "_single", "_types", "readings")

    def __init__(self, readings: tuple[Reading, ...], /) -> None:
        self.readings = readings
        self._single = len(readings) == 1
        self._read = _reader_of(readings)
        self._places: dict[object, Entry[T] | Place[T]] = {}
        self._types: set[type] = set(HASHED)
        """The types whose values can be found by hash: those that always can, and those of the keys, such as enums."""

    def __bool__(self) -> bool:
        return bool(self._places)

    def entries(self) -> list[Entry[T]]:
        """All entries."""
        return [entry for held in self._places.values() for entry in held.entries()]

    def collect(self, event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Add the targets that certainly want this event to ``found``, and those that may want it to ``asked``."""
        # Without a key, entries are found by order alone, and are all at one place.
        if not self.readings:
            for place in self._places.values():
                place.collect(event, found, asked)
            return
        try:
            key = self._read(event)
            if key is MISSING:
                return
            known = type(key) in self._types or can_be_hashed(key, self._types)
            held = self._places.get(key) if known else None
        except Exception:  # noqa: BLE001 -- users' code may raise anything; the entries raise it again when asked
            known, held = False, None
        if not known:
            asked.update(dict.fromkeys(self.entries()))
        elif type(held) is Entry and held.exact:  # as `collect` would, without the call
            found[held.target] = None
        elif held is not None:
            held.collect(event, found, asked)

    def add(self, entry: Entry[T], key: tuple[object, ...], interval: Interval | None, /) -> None:
        """Add an entry."""
        key_here = key[0] if self._single else key
        # Whether a tuple or a frozenset can be found by hash depends on its items.
        self._types.update({type(part) for part in key} - {tuple, frozenset})
        held = self._places.get(key_here)
        if held is None and interval is None:
            self._places[key_here] = entry
            return
        if held is None or isinstance(held, Entry):
            place = self._places[key_here] = Place()
            if held is not None:
                place.add(held)
        else:
            place = held
        place.add_at(entry, interval)

    def remove(self, entry: Entry[T], key: tuple[object, ...], interval: Interval | None, /) -> None:
        """Remove an entry; removing it again changes nothing."""
        key_here = key[0] if self._single else key
        held = self._places.get(key_here)
        if isinstance(held, Place):
            held.remove_at(entry, interval)
        if held is entry or (isinstance(held, Place) and not held):
            del self._places[key_here]

    def count(self, key: tuple[object, ...], interval: Interval, /) -> int:
        """How many entries an event with this key and a value in this interval leads to."""
        held = self._places.get(key[0] if self._single else key)
        ranges = held.ranges.get(interval.reading) if isinstance(held, Place) else None
        return 0 if ranges is None else ranges.count(interval)


class Place(Crowd[T]):
    """The entries that have one key in common."""

    __slots__ = ("ranges",)

    def __init__(self) -> None:
        super().__init__()
        self.ranges: dict[Reading, Ranges[T]] = {}

    def __bool__(self) -> bool:
        return bool(self.exact or self.others or self.ranges)

    def entries(self) -> list[Entry[T]]:
        """All entries."""
        return [*super().entries(), *(entry for ranges in self.ranges.values() for entry in ranges.entries())]

    def collect(self, event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Add the entries that are here, and those with an interval in which the event lies."""
        super().collect(event, found, asked)
        if self.ranges:
            for ranges in self.ranges.values():
                ranges.collect(event, found, asked)

    def add_at(self, entry: Entry[T], interval: Interval | None, /) -> None:
        """Add an entry, within an interval if there is one."""
        if interval is None:
            self.add(entry)
            return
        ranges = self.ranges.get(interval.reading)
        if ranges is None:
            ranges = self.ranges[interval.reading] = Ranges(interval.reading)
        ranges.add(entry, interval)

    def remove_at(self, entry: Entry[T], interval: Interval | None, /) -> None:
        """Remove an entry; removing it again changes nothing."""
        if interval is None:
            self.remove(entry)
            return
        ranges = self.ranges.get(interval.reading)
        if ranges is not None:
            ranges.remove(entry, interval)
            if not ranges:
                del self.ranges[interval.reading]


class Ranges(Generic[T]):
    """The entries that are found by the order of one field."""

    __slots__ = ("_read", "families")

    def __init__(self, reading: Reading, /) -> None:
        self._read = _reader(reading)
        self.families: dict[str, Spans[Entry[T] | Crowd[T]]] = {}

    def __bool__(self) -> bool:
        return bool(self.families)

    def entries(self) -> list[Entry[T]]:
        """All entries."""
        return [entry for spans in self.families.values() for span in spans.all() for entry in span.held.entries()]

    def collect(self, event: object, found: dict[T, object], asked: dict[Entry[T], None], /) -> None:
        """Add the entries in whose interval this event's value lies."""
        try:
            known = self._collect(event, found, asked)
        except Exception:  # noqa: BLE001 -- users' code may raise anything; the entries raise it again when asked
            known = False
        if not known:
            asked.update(dict.fromkeys(self.entries()))

    def _collect(self, event: object, found: dict[T, object], asked: dict[Entry[T], None]) -> bool:
        """The same; return whether the value could be looked up."""
        value = self._read(event)
        if value is MISSING:
            return True
        name = family(value)
        if name is None:
            return False
        if name is NO_ORDER:
            return True
        for beside_it in beside(name):
            spans = self.families.get(beside_it)
            if spans is None:
                continue
            for span in spans.at(as_float(value) if beside_it == "number" else value):
                held = span.held
                # What `collect` of an entry does, without the call: most intervals hold one entry.
                if type(held) is Entry and held.exact:
                    found[held.target] = None
                else:
                    held.collect(event, found, asked)
        return True

    def add(self, entry: Entry[T], interval: Interval, /) -> None:
        """Add an entry."""
        spans = self.families.get(interval.family)
        if spans is None:
            spans = self.families[interval.family] = Spans()
        span = spans.find(interval.low, interval.high)
        if span is None:
            spans.add(interval.low, interval.high, entry)
            return
        if isinstance(span.held, Entry):
            crowd = Crowd[T]()
            crowd.add(span.held)
            span.held = crowd
        span.held.add(entry)

    def remove(self, entry: Entry[T], interval: Interval, /) -> None:
        """Remove an entry; removing it again changes nothing."""
        spans = self.families.get(interval.family)
        span = None if spans is None else spans.find(interval.low, interval.high)
        if spans is None or span is None:
            return
        held = span.held
        if isinstance(held, Crowd):
            held.remove(entry)
        if held is entry or (isinstance(held, Crowd) and not held):
            spans.remove(span)
        if not spans:
            del self.families[interval.family]

    def count(self, interval: Interval, /) -> int:
        """How many intervals lie around the bounds of this one; from ``SAMPLE`` on, how many there are at all."""
        spans = self.families.get(interval.family)
        if spans is None:
            return 0
        ends = [bound.value for bound in (interval.low, interval.high) if bound not in (BOTTOM, TOP)]
        most = max(len(spans.at(end, SAMPLE)) for end in ends)
        return most if most < SAMPLE else len(spans)


def _reader_of(readings: tuple[Reading, ...]) -> Reader:
    """The function that reads the key of an event; it returns ``MISSING`` if any part of the key is missing."""
    if len(readings) == 1:
        return _reader(readings[0])
    readers = tuple(map(_reader, readings))

    def read(event: object) -> object:
        values: list[object] = []
        for reader in readers:
            value = reader(event)
            if value is MISSING:
                return MISSING
            values.append(value)
        return tuple(values)

    return read


def _reader(reading: Reading) -> Reader:
    """The function that reads one value of an event; it returns ``MISSING`` if the path leads through None."""
    names, truth = reading
    if len(names) == 1 and not truth:
        return cast("Reader", operator.attrgetter(names[0]))

    def read(event: object) -> object:
        value: Any = event
        for name in names:
            if value is None:
                return MISSING
            value = getattr(value, name)
        return bool(value) if truth else value

    return read
