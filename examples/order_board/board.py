"""A live board of orders: placed by POST, kept in a log, shown in every browser that looks.

    uvicorn --app-dir examples/order_board board:app --workers 4

    GET   /                      the board: a page that follows the events
    POST  /orders                places an order; with an ``Idempotency-Key``, sending it again places nothing
    POST  /orders/{id}/moves     moves an order to its next stage
    GET   /orders/events         server-sent events: what was, then what happens; ``?where=`` narrows them

The workers share one log, and each tells its own browsers of what any of them published. Kill one or all of them: the
browsers come back by themselves, and go on with the event after the last one that they had.
``ORDER_BOARD`` is the log's address: a file, or ``redis://...`` or ``postgresql://...`` for several machines.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID, uuid4, uuid5

from anyio import create_task_group
from fastapi import FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from evenflow import Event, State
from evenflow.log import Offset, Retain, from_url
from evenflow.web import Allowed, sse

HERE = Path(__file__).parent
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
KEYS = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
"""What keys of customers are made into the ids of orders with."""
STAGES = ("placed", "packed", "shipped", "delivered")
Region = Literal["eu", "us", "asia"]


class NewOrder(BaseModel):
    """What a customer asks for."""

    customer: Annotated[str, Field(min_length=1, max_length=80)]
    region: Region
    total: Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=2)]


class Move(BaseModel):
    """Where an order goes next."""

    to: Literal["packed", "shipped", "delivered"]


class OrderPlaced(Event, name="board.order.placed"):
    """A customer has ordered."""

    order_id: str
    customer: str
    region: Region
    total: Decimal


class OrderMoved(Event, name="board.order.moved"):
    """An order has come to its next stage."""

    order_id: str
    region: Region
    to: Literal["packed", "shipped", "delivered"]


log = from_url(os.environ.get("ORDER_BOARD", "orders.db"), name="board")
orders = log.subject("orders", OrderPlaced, OrderMoved, retain=Retain(age=timedelta(days=30)))


class Board:
    """Where each order is: what the events add up to, in this worker."""

    def __init__(self) -> None:
        self._orders: dict[str, tuple[Region, str]] = {}
        self._through: State[Offset]

    async def load(self) -> None:
        """Note what has been published."""
        end = await orders.end()
        async for record in orders.read(until=end):
            self._apply(record.event)
        self._through = State(end, name="through")

    async def follow(self) -> None:
        """Note what is published from then on, by any worker."""
        async with orders.records(since=self._through.value) as records:
            async for record in records:
                self._apply(record.event)
                self._through.set(record.offset)

    async def find(self, order_id: str) -> tuple[Region, str] | None:
        """The region and the stage of an order, after all that any worker has published before this call."""
        end = await orders.end()
        await self._through.wait_for(lambda through: through >= end)
        return self._orders.get(order_id)

    def _apply(self, event: OrderPlaced | OrderMoved) -> None:
        self._orders[event.order_id] = event.region, event.to if isinstance(event, OrderMoved) else STAGES[0]


board = Board()


class Page(StaticFiles):
    """The files of a page; a browser runs, and asks, nothing but what comes from this host."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and with the policy."""
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = POLICY
        return response


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Open the log, and let the board follow it for as long as the service runs."""
    async with log:
        await board.load()
        async with create_task_group() as tasks:
            tasks.start_soon(board.follow)
            yield
            tasks.cancel_scope.cancel()


app = FastAPI(title="Order board", lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place(new: NewOrder, idempotency_key: Annotated[str | None, Header(max_length=64)] = None) -> OrderPlaced:
    """Place an order: stored before this returns. The same key with the same order is the same order."""
    name = uuid5(KEYS, idempotency_key) if idempotency_key else uuid4()
    order = OrderPlaced(order_id=name.hex, customer=new.customer, region=new.region, total=new.total)
    try:
        await orders.publish(order, id=f"{order.order_id}-placed")
    except ValueError:
        raise HTTPException(409, "this Idempotency-Key belongs to another order") from None
    return order


@app.post("/orders/{order_id}/moves")
async def move(order_id: str, move: Move) -> OrderMoved:
    """Move an order to its next stage; to the stage where it is, changes nothing."""
    if (found := await board.find(order_id)) is None:
        raise HTTPException(404, "there is no such order")
    region, stage = found
    if STAGES.index(move.to) not in {STAGES.index(stage), STAGES.index(stage) + 1}:
        raise HTTPException(409, f"the order is {stage}: it cannot be {move.to} next")
    moved = OrderMoved(order_id=order_id, region=region, to=move.to)
    await orders.publish(moved, id=f"{order_id}-{move.to}")  # two workers that move it at once move it once
    return moved


@app.get("/orders/events")
async def events(request: Request) -> Response:
    """What was, then what happens, to one browser: it may ask for a region, and can only narrow."""
    may_ask = Allowed(OrderPlaced.region, OrderMoved.region)
    return sse(request, orders, since="start", client_where=may_ask, resume=timedelta(days=30), retry=1.0)


app.mount("/shared", Page(directory=HERE.parent / "shared"))
app.mount("/", Page(directory=HERE / "page", html=True))
