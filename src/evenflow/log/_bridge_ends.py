"""The two ends of a bridge: where events come from, and where they go to."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, nullcontext
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from anyio import CancelScope, EndOfStream, WouldBlock

from ._how_left import described
from ._names import MOST_ID, NO_HEADERS
from ._offsets import Offset, seq_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from evenflow._subject import Subject
    from evenflow._subscription import Subscription

    from ._deliveries import Deliveries
    from ._delivery import Batch, Delivery
    from ._record import Record
    from ._stored import Lineage
    from ._subject import DurableSubject

_log = logging.getLogger("evenflow.bridge")

STOPPED: Final = object()
IN_ONE_GO: Final = 500
"""Events that are moved together, in one commit of each log."""

PATH: Final = "evenflowpath"
"""The header that says where a moved event has been: its offset in each log, the oldest first."""


class Item(NamedTuple):
    """An event on its way; ``delivery`` is what it came as, from a log."""

    event: Any
    id: str | None = None
    headers: Mapping[str, str] = NO_HEADERS
    delivery: Delivery[Any] | None = None


class Origin(Protocol):
    """Where the events of a bridge come from."""

    async def open(self) -> None:
        """Events are kept for the bridge from now on."""
        ...

    async def take(self) -> tuple[list[Item], AbstractAsyncContextManager[object]]:
        """The next events, and the block that ends once the target has them.

        Raises:
            anyio.EndOfStream: there are no more, or the bridge was stopped.
        """
        ...

    async def refuse(self, item: Item, error: Exception) -> None:
        """The target cannot take this one."""
        ...

    def stop(self) -> None:
        """Take what is in the buffer of the bridge, and then no more."""
        ...

    async def close(self) -> None:
        """Leave the source."""
        ...


class _Stoppable:
    """Waits for the next events until it is told to stop."""

    def __init__(self) -> None:
        self._scope: CancelScope | None = None
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def wait(self, take: Callable[[], Awaitable[Any]]) -> Any:
        """What ``take`` returns; ``STOPPED`` where it was stopped first."""
        if not self._stopped:
            try:
                with CancelScope() as self._scope:
                    return await take()
            finally:
                self._scope = None
        return STOPPED


class MemoryOrigin:
    """A subject in memory: what it publishes while the bridge is entered."""

    def __init__(self, name: str, source: str, subscribe: Callable[[], Subscription[Any]]) -> None:
        self._name = name
        self._source = source
        self._subscribe = subscribe
        self._feed: Subscription[Any]
        self._stoppable = _Stoppable()
        self._is_last = False

    async def open(self) -> None:
        self._feed = self._subscribe()

    async def take(self) -> tuple[list[Item], AbstractAsyncContextManager[object]]:
        first = await self._stoppable.wait(self._feed.receive)
        if first is STOPPED and self._is_last:
            raise EndOfStream
        self._is_last = first is STOPPED
        events = [] if first is STOPPED else [first]
        try:
            while self._is_last or len(events) < IN_ONE_GO:
                events.append(self._feed.receive_nowait())
        except (WouldBlock, EndOfStream):
            pass
        return [Item(event) for event in events], nullcontext()

    async def refuse(self, item: Item, error: Exception) -> None:
        _log.error(
            "bridge %s leaves out %r, which the target refuses",
            self._name,
            item.event,
            exc_info=error,
            extra={"subject": self._source},
        )

    def stop(self) -> None:
        self._stoppable.stop()

    async def close(self) -> None:
        await self._feed.aclose()


class LogOrigin:
    """A subject of a log: what the bridge's group has still to move."""

    def __init__(self, name: str, source: DurableSubject[Any], deliveries: Deliveries[Any], prefix: str) -> None:
        self._name = name
        self._source = source
        self._deliveries = deliveries
        self._batches = deliveries.batches(IN_ONE_GO)
        self._prefix = prefix
        self._stoppable = _Stoppable()

    async def open(self) -> None:
        await self._batches.__aenter__()

    async def take(self) -> tuple[list[Item], AbstractAsyncContextManager[object]]:
        batch: Any = await self._stoppable.wait(self._batches.receive)
        if batch is STOPPED:
            raise EndOfStream
        return [Item(one.event, self._id(one), self._headers(one), one) for one in batch], _held(batch)

    @staticmethod
    def _headers(record: Record[Any]) -> Mapping[str, str]:
        """What goes along, with one more place on the event's path."""
        headers = record.headers
        if not headers:  # nearly always, at a third of the cost
            return {PATH: str(record.offset)}
        return {**headers, PATH: ",".join([*path_of(record), str(record.offset)])}

    def _id(self, record: Record[Any]) -> str:
        """The id of an event in the target: the same whenever this event is moved, and of no other event."""
        name = f"{self._prefix}{record.id}"
        if len(name) > MOST_ID:
            name = self._prefix + blake2b(record.id.encode(), digest_size=32).hexdigest()
        return name

    async def refuse(self, item: Item, error: Exception) -> None:
        assert item.delivery is not None
        _log.error(
            "bridge %s cannot move event %s of %s, which the target refuses (%s); it is a dead letter of group %s",
            self._name,
            item.delivery.offset,
            self._source.name,
            type(error).__name__,
            item.delivery.group,
            extra={"subject": self._source.name, "group": item.delivery.group},
        )
        await item.delivery.reject(described(error))

    def stop(self) -> None:
        self._stoppable.stop()

    async def close(self) -> None:
        await self._batches.aclose()


