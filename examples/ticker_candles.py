"""A ticker of 500 symbols: a screen that shows the newest prices, and candles that miss no price.

    python examples/ticker_candles.py [SECONDS]

The feed publishes a price of every symbol ten times a second.
The screen is slow, so its subscription is conflated: a newer price of a symbol replaces the one that waits.
A candle needs every price, so that subscription blocks the feed if its buffer is full; its windows end at each full
second, for all symbols at once.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterable, Iterator

import anyio

from evenflow import Event, Subject, Subscription

SYMBOLS = tuple(f"S{number:03}" for number in range(500))


class Tick(Event):
    """The price of a symbol has changed."""

    symbol: str
    price: float


class Candle(Event):
    """The prices of a symbol in one window: the first, the highest, the lowest and the last."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    ticks: int


async def feed(ticks: Subject[Tick], rounds: Iterable[Iterable[float]], every: float = 0.1) -> None:
    """Publish each round, which is one price for each symbol, and close the subject after the last one."""
    for prices in rounds:
        await ticks.publish_many(
            Tick(symbol=symbol, price=price) for symbol, price in zip(SYMBOLS, prices, strict=True)
        )
        await anyio.sleep(every)
    ticks.close()


def random_walk(rounds: int) -> Iterator[list[float]]:
    """Prices that rise and fall by at most one percent from round to round."""
    prices = [100.0] * len(SYMBOLS)
    for _ in range(rounds):
        prices = [price * random.uniform(0.99, 1.01) for price in prices]  # noqa: S311 -- no secret depends on it
        yield prices


async def draw_candles(ticks: Subscription[Tick], candles: Subject[Candle], window: float = 1.0) -> None:
    """Publish at the end of each window a candle for each symbol that had a price in it, until the ticks end."""
    async with ticks.batches(within=window, aligned=True) as windows:
        async for batch in windows:
            await candles.publish_many(candles_of(batch))
    candles.close()


def candles_of(ticks: Iterable[Tick]) -> Iterator[Candle]:
    """One candle for each symbol, in the order in which the symbols first came."""
    prices: dict[str, list[float]] = {}
    for tick in ticks:
        prices.setdefault(tick.symbol, []).append(tick.price)
    for symbol, each in prices.items():
        yield Candle(symbol=symbol, open=each[0], high=max(each), low=min(each), close=each[-1], ticks=len(each))


async def show(prices: Subscription[Tick], pause: float = 0.5) -> int:
    """Take the newest price of every symbol, then spend half a second on drawing; returns how many were drawn."""
    drawn = 0
    async with prices.batches() as pictures:
        async for picture in pictures:
            drawn += len(picture)
            await anyio.sleep(pause)
    return drawn


async def report(candles: Subscription[Candle]) -> None:
    """Print the candles of one symbol."""
    async for candle in candles:
        print(
            f"{candle.symbol}  {candle.open:7.2f} {candle.high:7.2f} {candle.low:7.2f} {candle.close:7.2f}"
            f"  of {candle.ticks} ticks",
            flush=True,
        )


async def main(seconds: float = 5) -> None:
    """Run the feed for some seconds, and say what each reader got."""
    ticks = Subject(Tick, name="ticks")
    candles = Subject(Candle, name="candles")
    for_candles = ticks.subscribe(Tick, buffer=2 * len(SYMBOLS), name="candles")
    for_screen = ticks.subscribe(Tick, buffer=len(SYMBOLS), conflate=Tick.symbol, name="screen")
    of_one = candles.subscribe(Candle, where=Candle.symbol == SYMBOLS[0])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(report(of_one))
        tasks.create_task(draw_candles(for_candles, candles))
        screen = tasks.create_task(show(for_screen))
        tasks.create_task(feed(ticks, random_walk(round(seconds * 10))))
    replaced = for_screen.statistics().replaced
    print(f"{ticks.statistics().published} ticks: {screen.result()} drawn, {replaced} replaced by a newer price")
    print(f"{candles.statistics().published} candles, of {for_candles.statistics().delivered} ticks")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:2])))
