"""Every exception that evenflow raises on purpose.

anyio's ``WouldBlock``, ``EndOfStream`` and ``ClosedResourceError`` keep their anyio meaning.
A wrong argument is a ``TypeError`` or a ``ValueError``.
"""

from __future__ import annotations

from anyio import ClosedResourceError


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
