"""What type checkers know of the inspector."""

from __future__ import annotations

from typing import assert_type

from starlette.applications import Starlette
from starlette.requests import Request

from evenflow import Event, State, Subject, share
from evenflow.log import SQLiteLog
from evenflow.web import inspector


class Placed(Event):
    order_id: int


subject = Subject(Placed)
log = SQLiteLog("shop.db")
durable = log.subject("orders", Placed)


def may(request: Request) -> bool:
    return request.url.path != "/"


async def may_later(request: Request) -> bool:
    return request.url.path != "/"


assert_type(inspector(subject, log, durable), Starlette)
inspector(subject, authorize=may, actions=True, contents=True, title="shop")
inspector(subject, authorize=may_later)
assert_type(inspector(State(1), share(subject)), Starlette)

inspector("orders")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- no subject
inspector(subject, authorize=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- no function
