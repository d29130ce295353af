"""`batches` by size, and of everything that is waiting; neither looks at the clock."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import WouldBlock
from anyio.lowlevel import checkpoint

from evenflow.streams._ending import conclude
from evenflow.streams._guarded import OneSource
from evenflow.streams._operator import EVENTS_A_TURN, Operator

if TYPE_CHECKING:
    from evenflow.streams._node import Node, Run

T = TypeVar("T")

LARGEST_BATCH: Final = 1_024
"""The most events in a batch without a size."""


class SizedBatches(OneSource[T, tuple[T, ...]]):
    """See ``batches``: a batch is closed by its size, or by the end or the error of the source."""

    __slots__ = ("batch", "ended", "size")

    def __init__(self, size: int, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.size = size
        self.batch: list[T] = []
        self.ended: Exception | None = None

    async def pull(self) -> tuple[T, ...]:
        """Collect until the batch is full, or nothing comes any more."""
        try:
            while self.ended is None and len(self.batch) < self.size:
                self.batch.append(await anext(self.source))
                if not len(self.batch) % EVENTS_A_TURN:
                    await checkpoint()
        except Exception as error:  # noqa: BLE001 -- raised below, after the events that came before it
            self.ended = error
        if self.batch:
            batch, self.batch = tuple(self.batch), []
            return batch
        raise self.ended or StopAsyncIteration


class WaitingBatches(Operator[T, tuple[T, ...]]):
    """See ``batches``: a batch is everything that is waiting."""

    __slots__ = ("size",)

    def __init__(self, size: int, above: Node[T]) -> None:
        super().__init__(above)
        self.size = size

    async def __anext__(self) -> tuple[T, ...]:
        try:
            batch = [await anext(self.source)]
        except BaseException as error:
            await conclude(self, error)
            raise
        # The end, or an error, is met again by the next read.
        with suppress(WouldBlock, StopAsyncIteration):
            while len(batch) < self.size:
                batch.append(self.take_nowait())
        return tuple(batch)
