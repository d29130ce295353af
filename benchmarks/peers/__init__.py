"""The peers: what else a user could take. One adapter each, doing the same work as nearly as it can.

The work is one fan-out: `events` events to `subscribers` subscribers, each of which counts what it gets; the time runs
from the first publish until the last subscriber has counted the last event. An adapter raises where one is missing.

Each keeps its own way of doing it. Where a peer's buffers have no bound, its publisher lets the loop turn after every
`buffer` events (`breathe`), so that no more wait than in a bounded one; where it drops what does not fit, its buffer is
left without bound, since dropping is not delivering. What a peer does not do at all is in its `Peer`, and in `table()`.
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
    """Hand `events` events to `subscribers` subscribers with room for `buffer` each, timed by `watch`."""

    def __call__(self, watch: Stopwatch, subscribers: int, events: int, buffer: int, /) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to do it, and what it does not do. A trait is "yes", "no", or a few words."""

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
    """Not a peer: what the ground under ours costs with none of the guarantees."""
    most: int = 10_000_000
    """More deliveries than this in one round take too long to wait for."""

    def case(self, subscribers: int, events: int, buffer: int) -> Case:
        """The fan-out as a case for the harness, with fewer events where this peer would take too long."""
        within = max(1, min(events, self.most // subscribers))
        return lambda watch: self.fan_out(watch, subscribers, within, buffer)


class Tick(BaseModel):
    """What is handed round where a peer takes any object."""

    model_config = ConfigDict(frozen=True)
    n: int


_pool: list[Tick] = []


def ticks(count: int) -> list[Tick]:
    """So many events, made before the clock starts, and kept for the next round."""
    _pool.extend(Tick(n=n) for n in range(len(_pool), count))
    return _pool[:count]


async def settle() -> None:
    """Let every task that was started reach its first wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def breathe() -> None:
    """Let the loop turn once."""
    await asyncio.sleep(0)


def expect_all(seen: Iterable[int], subscribers: int, events: int) -> None:
    """Refuse a round in which somebody missed something: speed by losing events is no speed."""
    counts = list(seen)
    if counts != [events] * subscribers:
        raise RuntimeError(f"{sum(counts)} deliveries of {events * subscribers}: not the same work")


def counters(subscribers: int) -> tuple[list[int], list[Callable[..., None]]]:
    """A handler for each subscriber that counts its calls, for peers that call functions."""
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
    """The adapters that cannot be measured here, and why."""
    return _load()[1]


def named(name: str) -> Peer:
    """The peer of that name."""
    return next(peer for peer in known() if peer.name == name)


def table() -> tuple[Sequence[str], list[Sequence[str]]]:
    """What each does and does not: the head and the rows."""
    head = ("", "bounded", "own pace", "typed", "ordered", "atomic", "")
    rows: list[Sequence[str]] = [
        (peer.name, peer.bounded, peer.own_pace, peer.typed, peer.ordered, peer.atomic, peer.note) for peer in known()
    ]
    rows += [(name, "could not be imported", "", "", "", "", why) for name, why in missing().items()]
    return head, rows
