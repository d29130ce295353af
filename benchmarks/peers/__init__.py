"""The peers: what a user could take instead of evenflow. Each has one adapter that does the same work, if it can.

The work is a fan-out: `events` events go to `subscribers` subscribers, and each subscriber counts its events. The time
runs from the first publish until the last subscriber has counted the last event. An adapter raises if an event is
missing.

Each peer is used in its own way. If the buffers of a peer have no bound, its publisher lets the loop turn after every
`buffer` events (`breathe`), so that no more events wait than in a bounded buffer. If the buffers of a peer drop events
when they are full, they are made without a bound, because a dropped event is not delivered. `Peer`, and the table that
`table()` makes, say what a peer does not do at all.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from benchmarks._harness import Case, Stopwatch

_ADAPTERS = (
    "evenflow",
    "asyncio_queue",
    "anyio_streams",
    "reactivex",
    "aioreactive",
    "broadcaster",
    "litestar_channels",
    "blinker",
    "psygnal",
    "pyee",
    "bubus",
)


class FanOut(Protocol):
    """Deliver `events` events to `subscribers` subscribers with room for `buffer` each, timed by `watch`."""

    def __call__(self, watch: Stopwatch, subscribers: int, events: int, buffer: int, /) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer, and what it does and does not do. A trait is "yes", "no", or a few words."""

    name: str
    package: str | None
    fan_out: FanOut
    bounded: str
    own_pace: str
    typed: str
    ordered: str
    atomic: str
    note: str = ""
    floor: bool = False
    """True for what evenflow is built on, which has none of its guarantees: it is no rival."""
    most: int = 10_000_000
    """The most deliveries in one round; more would take too long."""

    def case(self, subscribers: int, events: int, buffer: int) -> Case:
        """The fan-out as a case for the harness, with fewer events if this peer would take too long."""
        within = max(1, min(events, self.most // subscribers))
        return lambda watch: self.fan_out(watch, subscribers, within, buffer)


class Tick(BaseModel):
    """The event for peers that take any object."""

    model_config = ConfigDict(frozen=True)
    n: int


_pool: list[Tick] = []


def ticks(count: int) -> list[Tick]:
    """`count` events, which are made before the clock starts, and kept for the next round."""
    _pool.extend(Tick(n=n) for n in range(len(_pool), count))
    return _pool[:count]


async def settle() -> None:
    """Let every task that was started run to its first wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def breathe() -> None:
    """Let the loop turn once."""
    await asyncio.sleep(0)


def expect_all(seen: Iterable[int], subscribers: int, events: int) -> None:
    """Raise if a subscriber missed an event: a peer cannot be fast by losing events."""
    counts = list(seen)
    if counts != [events] * subscribers:
        raise RuntimeError(f"{sum(counts)} deliveries of {events * subscribers}: not the same work")


def counters(subscribers: int) -> tuple[list[int], list[Callable[..., None]]]:
    """The counts, and one handler for each subscriber that counts its calls, for peers that call functions."""
    counts = [0] * subscribers

    def handler(place: int) -> Callable[..., None]:
        def handle(_: object, /, **__: object) -> None:
            counts[place] += 1

        return handle

    return counts, [handler(place) for place in range(subscribers)]


@cache
def _load() -> tuple[tuple[Peer, ...], dict[str, str]]:
    found: list[Peer] = []
    absent: dict[str, str] = {}
    for name in _ADAPTERS:
        try:
            module = importlib.import_module(f"benchmarks.peers.{name}")
        except ImportError as error:
            absent[name] = str(error)
        else:
            found += module.PEERS
    return tuple(found), absent


def known() -> Sequence[Peer]:
    """Every peer that can be imported here, evenflow first."""
    return _load()[0]


def missing() -> dict[str, str]:
    """The adapters that cannot be imported here, and why."""
    return _load()[1]


def named(name: str) -> Peer:
    """The peer of that name."""
    return next(peer for peer in known() if peer.name == name)


def table() -> tuple[Sequence[str], list[Sequence[str]]]:
    """What each peer does and does not do: the head and the rows of a table."""
    head = ("", "bounded", "own pace", "typed", "ordered", "atomic", "")
    rows: list[Sequence[str]] = [
        (peer.name, peer.bounded, peer.own_pace, peer.typed, peer.ordered, peer.atomic, peer.note) for peer in known()
    ]
    rows += [(name, "could not be imported", "", "", "", "", why) for name, why in missing().items()]
    return head, rows
