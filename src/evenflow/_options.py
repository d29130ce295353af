"""The options of subjects, subscriptions and observers: their names, what they may be, and their defaults."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar, cast, get_args

from ._comparable import path_of
from ._events import is_printable
from ._fields import fields_of
from ._mailbox import Overflow, UserFunctions
from ._routing import is_async, names

if TYPE_CHECKING:
    from ._conditions import Condition
    from ._fields import Path
    from ._routing import Interest

W = TypeVar("W")

Where: TypeAlias = "Condition | int | Callable[[W], bool] | None"
"""Which events of the wanted classes: a condition (type checkers see a bool), or a quick callable."""

Key: TypeAlias = Callable[[W], Hashable] | Hashable
"""What ``conflate`` and ``replay_by`` read from an event: a field, or a callable."""

BUFFER: Final = 64
"""Events in a buffer by default: enough for one turn of the event loop, few enough to notice a slow reader."""

REPLAY_KEYS: Final = 10_000
STALL_AFTER: Final = 5.0


class _ReaderOptions(TypedDict, Generic[W], total=False):
    """Keyword arguments of both subscriptions and observers."""

    where: Where[W]
    buffer: int
    overflow: Overflow | None
    conflate: Key[W] | None
    name: str | None


class ObserveOptions(_ReaderOptions[W], Generic[W], total=False):
    """Keyword arguments of ``Subject.observe`` and ``Subject.observer``."""

    concurrency: int
    ordered_by: Key[W] | None
    context: Literal["subject", "publisher"]


class SubscribeOptions(_ReaderOptions[W], Generic[W], total=False):
    """Keyword arguments of ``Subject.subscribe``."""

    replay: bool | int


class SubjectOptions(TypedDict, Generic[W], total=False):
    """Keyword arguments of ``Subject``."""

    name: str | None
    replay: int
    replay_by: Key[W] | None
    replay_keys: int
    stall_after: float


def _never_has(cls: type, path: Path) -> bool:
    """Whether no event of this class can have the attribute that the path reads."""
    known = fields_of(cls)
    if known is None or issubclass(cls, path.owner) or issubclass(path.owner, cls):
        return False
    return path.names[0] not in known and path.names[0] not in dir(cls)


def whole(value: object, name: str, least: int, hint: str = "") -> int:
    """The value, if it is a whole number of at least ``least`` and not a bool."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}{hint}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}{hint}")
    return value


def checked_buffer(buffer: object) -> int:
    """How many events a buffer holds."""
    newest = "to keep only the newest event use buffer=1, overflow='drop_oldest', or State"
    return whole(buffer, "buffer", 1, f"; every buffer is bounded, a large one by 10_000; {newest}")


def checked_replay(replay: object) -> bool | int:
    """How many of the kept events a subscription gets at most; True for all of them."""
    if isinstance(replay, bool):
        return replay
    return whole(replay, "replay", 0, "; True is all that the subject keeps, False is none")


def checked_overflow(overflow: object, *, conflated: bool, may_block: bool = True) -> Overflow:
    """What happens when a buffer is full."""
    if overflow is None:
        return "drop_oldest" if conflated or not may_block else "block"
    if overflow == "block" and not may_block:
        raise ValueError(
            "overflow='block' would make the handlers wait that failed: on failures use overflow='drop_oldest'"
            " (the default), 'drop_newest' or 'disconnect'"
        )
    return cast("Overflow", _word(overflow, "overflow", get_args(Overflow)))


def checked_context(context: object) -> str:
    """Whose context variables a handler sees: those at the ``async with``, or the publisher's."""
    return _word(context, "context", ("subject", "publisher"))


def _word(given: object, name: str, words: tuple[str, ...]) -> str:
    """The word that was given, which may be a member of an enum of texts."""
    for word in words:
        if word == given:
            return word
    raise ValueError(f"{name} must be one of {', '.join(map(repr, words))}, not {given!r}")


def checked_seconds(
    value: object, name: str, *, zero: bool = False, hint: str = "; to wait for ever use math.inf"
) -> float:
    """A duration in seconds, more than zero unless ``zero`` may be one."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not (value >= 0 if zero else value > 0):
        raise ValueError(f"{name} must be {'at least' if zero else 'more than'} 0 seconds, not {value}{hint}")
    return float(value)


def checked_name(name: object) -> str | None:
    """A name, for logs, statistics and errors."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str, not {name!r}")
    if name is not None and not is_printable(name):
        raise ValueError(f"name must be one line of text without control characters, not {name!r}")
    return name


def checked_key(key: Any, name: str, classes: tuple[type, ...] = ()) -> Callable[[Any], object] | None:
    """The function that reads the key of an event, made from a callable or from a field such as ``Tick.symbol``."""
    if key is None:
        return None
    if (path := path_of(key)) is not None:
        if strangers := names((cls for cls in classes if _never_has(cls, path)), path.owner):
            raise ValueError(
                f"{name}={path} is no field of {', '.join(strangers)}; "
                "name only classes that have it, or give a callable that knows the key of each"
            )
        # a field of the event itself is read without a call of ours
        return attrgetter(*path.names) if len(path.names) == 1 and not path.present else path.read
    if not callable(key):
        raise TypeError(f"{name} must be a field (Tick.symbol) or a callable that returns an event's key, not {key!r}")
    if is_async(key):
        raise TypeError(f"{name} must be a field or a plain function, not the async {key!r}: it runs inside publish")
    reader: Callable[[Any], object] = key
    return reader


def checked_reader(
    interest: Interest,
    classes: tuple[type, ...],
    where: Any = None,
    *,
    buffer: object = BUFFER,
    overflow: object = None,
    conflate: Any = None,
    name: object = None,
    may_block: bool = True,
) -> tuple[UserFunctions, dict[str, Any]]:
    """A reader's own functions, and how its mailbox is made; ``classes`` are all that its subject carries."""
    key = checked_key(conflate, "conflate", interest.wants or classes)
    options = {
        "capacity": checked_buffer(buffer),
        "overflow": checked_overflow(overflow, conflated=key is not None, may_block=may_block),
        "name": checked_name(name),
    }
    return UserFunctions(where if interest.asks else None, key), options
