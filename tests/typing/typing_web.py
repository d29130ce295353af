"""What type checkers know of the web: sources, wants, conditions and options of `sse`, `websocket` and `frames`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from evenflow import Condition, Event, State, Subject, interval, share
from evenflow.log import Offset, SQLiteLog
from evenflow.web import Allowed, Frames, frames, sse, websocket


class Placed(Event):
    order_id: int
    region: str


class Shipped(Event):
    order_id: int


class Paid(Event):
    order_id: int


orders = Subject(Placed, Shipped, Paid, replay=10)
durable = SQLiteLog("shop.db").subject("orders", Placed, Shipped)
state = State(1)


async def generated() -> AsyncIterator[int]:
    yield 1


def wants_placed(order: Placed) -> bool:
    return order.region == "eu"


async def endpoint(request: Request) -> Response:
    assert_type(sse(request, orders), Response)
    assert_type(sse(request, durable), Response)
    sse(request, orders, Placed, where=Placed.region == "eu", client_where=Allowed(Placed.order_id))
    sse(request, orders, Placed, where=wants_placed)
    sse(request, orders, Placed, where=lambda order: order.region == "eu")
    sse(request, orders, Placed, Shipped, where=lambda order: order.order_id > 1)
    sse(request, orders, Placed, Shipped, Paid)
    sse(request, orders, Placed | Shipped, conflate=Placed.order_id)
    sse(request, orders, where=lambda order: order.order_id > 1)
    sse(request, durable, Placed, since="start", resume=timedelta(days=1), headers=["traceparent"])
    sse(request, durable, since=datetime(2026, 1, 1, tzinfo=UTC))
    sse(request, durable, since=Offset.parse("orders.a.1"), resume=False, lifetime=None)
    sse(request, orders, overflow="drop_oldest", buffer=10, ping=1, send_timeout=2, retry=3, name="board")
    sse(request, state, ping=1.0)
    sse(request, share(interval(1)), name="clock")
    sse(request, interval(1).map(str))
    return sse(request, generated())


async def mistakes(request: Request) -> None:
    sse(request, 17)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    sse(orders, Placed)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    sse(request, orders, Placed, bufer=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    sse(request, orders, Placed, overflow="wait")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    sse(request, orders, Shipped, where=wants_placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    sse(request, orders, resume=60)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    sse(request, state, where=lambda value: True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def bytes_for_any_framework() -> None:
    stream = frames(None, orders, Placed, where=Placed.region == "eu", client_where=Allowed(Placed.region), asked="{}")
    assert_type(stream, Frames)
    assert_type(stream.status, int)
    async for chunk in frames("orders.a.1", durable):
        assert_type(chunk, bytes)
    frames(None, generated())
    await stream.aclose()
    frames(17, orders)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def said(order: Placed) -> None: ...


async def socket_endpoint(socket: WebSocket) -> None:
    assert_type(await websocket(socket, orders), None)
    await websocket(socket, durable, since="start", headers=["traceparent"], resume=False)
    await websocket(
        socket, orders, Placed, where=Placed.region == "eu", client_where=Allowed(Placed.order_id), receive=said
    )
    await websocket(
        socket, orders, Placed, Shipped, where=lambda order: order.order_id > 1, origins=["https://a.example"]
    )
    await websocket(socket, orders, Placed | Shipped, conflate=Placed.order_id, origins="any", rate=5, max_message=100)
    await websocket(socket, state, receive=said, ping=1.0)
    await websocket(socket, generated(), origins=None)


async def socket_mistakes(socket: WebSocket) -> None:
    await websocket(socket, 17)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await websocket(socket, orders, receive=wants_placed)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await websocket(socket, orders, origins=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def conditions_as_json(text: str) -> None:
    assert_type(Condition.from_json(Placed, text, Allowed(Placed.region)), Condition)
    assert_type(Condition.from_json(Placed | Shipped, text, Allowed(Placed.region, also=("ne",))), Condition)
    assert_type(Condition.from_json((Placed, Shipped), text, Allowed(Placed.region)).to_json(), str)
    Condition.from_json(Placed, text, [Placed.region])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
