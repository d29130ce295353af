"""Every exception that evenflow raises on purpose.

anyio's ``WouldBlock``, ``EndOfStream`` and ``ClosedResourceError`` keep their anyio meaning.
A wrong argument is a ``TypeError`` or a ``ValueError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

from anyio import ClosedResourceError, EndOfStream, WouldBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable


class EvenflowError(Exception):
    """The base class of the exceptions that evenflow raises on purpose."""


class SubjectClosed(EvenflowError, ClosedResourceError):
    """The subject takes no more events: it was closed, or its event loop has ended."""


class SlowSubscriber(EvenflowError):
    """The subscription was disconnected because its buffer was full (``overflow="disconnect"``).

    Attributes:
        missed: how many events it wanted and did not get before it was disconnected.
    """

    def __init__(self, message: str, /, *, missed: int = 1) -> None:
        super().__init__(message)
        self.missed = missed


class Deadlock(EvenflowError):
    """Waiting would never end: every task that could make room waits for the task that would wait.

    Attributes:
        path: the names of the subscriptions and tasks of this circle, in order.
    """

    def __init__(self, message: str, /, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Unsupported(EvenflowError):
    """The engine cannot do what was asked of it."""


class LogError(EvenflowError):
    """A log on disk or on a server has failed."""


class DecodeError(EvenflowError):
    """Bytes from outside the process are not an event."""


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
