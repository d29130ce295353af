"""Every exception that evenflow raises on purpose.

anyio's ``WouldBlock``, ``EndOfStream`` and ``ClosedResourceError`` keep their anyio meaning.
A wrong argument is a ``TypeError`` or a ``ValueError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

from anyio import ClosedResourceError, EndOfStream, WouldBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .log._offsets import Offset


class EvenflowError(Exception):
    """The base class of the exceptions that evenflow raises on purpose."""


class SubjectClosed(EvenflowError, ClosedResourceError):
    """The subject takes no more events: it was closed, or its event loop has ended."""


class SlowSubscriber(EvenflowError):
    """The subscription was disconnected because its buffer was full (``overflow="disconnect"``).

    Attributes:
        missed: how many events it wanted and did not get before it was disconnected.
        offset: where to read on, with ``since=error.offset``; only where the subject belongs to a log.
    """

    offset: Offset

    def __init__(self, message: str, /, *, missed: int = 1, offset: Offset | None = None) -> None:
        super().__init__(message)
        self.missed = missed
        if offset is not None:
            self.offset = offset


class Deadlock(EvenflowError):
    """Waiting would never end: every task that could make room waits for the task that would wait.

    Attributes:
        path: the names of the subscriptions and tasks of this circle, in order.
    """

    def __init__(self, message: str, /, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Unsupported(EvenflowError):
    """The engine cannot do what was asked of it.

    Attributes:
        missing: the names of the capabilities that it does not have.
    """

    def __init__(self, message: str, /, *, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing: tuple[str, ...] = tuple(missing)


class LogError(EvenflowError):
    """A log on disk or on a server has failed.

    Attributes:
        stored: whether what was to be stored is there; None if that is not known (``Uncertain``).
    """

    def __init__(self, message: str, /, *, stored: bool | None = False) -> None:
        super().__init__(message)
        self.stored = stored


class Uncertain(LogError):
    """A log has failed, and it is not known whether the events are stored: ``stored`` is None.

    Publish again with the same ``id``: then the event is there once, whatever happened.
    """

    def __init__(self, message: str, /) -> None:
        super().__init__(message, stored=None)


class DecodeError(EvenflowError):
    """Bytes from outside the process are not an event.

    What pydantic said of the data is its ``__cause__``.

    Attributes:
        offset: where the event stands in its log; None if it does not come from one.
        type: the wire name that came with it; None if none did.
        version: the version of its schema; None if none came with it.
    """

    def __init__(
        self,
        message: str,
        /,
        *,
        offset: Offset | None = None,
        type: str | None = None,  # noqa: A002 -- CloudEvents calls it so
        version: int | None = None,
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.type = type
        self.version = version


class Conflict(EvenflowError):
    """A statement of a transaction affected another number of rows than it had to: nothing of it was done.

    Attributes:
        expected: how many rows the statement had to affect.
        affected: how many it affected.
    """

    def __init__(self, message: str, /, *, expected: int = 0, affected: int = 0) -> None:
        super().__init__(message)
        self.expected = expected
        self.affected = affected


class LeaseLost(EvenflowError):
    """A delivery was settled too late: the event had gone out again meanwhile. Nothing was done.

    Attributes:
        offset: where the event stands in its log.
        group: the name of the group.
        attempt: which attempt was settled too late.
    """

    def __init__(
        self, message: str, /, *, offset: Offset | None = None, group: str | None = None, attempt: int | None = None
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.group = group
        self.attempt = attempt


class OffsetExpired(EvenflowError):
    """Events after the place of a reader were removed by retention before it read them.

    Attributes:
        offset: where the reader stood.
        floor: the last event that may be gone; ``since=error.floor`` reads on with the oldest that is left.
    """

    def __init__(self, offset: Offset, floor: Offset, /) -> None:
        super().__init__(offset, floor)
        self.offset = offset
        self.floor = floor

    def __str__(self) -> str:
        return (
            f"events after {self.offset} were removed by retention: everything up to {self.floor} may be gone; read on "
            "with since=error.floor, or subscribe with gaps=True to be told and go on"
        )


def ended(kind: type[BaseException], name: str, /) -> BaseException:
    """What a reader of a subscription gets after its last event: an exception of its own, which says what has ended."""
    if issubclass(kind, EndOfStream):
        return kind(f"{name} has ended: what it was subscribed to was closed, and everything before that was delivered")
    return kind(f"{name} was closed: what it had not delivered was discarded; subscribe again to get further events")


def chain_closed() -> ClosedResourceError:
    """What a reader of a chain of operators gets once that was closed."""
    return ClosedResourceError("this stream was closed, and its sources with it; make it anew to read again")


def nothing_yet(name: str, /) -> WouldBlock:
    """What a read that must not wait raises while nothing is there."""
    return WouldBlock(f"{name} has nothing to read now; 'await receive()' waits for the next event")


def no_room(name: str, full: Sequence[str], /) -> WouldBlock:
    """What a publish that must not wait raises, with the names of the subscriptions that it would wait for."""
    more = f" (and {len(full) - 1} more)" if len(full) > 1 else ""
    return WouldBlock(
        f"nobody got the event of {name}: {min(full)}{more} wants it and is full; 'await publish' waits for room,"
        " and an overflow other than 'block' never makes a publisher wait"
    )


def refuses_copying(way_out: str) -> Callable[[Any, SupportsIndex], NoReturn]:
    """What stands as ``__reduce_ex__``, by which copies and pickles are made, in a class whose objects run."""

    def refuse(self: object, _: SupportsIndex, /) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be copied or pickled: a copy would have no part in what runs for it; {way_out}"
        )

    return refuse
