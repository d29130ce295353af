"""One conversation: its codes and reasons, and frames of several tasks."""

from __future__ import annotations

from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel
from starlette.websockets import WebSocket

from evenflow.web import websocket
from evenflow.web._conversation import _CODES, _FINAL
from evenflow.web._feed import Why
from evenflow.web._incoming import Excess

from ..contract.kit import settle
from .kit import Placed, both, orders
from .socket_kit import SocketClient, talking


class Say(BaseModel):
    text: str


def test_every_end_has_its_code() -> None:
    """Whatever ends a feed or a client has a code, and the reason of a code fits into its frame."""
    ends = {*get_args(Why), *get_args(Excess)}
    assert ends == set(_CODES)
    assert ends > _FINAL
    assert all(len(f"{why}; retry={10**12}") < 123 for why in ends)


@both
async def test_clients_come_back_at_different_times() -> None:
    """So that a restart is not followed by all of them at once; seconds are `retry` and up to half as many more."""
    reasons: set[str] = set()
    for _ in range(20):
        subject = orders()
        async with talking(lambda socket, given=subject: websocket(socket, given, lifetime=1.0, retry=4.0)) as client:
            await anyio.sleep(2)
        reasons.add(client.reason)
    times = [int(reason.removeprefix("lifetime; retry=")) for reason in reasons]
    assert len(times) > 10
    assert all(4_000 <= time <= 6_000 for time in times)


@both
async def test_frames_of_two_tasks_do_not_mix() -> None:
    """An error for a message waits while an event is being sent."""
    subject = orders()
    client = SocketClient()
    sending = 0

    async def send(message: Any) -> None:
        nonlocal sending
        assert sending == 0, "two sends at once"
        sending += 1
        await anyio.sleep(0.01)
        sending -= 1
        client.sent.append(message)

    async def receive(_: Say) -> None: ...

    async with anyio.create_task_group() as tasks:
        socket = WebSocket(client.scope, client.receive, send)

        async def serve() -> None:
            await websocket(socket, subject, receive=receive)

        tasks.start_soon(serve)
        await anyio.sleep(1)
        for n in range(20):
            client.say("wrong")
            await subject.publish(Placed(n=n))
        await anyio.sleep(2)
        client.leave()
    assert client.numbers == list(range(20))
    assert client.types.count("evenflow.error") == 20


@both
async def test_what_the_server_raises_comes_out_as_it_is() -> None:
    """No group of errors, and nothing is left."""
    subject = orders()
    client = SocketClient()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            raise KeyError("of the server")

    async def fail() -> None:
        with pytest.raises(KeyError, match="of the server"):
            await websocket(WebSocket(client.scope, client.receive, send), subject)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await settle()
        await subject.publish(Placed(n=1))
    assert subject.statistics().subscriptions == ()


@both
async def test_an_endpoint_that_closes_the_connection_itself_ends_it() -> None:
    """`receive` may have the connection, and may close it; then there is nothing more to say."""
    subject = orders()
    client = SocketClient()
    socket = WebSocket(client.scope, client.receive, client.send)

    async def receive(_: Say) -> None:
        await socket.close(4_000, "of its own")
        await subject.publish(Placed(n=1))

    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await websocket(socket, subject, receive=receive)

        tasks.start_soon(serve)
        await settle()
        client.say({"text": "bye"})
    assert client.code == 4_000
    assert client.frames == []
    assert subject.statistics().subscriptions == ()


@both
async def test_the_loop_turns_between_frames() -> None:
    """A client that goes in the middle of what is kept is noticed there: asyncio warns of the fifth write after that."""
    subject = orders(replay=50)
    client, turns, at = SocketClient(), 0, list[int]()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            at.append(turns)

    async def count() -> None:
        nonlocal turns
        while len(at) < 50:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with subject, anyio.create_task_group() as tasks:
        await subject.publish_many([Placed(n=n) for n in range(50)])
        socket = WebSocket(client.scope, client.receive, send)
        tasks.start_soon(lambda: websocket(socket, subject, since="start"))
        await count()
        client.leave()
    assert max(at.count(turn) for turn in at) <= 8  # trio takes the tasks of a turn in any order
