"""share: one stream for many subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from anyio import create_task_group

from evenflow._subject import Subject
from evenflow.streams._stream import leave, stream as stream_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup
    from typing_extensions import Unpack

    from evenflow._options import SubscribeOptions
    from evenflow._subscription import Subscription
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")


class Shared(Generic[T]):
    """One stream, run from entering to leaving, for many subscribers: a ``Source``. ``share()`` makes it."""

    def __init__(self, source: Stream[T], replay: int) -> None:
        self._subject: Subject[T] = cast("Subject[T]", Subject(object, name="share", replay=replay))
        self._stream = source._then(source._claim("share"))
        self._group: TaskGroup | None = None

    def __repr__(self) -> str:
        return f"<Shared {self._stream!r}>"

    def subscribe(self, **options: Unpack[SubscribeOptions[T]]) -> Subscription[T]:
        """Subscribe from this call on, with the options of ``Subject.subscribe``.

        Each subscriber has its own buffer; one whose buffer is full holds up the source, unless its ``overflow`` says
        otherwise. After the end a subscriber gets the replay, then the end, or the error.
        """
        return self._subject.subscribe(**options)

    async def __aenter__(self) -> Self:
        if self._group is not None:
            raise RuntimeError(f"{self!r} runs already; it is entered once, and subscribed to as often as you like")
        group = create_task_group()
        await group.__aenter__()
        self._group = group
        group.start_soon(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream; what lies in the buffers of the subscribers stays readable, and then they get the end."""
        group, self._group = self._group, None
        if group is not None:
            try:
                await leave(group, error)
            finally:
                self._subject.close()

    async def _run(self) -> None:
        """Read the stream, and hand it on; the end and an error reach every subscriber."""
        try:
            async with self._stream as events:
                async for event in events:
                    await self._subject.publish(event)
        except Exception as error:  # noqa: BLE001 -- it is handed to the subscribers, as it is
            self._subject.close(error)
        else:
            self._subject.close()


def share(stream: Streamable[T], replay: int = 0) -> Shared[T]:
    """Make one stream readable by many: it is run once, while the result is entered.

    ::

        async with share(prices.map(parse), replay=1) as parsed:
            async with parsed.subscribe() as one, parsed.subscribe() as other: ...

    ``stream`` is anything that ``stream()`` takes, and is read in a task of its own from entering on, whether anybody
    has subscribed or not: subscribe before the first await, or give ``replay``, the number of events that a late
    subscriber still gets. Each subscription is a stream with operators of its own.

    Holds ``replay`` events, one that is being handed on, and what lies in the buffers of the subscribers.
    Leaving closes the source, ends its task, and ends the subscribers when they have read what they have.
    """
    return Shared(stream_of(stream), replay)
