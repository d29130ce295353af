"""One stream after another: what concat, concat_map, catch, retry and repeat have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from evenflow.streams._node import Guarded, Node, begin, shut_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow.streams._node import Run

T_co = TypeVar("T_co", covariant=True)


class Sequel(Guarded[T_co]):
    """A node that reads one stream at a time, and asks ``following`` for the next.

    Each step leaves its traces in the node before it waits, so that a cancel at any await is made up for by the
    next read: first leave what has ended, then find the next, then read it.
    """

    __slots__ = ("leaving", "node", "reader", "run")

    def __init__(self, *nodes: Node[Any]) -> None:
        super().__init__(*nodes)
        self.node: Node[Any] | None = None
        self.reader: AsyncIterator[T_co] | None = None
        self.leaving: Node[Any] | None = None

    def start(self, run: Run) -> None:
        """Start with the first."""
        self.run = run
        self.node = self.reader = self.leaving = None
        self.fresh(run)

    def fresh(self, run: Run) -> None:
        """Make the state of a fresh start."""

    async def following(self) -> Node[T_co]:
        """Return the stream to read next; raise ``StopAsyncIteration`` if there is none."""
        raise NotImplementedError

    def at_end(self) -> None:
        """Take note of the end of the stream that was read; raise to end with it."""

    def at_error(self, error: Exception) -> None:
        """Take note of the error of the stream that was read; raise to end with it."""
        raise error

    def final(self) -> bool:
        """Whether what has ended is closed for good."""
        return True

    async def pull(self) -> T_co:
        """Read on, from one stream to the next."""
        while True:
            if self.leaving is not None:
                await self.leaving.shut(final=self.final())
                self.leaving = None
            if self.reader is None:
                self.node = await self.following()
                try:
                    self.reader = begin(self.node, self.run)
                except Exception as error:  # noqa: BLE001 -- as if the stream had failed at once
                    self.turn(error)
                    continue
            try:
                return await anext(self.reader)
            except Exception as error:  # noqa: BLE001 -- raised again, unless it is what this operator is for
                self.turn(error)

    def turn(self, error: Exception) -> None:
        """Leave the stream that has ended, if this is not the end of it all."""
        if isinstance(error, StopAsyncIteration):
            if self.node is not None:
                self.node.check_end()
            self.at_end()
        else:
            self.at_error(error)
        self.reader, self.leaving = None, self.node

    def reading(self) -> tuple[Node[Any], ...]:
        """Return the nodes that may be read just now."""
        return self.nodes if self.node is None else (self.node, *self.nodes)

    async def shut(self, *, final: bool) -> None:
        """Shut what is read, and all that was there from the start."""
        inner = (self.node,) if self.node is not None and self.node not in self.nodes else ()
        try:
            await shut_all(inner, final=True)
        finally:
            await shut_all(self.nodes, final=final)
