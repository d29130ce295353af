"""Deliveries: the events of a group, read one by one at the reader's pace, each to be settled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import ClosedResourceError, Event, WouldBlock, move_on_after
from anyio.lowlevel import checkpoint_if_cancelled

from evenflow._fork import forget_in_child
from evenflow.streams import Stream
from evenflow.streams._checks import check_count, check_seconds

from ._delivery import Batch, Delivery
from ._member import GroupMember
from ._outlast import outlast

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ._delivery import Inside
    from ._group_spec import GroupSpec, Host

W_co = TypeVar("W_co", covariant=True)

LARGEST_BATCH = 1_024
"""Deliveries in one batch, where no size is given."""


class Deliveries(Stream[Delivery[W_co]]):
    """The events of a group that go to this reader, as deliveries. Enter it with ``async with``.

    Entering joins the group, which is made if there is none. Up to ``buffer`` events are fetched ahead; leaving gives
    back, uncounted, what was not begun and what is not settled. Several tasks may receive from it.
    """

    def __init__(
        self, host: Host, spec: GroupSpec, *, entered: Callable[[], object], closed: Callable[[], object]
    ) -> None:
        self._host = host
        self._spec = spec
        self._tell_entered = entered
        self._tell_closed = closed
        self._member: GroupMember | None = None
        self._joined: Event | None = None
        """Fires when joining the group is over, in whatever way."""
        self._is_parents = False
        """Whether this is a forked child, and the parent is who joined the group."""
        self._tracing: Inside | None = None

    def _trace(self, tracing: Inside | None) -> None:
        """From now on this follows the blocks of its deliveries; None for nobody."""
        self._tracing = tracing
        if self._member is not None:
            self._member.trace(tracing)

    async def __aenter__(self) -> Self:
        """Join the group.

        Raises:
            ValueError: the group is another: its classes, condition or order.
            RuntimeError: it was entered before, or the log is being closed.
            LogError: the log failed.
        """
        await super().__aenter__()
        await self._open()
        return self

    async def _open(self) -> None:
        if self._member is not None or self._joined is not None:
            raise RuntimeError(
                f"deliveries of group {self._spec.group} can be entered once; ask the subject for others"
            )
        self._tell_entered()
        self._joined = Event()
        forget_in_child(self)
        member = GroupMember(self._host, self._spec)
        member.trace(self._tracing)
        try:
            await member.open()
            self._member = member
        finally:
            self._joined.set()
            if self._member is None:
                self._joined = None
                self._tell_closed()

    def _forked(self) -> None:
        """This is the copy in a child process: who reads is the parent, and here nothing would ever come."""
        self._is_parents = True
        self._member = self._joined = None

    def _entered(self) -> GroupMember:
        if self._is_parents:
            raise RuntimeError(
                f"deliveries of group {self._spec.group} were entered in another process, of which this one is a fork:"
                " open the log here anew, and ask its subject for others"
            )
        if self._member is None:
            raise RuntimeError(
                f"deliveries of group {self._spec.group} are read inside `async with subject.deliveries(...) as"
                " deliveries:`, which joins the group"
            )
        return self._member

    async def _pull(self) -> Delivery[W_co]:
        await checkpoint_if_cancelled()
        return await self._entered().hand.take()

    def _pull_nowait(self) -> Delivery[W_co]:
        return self._entered().hand.take_nowait()

    def batches(
        self, size: int | None = None, within: float | None = None, *, aligned: bool = False
    ) -> Stream[Batch[W_co]]:
        """Yield the deliveries as batches, each settled in one commit.

        A batch is what is there once it has ``size``, or ``within`` seconds after its first came: at least one, at most
        1,024 where no size is given. Without ``within`` it is whatever is there. Until it is handed over nothing of it
        is begun. Cancelling loses nothing.
        """
        if aligned:
            raise ValueError("batches of deliveries cannot be aligned: give a size, or within=")
        most = LARGEST_BATCH if size is None else check_count(1, size, "batches")
        seconds = 0.0 if within is None else check_seconds(within, "batches")
        self._check_owner()
        self._owner = "batches"
        return _Batches(self, most, seconds)

    async def aclose(self) -> None:
        """Leave the group: what was not begun, and what is not settled, is given back, uncounted."""
        await self._end(ClosedResourceError(f"deliveries of group {self._spec.group} were closed here"))

    async def _end(self, error: Exception | None = None) -> None:
        """The same, because the log is closed: whoever reads gets the end, or the error."""
        if self._joined is None or (self._member is not None and self._member.is_closed):
            return
        try:
            await outlast(
                self._host.crew,
                partial(self._leave, self._joined, error),
                f"end of deliveries of group {self._spec.group}",
            )
        finally:
            self._tell_closed()

    async def _leave(self, joined: Event, error: Exception | None) -> None:
        """Leave the group, once joining it is over."""
        await joined.wait()
        if self._member is not None and not self._member.is_closed:
            await self._member.close(error)

    def __repr__(self) -> str:
        member = self._member
        state = "not entered" if member is None else f"{len(member.hand.fetched)}/{self._spec.buffer}"
        if member is not None and (member.is_closed or member.hand.has_ended):
            state = "closed"
        return f"<Deliveries {self._spec.name} of group {self._spec.group} wants {self._spec.definition}, {state}>"


class _Batches(Stream[Batch[W_co]]):
    """See ``Deliveries.batches``."""

    def __init__(self, deliveries: Deliveries[W_co], most: int, within: float) -> None:
        self._deliveries = deliveries
        self._most = most
        self._within = within
        self._until: float | None = None
        """When the batch that is being waited for is closed by time."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self._deliveries._member is None:
            await self._deliveries._open()
        return self

    async def _pull(self) -> Batch[W_co]:
        await checkpoint_if_cancelled()
        member = self._deliveries._entered()
        hand, clock = member.hand, member.host.loop.now
        hand.capacity = max(hand.capacity, self._most) if self._within else hand.capacity
        while True:
            await hand.wait_for(1)
            if self._until is None:
                self._until = clock() + self._within
            if self._within:
                with move_on_after(self._until - clock()):
                    await hand.wait_for(self._most)
            self._until = None
            try:
                batch: Batch[Any] = hand.take_batch(self._most)
            except WouldBlock:  # another task of this reader has taken them
                continue
            return batch

    async def aclose(self) -> None:
        await self._deliveries.aclose()

    def __repr__(self) -> str:
        within = f" within {self._within:g} s" if self._within else ""
        return f"<batches of at most {self._most}{within} of {self._deliveries!r}>"
