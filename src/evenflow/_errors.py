"""Every exception that evenflow raises on purpose.

EvenflowError
├── SubjectClosed       (also anyio.ClosedResourceError)  publishing after the end
├── SlowSubscriber      a subscription with overflow="disconnect" was let go
├── Deadlock            a wait that only its own task could end
├── Unsupported         an engine cannot do what was asked
├── LogError            a log on disk or on a server failed
└── DecodeError         bytes from outside are not an event

anyio's ``WouldBlock``, ``EndOfStream`` and ``ClosedResourceError`` keep their anyio meaning.
A wrong argument is a ``TypeError`` or a ``ValueError``.
"""

from __future__ import annotations

from anyio import ClosedResourceError


class EvenflowError(Exception):
    """The base of all that evenflow raises on purpose."""


class SubjectClosed(EvenflowError, ClosedResourceError):
    """The subject takes no more events: it was closed, or its loop has ended."""


class SlowSubscriber(EvenflowError):
    """The subscription was let go because its buffer was full (``overflow="disconnect"``).

    Attributes:
        missed: how many events it wanted and did not get before it was let go.
    """

    def __init__(self, message: str, /, *, missed: int = 1) -> None:
        super().__init__(message)
        self.missed = missed


class Deadlock(EvenflowError):
    """Waiting would never end: everyone who could make room waits for the one that asks.

    Attributes:
        path: the names of the subscriptions and tasks on the way round, in order.
    """

    def __init__(self, message: str, /, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Unsupported(EvenflowError):
    """What was asked for is outside the capabilities of this engine."""


class LogError(EvenflowError):
    """A log on disk or on a server could not do its work."""


class DecodeError(EvenflowError):
    """What came from outside could not be read as an event."""
