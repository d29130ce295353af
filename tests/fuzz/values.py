"""Values of fields that could mislead the index."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Kind(enum.StrEnum):
    A = "a"
    B = "b"


class Bits(enum.IntFlag):
    ONE = 1
    TWO = 2


class Loose(str):
    """A text that ignores case when it is compared, with a hash of its own."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self) -> int:
        return 7


class Plain(str):
    """A text that changes nothing."""

    __slots__ = ()


class Backwards(int):
    """A number with the opposite order."""

    def __lt__(self, other: int) -> bool:
        return int(self) > int(other)

    def __gt__(self, other: int) -> bool:
        return int(self) < int(other)


class Everything:
    """Equals everything, is less and greater than everything, and has a hash of its own."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 12345

    def __lt__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True


class Unhashable:
    """Equals 1, and has no hash."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return other == 1


class Raising:
    """Cannot be compared with anything."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __lt__(self, other: object) -> bool:
        raise ZeroDivisionError

    __gt__ = __le__ = __ge__ = __lt__

    def __bool__(self) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError


BERLIN = ZoneInfo("Europe/Berlin")
NAN = float("nan")

NUMBERS = [
    0, 1, 2, 3, -1, True, False, 1.0, 0.5, -0.0, 2.5, NAN, float("inf"), float("-inf"), 2**70, float(2**70),
    Decimal(1), Decimal("1.0"), Decimal("2.5"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"),
    Fraction(1, 2), Fraction(2), complex(1, 0), Level.LOW, Level.HIGH, Bits.ONE, Bits.ONE | Bits.TWO, Backwards(1), Backwards(2),
]  # fmt: skip
TEXTS = ["", "a", "b", "A", "blue", "x" * 5000, Kind.A, Kind.B, Loose("a"), Plain("a"), b"a", b"b", bytearray(b"a")]
TIMES = [
    date(2026, 1, 1), date(2026, 6, 1), datetime(2026, 1, 1), datetime(2026, 6, 1, 12),  # noqa: DTZ001 -- no zone, on purpose
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
    time(1), time(1, tzinfo=UTC), time(2, tzinfo=timezone(timedelta(hours=1))), timedelta(1), timedelta(hours=24),
]  # fmt: skip
OTHERS = [
    None, Colour.RED, Colour.BLUE, uuid.UUID(int=1), uuid.UUID(int=2), (1, 2), (1, NAN), (), (1, [2]),
    [1], [], {"a": 1}, {1}, frozenset({1}), frozenset(), int, len, Everything(), Unhashable(), Raising(),
]  # fmt: skip
VALUES = [*NUMBERS, *TEXTS, *TIMES, *OTHERS]
