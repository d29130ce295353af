"""The options of the endpoints, as type checkers know them.

Each endpoint has overloads of its own: its options are a class of options of its own, over the classes of events that
are wanted, and that a checker cannot be told once for all three. The signature below the overloads is for `help()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Sequence
    from datetime import timedelta

    from evenflow._allowed import Allowed
    from evenflow._mailbox import Overflow
    from evenflow._options import Key, Where

    from ._options import Since

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")
T_co = TypeVar("T_co", covariant=True)


class Subscribable(Protocol[T_co]):
    """A state, what ``share()`` returns, or whatever else can be subscribed to."""

    def subscribe(self) -> AsyncIterable[T_co]:
        """Subscribe to all its values."""
        ...


Given: TypeAlias = "AsyncIterable[object] | Subscribable[object]"
"""A source that gives all that it has."""


class ValueOptions(TypedDict, total=False):
    """Keyword arguments for a source that gives all that it has."""

    ping: float
    send_timeout: float
    lifetime: float | None
    retry: float
    name: str | None


class EventOptions(ValueOptions, Generic[W], total=False):
    """Keyword arguments for a subject."""

    where: Where[W]
    client_where: Allowed | None
    buffer: int
    overflow: Overflow | None
    conflate: Key[W] | None
    since: Since
    resume: bool | timedelta
    headers: Collection[str]


class SocketValueOptions(ValueOptions, total=False):
    """Keyword arguments for a WebSocket, and a source that gives all that it has."""

    receive: Callable[[Any], Awaitable[object]] | None
    origins: Sequence[str] | Literal["any"] | None
    max_message: int
    rate: float


class SocketOptions(EventOptions[W], Generic[W], total=False):
    """Keyword arguments for a WebSocket, and a subject."""

    receive: Callable[[Any], Awaitable[object]] | None
    origins: Sequence[str] | Literal["any"] | None
    max_message: int
    rate: float


class FrameOptions(EventOptions[W], Generic[W], total=False):
    """The same, and what a client asks, for ``frames``."""

    asked: str | None
