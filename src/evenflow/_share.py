"""share: one stream for many subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from anyio import ClosedResourceError, get_cancelled_exc_class

from evenflow._crew import Crew, Member
from evenflow._errors import refuses_copying
from evenflow._fork import forget_in_child
from evenflow._loop import running_loop
from evenflow._subject import Subject
from evenflow.streams._stream import stream as stream_of

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Unpack

    from evenflow._options import SubscribeOptions
    from evenflow._subscription import Subscription
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")


class Shared(Generic[T]):
    """One stream, run from entering to leaving, for many subscribers: a ``Source``. ``share()`` makes it."""

    def __init__(self, source: Stream[T], replay: int) -> None:
        self._subject = cast("Subject[T]", Subject(object, name="share", replay=replay))
        self._stream = source._then(source._claim("share"))
        self._stream._read_by_sink()
        self._crew: Crew | None = None
        self._task: Member | None = None

    def _forked(self) -> None:
        """The task that reads the stream runs in the parent process: whoever subscribes here gets the end."""
        if self._crew is not None:
            self._crew = None
            self._subject = cast("Subject[T]", Subject(object, name="share"))
            self._subject.close(ClosedResourceError(f"{self!r} runs in the parent process; share() a stream here"))

    def __repr__(self) -> str:
        return f"<Shared {self._stream!r}>"

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("each call of subscribe() makes another reader")

    def subscribe(self, **options: Unpack[SubscribeOptions[T]]) -> Subscription[T]:
        """Subscribe from this call on, with the options of ``Subject.subscribe``.

        Each subscriber has its own buffer; one whose buffer is full holds up the source, unless its ``overflow`` says
        otherwise. After the end a subscriber gets the replay, then the end, or the error.
        """
        return self._subject.subscribe(**options)

    async def __aenter__(self) -> Self:
        if self._crew is not None:
            raise RuntimeError(f"{self!r} runs already; it is entered once, and subscribed to as often as you like")
        self._crew = crew = Crew("share", running_loop())
        try:
            await self._stream.__aenter__()  # here, and not in the task: what comes from now on is shared
        except BaseException:
            self._crew = None
            raise
        await crew.open()
        forget_in_child(self)
        self._task = crew.start(self._run, name="share", ended=self._ended)
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """Close the stream; what lies in the buffers of the subscribers stays readable, and then they get the end."""
        crew = self._crew
        if crew is not None:
            crew.check_end()
            self._crew = None
            try:
                await crew.close()
            finally:
                self._subject._life.close(leaving=True)
                await self._stream.__aexit__(None, None, None)

    def _ended(self) -> None:
        if self._task is not None and self._task.was_cut_off:  # the subscribers must not wait for ever
            self._subject.close(RuntimeError("the task of share was cancelled by somebody else; nothing more comes"))

    async def _run(self) -> None:
        """Read the stream, and hand it on; the end and an error reach every subscriber."""
        try:
            async with self._stream as events:
                async for event in events:
                    await self._subject.publish(event)
                    del event  # or it would be held until the next one comes
        except (get_cancelled_exc_class(), KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # it is handed to the subscribers, as it is
            self._subject.close(error)
            if not isinstance(error, Exception):  # and to whoever leaves, as from a task group
                raise
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
