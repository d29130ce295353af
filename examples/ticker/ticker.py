"""A ticker: 500 symbols that move all the time, and browsers that each take what they can.

    uvicorn --app-dir examples/ticker ticker:app

    GET  /          the page: every symbol, and a chart of the one that is picked
    WS   /prices    the newest price of each symbol; ``?where=`` narrows them to some symbols

The feed is conflated for each client: a price that has not been sent when a newer one of its symbol comes is replaced
by it. A fast browser sees every price, a slow one the newest of each symbol; the market waits for neither.
``TICKER_RATE`` is how often each symbol moves in a second, ``TICKER_SYMBOLS`` how many there are.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from string import ascii_uppercase

from anyio import create_task_group, current_time, sleep_until
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from evenflow import Event, Subject
from evenflow.web import Allowed, websocket

HERE = Path(__file__).parent
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
COUNT = int(os.environ.get("TICKER_SYMBOLS", "500"))
RATE = float(os.environ.get("TICKER_RATE", "4"))
STEPS = 20
"""In a second: in each, its share of the symbols moves."""


class Tick(Event):
    """A price; ``number`` counts those of its symbol."""

    symbol: str
    price: float
    number: int


# the newest price of each symbol is kept: a new client begins with all of them
prices = Subject(Tick, name="prices", replay=1, replay_by=Tick.symbol)


class Market:
    """Prices that go up and down by chance."""

    def __init__(self, count: int, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 -- a market, not a secret
        letters = product(ascii_uppercase, repeat=3)
        self._ticks = [
            Tick(symbol="".join(next(letters)), price=round(self._chance.uniform(5, 500), 2), number=0)
            for _ in range(count)
        ]

    def open(self) -> list[Tick]:
        """The first price of every symbol."""
        return list(self._ticks)

    def move(self, share: float) -> list[Tick]:
        """Let this share of the symbols move; returns their new prices."""
        moved: list[Tick] = []
        for index in self._chance.sample(range(len(self._ticks)), k=max(1, round(share * len(self._ticks)))):
            old = self._ticks[index]
            price = max(0.01, round(old.price * self._chance.gauss(1, 0.002), 2))
            self._ticks[index] = Tick(symbol=old.symbol, price=price, number=old.number + 1)
            moved.append(self._ticks[index])
        return moved


async def run_market() -> None:
    """Publish prices until the service ends."""
    market = Market(COUNT, seed=1)
    await prices.publish_many(market.open())
    at = current_time()
    while True:
        at += 1 / STEPS
        await sleep_until(at)
        await prices.publish_many(market.move(RATE / STEPS))


async def feed(socket: WebSocket) -> None:
    """One client: the newest price of each symbol that it wants."""
    await websocket(
        socket,
        prices,
        Tick,
        client_where=Allowed(Tick.symbol),
        since="start",
        conflate=Tick.symbol,
        buffer=COUNT,
        overflow="drop_oldest",
    )


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """The market is open for as long as the service runs."""
    async with prices, create_task_group() as tasks:
        tasks.start_soon(run_market)
        yield
        tasks.cancel_scope.cancel()


class Page(StaticFiles):
    """The files of a page; a browser runs, and asks, nothing but what comes from this host."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and with the policy."""
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = POLICY
        return response


app = Starlette(
    lifespan=lifespan,
    routes=[
        WebSocketRoute("/prices", feed),
        Mount("/shared", Page(directory=HERE.parent / "shared")),
        Mount("/", Page(directory=HERE / "page", html=True)),
    ],
)