def path_of(record: Record[Any]) -> Sequence[str]:
    """Where a bridge found an event before it brought it here.

    Whoever publishes another event may pass these headers on. Only a bridge gives it an id that names the subject, too.
    """
    path = record.headers.get(PATH)
    if path is None:
        return ()
    places = path.split(",")
    subject, _, _ = places[-1].partition(".")
    return places if record.id.split(".")[1:2] == [subject] else ()


@asynccontextmanager
async def _held(batch: Batch[Any]) -> AsyncGenerator[None]:
    """Acknowledge the batch at the end; where the bridge itself fails, give it back, uncounted."""
    async with batch:
        try:
            yield
        except Exception:
            await batch.release()  # noqa: ASYNC120 -- the error has been understood
            raise


class Target(Protocol):
    """Where the events of a bridge go to."""

    def has(self, item: Item) -> bool:
        """Whether the event has come from there: then it must not go back, or it would go round for ever."""
        ...

    async def put(self, items: Sequence[Item]) -> tuple[int, Exception | None]:
        """Publish the first of these: returns how many the target has now, and why it refuses the next, if it does.

        Raises:
            SubjectClosed: it takes no more.
            LogError: it has failed, and this can be tried again.
        """
        ...


class MemoryTarget:
    """A subject in memory."""

    def __init__(self, target: Subject[Any]) -> None:
        self._target = target

    def has(self, item: Item) -> bool:  # noqa: ARG002 -- in memory nothing says where an event has been
        return False

    async def put(self, items: Sequence[Item]) -> tuple[int, Exception | None]:
        drawn = 0

        def events() -> Iterator[Any]:
            nonlocal drawn
            for item in items:
                drawn += 1
                yield item.event

        try:
            await self._target.publish_many(events())
        except (TypeError, ValueError) as error:
            return drawn - 1, error
        return drawn, None


class LogTarget:
    """A subject of a log."""

    def __init__(self, target: DurableSubject[Any]) -> None:
        self._target = target

    def has(self, item: Item) -> bool:
        if item.delivery is None or not (path := path_of(item.delivery)):
            return False
        name, lineages = self._target.name, self._target._openings.open().engine.lineages
        return any(_is_in(place, name, lineages) for place in path)

    async def put(self, items: Sequence[Item]) -> tuple[int, Exception | None]:
        target = self._target
        try:
            await target._append([target._encoder.append(item.event, item.id, item.headers) for item in items])
        except (TypeError, ValueError):  # nothing is stored then: find out which it is
            return await self._put_one(items[0])
        return len(items), None

    async def _put_one(self, item: Item) -> tuple[int, Exception | None]:
        try:
            await self._target.publish(item.event, id=item.id, headers=item.headers)
        except (TypeError, ValueError) as error:
            return 0, error
        return 1, None


def _is_in(place: str, subject: str, lineages: Sequence[Lineage]) -> bool:
    try:
        return seq_in(Offset.parse(place), subject, lineages) > 0
    except ValueError:  # of another subject, of another log, or of a copy after the two had parted
        return False
