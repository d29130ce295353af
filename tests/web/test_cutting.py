"""Cutting off a client that reads nothing: which server has a transport that can be reached, and when it is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from evenflow.testing import run_virtual
from evenflow.web import sse, websocket
from evenflow.web._cutting import cut_off, cut_off_if_stuck

from .kit import Client, Placed, orders
from .socket_kit import SocketClient


class Transport:
    """That of a connection of which so much was not written yet."""

    def __init__(self, unwritten: int) -> None:
        self.unwritten = unwritten
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unwritten

    def abort(self) -> None:
        self.is_aborted = True


class Server(Client):
    """A server as uvicorn is one: what `receive` is a method of has the transport."""

    def __init__(self, unwritten: int = 0) -> None:
        super().__init__()
        self.transport = Transport(unwritten)


async def receive() -> dict[str, Any]:
    return {"type": "http.disconnect"}


class SocketServer(SocketClient):
    """The same of a WebSocket."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = Transport(0)


class Other:
    """A server whose transport is of another kind."""

    transport = object()

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.disconnect"}


def test_a_server_whose_transport_cannot_be_reached_is_left_alone() -> None:
    """A function of a middleware, and an object that has another kind of transport."""

    async def wrapper() -> dict[str, Any]:
        return await later_receive()

    for unknown in (receive, Other().receive, wrapper):
        cut_off(unknown)
        cut_off_if_stuck(unknown, 1)
    later_receive = receive


def test_a_middleware_of_starlette_does_not_hide_it() -> None:
    """Two of the kind that every application has: `@app.middleware("http")`."""

    async def main() -> None:
        server = Server(unwritten=1)

        async def app(_: object, receive: Any, send: Any) -> None:
            cut_off(receive)
            await Response()(server.scope, receive, send)

        async def passes(request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

        await BaseHTTPMiddleware(BaseHTTPMiddleware(app, passes), passes)(server.scope, server.receive, server.send)
        assert server.transport.is_aborted
        assert server.status == 200

    run_virtual(main)


@pytest.mark.parametrize("unwritten, after, is_aborted", [(5, 5, True), (5, 0, False), (0, 5, False)])
def test_what_is_not_written_after_its_time_is_discarded(unwritten: int, after: int, *, is_aborted: bool) -> None:
    """A client that has read the rest meanwhile keeps its connection until the server closes it."""

    async def main() -> None:
        server = Server(unwritten)
        cut_off_if_stuck(server.receive, 1)
        server.transport.unwritten = after
        await asyncio.sleep(2)
        assert server.transport.is_aborted is is_aborted

    run_virtual(main)


def test_a_client_that_reads_nothing_is_cut_off() -> None:
    """After `send_timeout`, so that its server does not keep the connection for ever."""

    async def main() -> None:
        subject, server = orders(), Server()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(sse(server.request, subject, send_timeout=5)))
            await asyncio.sleep(1)
            server.stall()
            await subject.publish(Placed(n=1))
            await asyncio.sleep(4)
            assert not server.transport.is_aborted
            await asyncio.sleep(2)
            assert server.transport.is_aborted

    run_virtual(main)


def test_a_websocket_whose_client_does_not_read_its_goodbye_is_cut_off() -> None:
    """A second after `send_timeout`."""

    async def main() -> None:
        subject, server = orders(), SocketServer()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(lambda socket: websocket(socket, subject, send_timeout=5)))
            await asyncio.sleep(1)
            server.stall()
            await subject.publish(Placed(n=1))
        assert server.transport.is_aborted

    run_virtual(main)
