"""A WebSocket as an endpoint sees it: what it accepts, sends and refuses, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, field_serializer
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from evenflow import Allowed, Event, State, Subject
from evenflow.web import sse, websocket
from evenflow.web._feed import Feed

from ..contract.kit import settle
from .kit import Placed, Shipped, both, connected, orders
from .socket_kit import SocketClient, talking


class Say(BaseModel):
    text: str


class Said(Event):
    room: str
    text: str


def served(source: Any, *wants: Any, **given: Any) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    """An endpoint."""
    return lambda socket: websocket(socket, source, *wants, **given)


@both
async def test_a_client_gets_type_id_and_data() -> None:
    """A frame is the wire name, a cursor and the event's JSON."""
    subject = orders(replay=9)
    async with talking(served(subject)) as client:
        await subject.publish_many([Placed(n=1), Shipped(n=2)])
        await settle()
        assert [frame | {"id": "x"} for frame in client.frames] == [
            {"type": "Placed", "id": "x", "data": {"n": 1, "region": "eu"}},
            {"type": "order.shipped", "id": "x", "data": {"n": 2}},
        ]
        assert client.frames[1]["id"].endswith("-2")
    assert subject.statistics().subscriptions == ()


@both
async def test_an_event_is_encoded_once_for_both_kinds_of_clients() -> None:
    """SSE and WebSocket share the JSON of an event."""
    encoded: list[int] = []

    class Counted(Event):
        n: int

        @field_serializer("n")
        def count(self, n: int) -> int:
            encoded.append(n)
            return n

    subject: Subject[Counted] = Subject(Counted)
    async with (
        talking(served(subject)) as one,
        talking(served(subject)) as two,
        connected(lambda request: sse(request, subject)) as three,
    ):
        await subject.publish(Counted(n=7))
        await settle()
        assert one.numbers == two.numbers == three.numbers == [7]
    assert encoded == [7]


@both
async def test_nothing_is_missed_after_it_was_accepted() -> None:
    """The subscription begins before the client is told that it is connected."""
    subject = orders()
    client = SocketClient()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.accept":
            await subject.publish(Placed(n=1))
        client.sent.append(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(served(subject), WebSocket(client.scope, client.receive, send))
        await settle()
        client.leave()
    assert client.numbers == [1]


@both
async def test_a_client_goes_on_where_it_was() -> None:
    """By `?lastEventId=`, as with SSE."""
    subject = orders(replay=9)
    async with talking(served(subject)) as client:
        await subject.publish_many([Placed(n=n) for n in range(4)])
        await settle()
    async with talking(served(subject), query=f"lastEventId={client.frames[1]['id']}") as again:
        await settle()
        assert again.numbers == [2, 3]
    async with talking(served(subject), query="lastEventId=0123456789-1") as other:
        await settle()
        assert other.types == ["evenflow.gap"]


@both
async def test_a_cursor_that_cannot_be_read_is_refused_before_it_is_accepted() -> None:
    """As a JSON problem where the server can send one, and with a code where it cannot."""
    subject = orders(replay=9)
    for can_deny in (True, False):
        async with talking(served(subject), query="lastEventId=nonsense", can_deny=can_deny) as client:
            assert not client.is_accepted
            if can_deny:
                assert client.denial is not None
                assert client.denial[0] == 400
                assert "lastEventId" in client.denial[1]
            else:
                assert (client.code, client.reason) == (1008, "lastEventId is no id of this stream")


@both
async def test_a_client_can_narrow_what_it_gets() -> None:
    """`?where=` is joined to the endpoint's own condition."""
    subject = orders()
    endpoint = served(subject, Placed, where=Placed.region == "eu", client_where=Allowed(Placed.n, Placed.region))
    async with talking(endpoint, query='where={"gt":["n",1]}') as client:
        await subject.publish_many([Placed(n=1), Placed(n=2), Placed(n=3, region="us")])
        await settle()
        assert client.numbers == [2]
    async with talking(endpoint, query='where={"gt":["secret",1]}') as client:
        assert client.denial is not None
        assert client.denial[0] == 400
        assert "the field 'secret' is not allowed" in client.denial[1]
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize(
    "origin, given, is_welcome",
    [
        (None, {}, True),
        ("http://testserver", {}, True),
        ("https://testserver", {}, False),
        ("http://evil.example", {}, False),
        ("http://testserver.evil.example", {}, False),
        ("null", {}, False),
        ("null", {"origins": ["http://testserver"]}, False),
        ("null", {"origins": "any"}, True),
        ("https://app.example", {"origins": ["https://app.example"]}, True),
        ("http://testserver", {"origins": ["https://app.example"]}, False),
    ],
)
@both
async def test_only_pages_that_are_named_may_connect(
    origin: str | None, given: dict[str, Any], is_welcome: bool
) -> None:
    """A page of another host is refused before it is accepted, and the text names `origins=`."""
    subject = orders()
    headers = {} if origin is None else {"origin": origin}
    host = "testserver" if origin != "https://testserver" else "testserver:80"
    async with talking(served(subject, **given), headers, host=host) as client:
        assert client.is_accepted is is_welcome
        if not is_welcome:
            assert client.denial is not None
            assert client.denial[0] == 403
            assert "origins=" in client.denial[1]
    async with talking(served(subject, **given), headers, host=host, can_deny=False) as client:
        assert client.is_accepted is is_welcome
        if not is_welcome:
            assert client.code == 1008
            assert "origins=" in client.reason


@pytest.mark.parametrize("headers, query", [({"origin": "null"}, ""), ({}, "lastEventId=evenflow.end")])
@both
async def test_a_stream_that_was_made_for_a_client_is_closed_where_it_gets_nothing_of_it(
    headers: dict[str, str], query: str
) -> None:
    """A page of another host, and whoever comes back after the end: the endpoint has subscribed by itself."""
    subject = orders()

    async def endpoint(socket: WebSocket) -> None:
        await websocket(socket, subject.subscribe(Placed).map(lambda order: order.n))

    async with talking(endpoint, headers, query=query):
        assert subject.statistics().subscriptions == ()


@both
async def test_a_connection_that_was_accepted_already_is_refused_by_a_code() -> None:
    """An endpoint may accept it first, for a subprotocol; then there is no answer to send."""
    subject = orders()

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept("json")
        await websocket(socket, subject)

    async with talking(endpoint, {"origin": "https://evil.example"}) as client:
        assert client.denial is None
        assert client.code == 1008
        assert "origins=" in client.reason
    async with talking(endpoint) as client:
        await subject.publish(Placed(n=1))
        await settle()
        assert client.numbers == [1]


@both
async def test_what_a_client_says_reaches_receive_as_the_annotation_says() -> None:
    """A message is validated, and what is not valid is told to this client alone, without a text."""
    said: list[Say] = []

    async def receive(say: Say) -> None:
        said.append(say)

    subject = orders()
    async with talking(served(subject, receive=receive)) as client, talking(served(subject, receive=receive)) as other:
        for content in ({"text": "a"}, {"text": 5}, "{", b'{"text": "b"}', b"\xff", "", {"text": "c"}):
            client.say(content)
        await settle()
        assert [say.text for say in said] == ["a", "b", "c"]
        assert client.frames == [{"type": "evenflow.error", "id": None, "data": {"error": "ValidationError"}}] * 4
        assert other.frames == []


@both
async def test_what_receive_raises_is_told_by_its_class_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The connection goes on, and the text of the error stays here."""

    async def receive(say: Say) -> None:
        if say.text == "bad":
            raise KeyError("the password is swordfish")
        await subject.publish(Placed(n=1))

    subject = orders()
    with caplog.at_level(logging.CRITICAL):  # not on the test's output
        async with talking(served(subject, receive=receive)) as client:
            client.say({"text": "bad"})
            client.say({"text": "good"})
            await settle()
            assert client.types == ["evenflow.error", "Placed"]
            assert client.frames[0]["data"] == {"error": "KeyError"}
            assert "swordfish" not in str(client.sent)


@both
async def test_a_client_that_leaves_cancels_what_receive_waits_for() -> None:
    """A handler that waits does not keep the connection from being noticed as gone."""
    outcome: list[str] = []

    async def receive(_: Say) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            outcome.append("cancelled")

    subject = orders()
    async with talking(served(subject, receive=receive)) as client:
        client.say({"text": "a"})
        await settle()
        assert outcome == []
    assert outcome == ["cancelled"]
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize("content", ["x" * 11, b"x" * 11, "ü" * 6])
@both
async def test_a_message_that_is_too_big_ends_the_connection(content: str | bytes) -> None:
    """Its size is counted in bytes; the code is 1009."""
    subject = orders()
    async with talking(served(subject, max_message=10)) as client:
        client.say("x" * 10)
        await settle()
        assert not client.is_closed
        client.say(content)
        await settle()
        assert (client.code, client.reason) == (1009, "too big")


@both
async def test_a_client_that_sends_too_fast_is_closed() -> None:
    """One second's worth may come at once, then as many as the rate says; the code is 1008."""
    subject = orders()
    async with talking(served(subject, rate=5.0)) as client:
        for _ in range(5):
            client.say("1")
        await settle()
        for _ in range(10):
            await anyio.sleep(0.25)
            client.say("1")
        await settle()
        assert not client.is_closed
        for _ in range(6):
            client.say("1")
        await settle()
        assert (client.code, client.reason) == (1008, "too fast")


@both
async def test_messages_do_not_pile_up_behind_a_slow_receive() -> None:
    """More than one second's worth that waits is too fast, too, even without a limit of the rate."""

    async def receive(_: Say) -> None:
        await anyio.sleep_forever()

    subject = orders()
    async with talking(served(subject, receive=receive, rate=5.0)) as client:
        for _ in range(7):
            client.say({"text": "a"})
            await anyio.sleep(0.3)
        await settle()
        assert (client.code, client.reason) == (1008, "too fast")


@both
async def test_a_slow_client_is_told_and_nobody_waits() -> None:
    """A buffer that is full ends the connection with 1013, after `evenflow.slow`."""
    subject = orders()
    async with talking(served(subject, buffer=2)) as slow, talking(served(subject, buffer=9)) as quick:
        slow.stall()
        for n in range(5):
            await subject.publish(Placed(n=n))
            await settle()
        slow.reads.set()
        await settle()
        assert quick.numbers == [0, 1, 2, 3, 4]
        assert slow.types[-1] == "evenflow.slow"
        assert slow.code == 1013
        assert slow.reason.startswith("slow; retry=")


@both
async def test_a_client_that_reads_nothing_is_gone_after_the_timeout() -> None:
    """A send that takes longer than `send_timeout` ends it, and closing takes a second at most."""
    subject = orders()
    client = SocketClient()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, served(subject, send_timeout=5.0))
        await settle()
        client.stall()
        await subject.publish(Placed(n=1))
        began = anyio.current_time()
    assert 5.0 <= anyio.current_time() - began <= 6.5
    assert subject.statistics().subscriptions == ()


@both
async def test_the_end_of_a_subject_is_told() -> None:
    """`close()` is `evenflow.end` and 1000, and whoever comes back after it hears it at once."""
    subject = orders()
    async with talking(served(subject)) as client:
        await subject.publish(Placed(n=1))
        subject.close()
        await settle()
        assert client.types == ["Placed", "evenflow.end"]
        assert (client.code, client.reason) == (1000, "closed")
    async with talking(served(orders()), query="lastEventId=evenflow.end") as again:
        assert again.types == ["evenflow.end"]
        assert again.code == 1000


@both
async def test_a_subject_that_was_left_says_come_back() -> None:
    """Leaving is no end: 1001, with a time to come back."""
    subject = orders()
    client = SocketClient()
    async with anyio.create_task_group() as tasks:
        async with subject:
            tasks.start_soon(client.run, served(subject))
            await settle()
    assert client.types == []
    assert client.code == 1001
    assert client.reason.startswith("left; retry=")


@both
async def test_a_lifetime_and_a_shutdown_say_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are 1001: rights are asked again, or another process serves it."""
    subject = orders()
    async with talking(served(subject, lifetime=10.0)) as client:
        await anyio.sleep(11)
        assert client.code == 1001
        assert client.reason.startswith("lifetime; retry=")
    feeds: list[Feed] = []

    def made(*given: Any) -> Feed:
        feeds.append(Feed(*given))
        return feeds[-1]

    monkeypatch.setattr("evenflow.web._websocket.Feed", made)
    async with talking(served(subject)) as client:
        feeds[0].stop()
        await settle()
        assert client.code == 1001
        assert client.reason.startswith("shutdown; retry=")
    async with talking(served(subject, send_timeout=90.0)) as client:
        client.stall()
        await subject.publish(Placed(n=1))
        await settle()
        feeds[1].stop()  # in the middle of a send: that was the process's end, and not a slow client
        await anyio.sleep(1)
        client.reads.set()
        await settle()
        assert client.reason.startswith("shutdown; retry=")


@both
async def test_a_silent_connection_is_kept_alive() -> None:
    """After `ping` seconds without a frame there is one, whose id is where the client is."""
    subject = orders(replay=9)
    async with talking(served(subject, Placed, ping=10.0)) as client:
        await subject.publish(Shipped(n=1))
        await anyio.sleep(12)
        assert set(client.types) == {"evenflow.ping"}
        place = next(frame["id"] for frame in client.frames if frame["id"] is not None)
    async with talking(served(subject, Placed), query=f"lastEventId={place}") as again:
        await subject.publish(Placed(n=2))
        await settle()
        assert again.numbers == [2]


@both
async def test_values_of_a_state_are_sent_too() -> None:
    """Whatever gives values can be served."""
    state = State(1)
    async with talking(served(state)) as client:
        state.set(2)
        await settle()
        assert client.frames[-1]["data"] == 2


@both
async def test_a_client_may_go_at_every_moment() -> None:
    """Before it is accepted, in the middle of a send, while a message is handled: nothing is left, and nothing is raised."""

    async def receive(_: Say) -> None:
        await anyio.sleep(1)

    for steps in range(25):
        subject = orders()
        client = SocketClient()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run, served(subject, receive=receive))
            for step in range(steps):
                if step == 6:
                    client.say({"text": "a"})
                if step == 10:
                    subject.publish_nowait(Placed(n=1))
                await anyio.lowlevel.checkpoint()
            client.leave()
        assert subject.statistics().subscriptions == ()


@both
async def test_cancelling_it_at_every_moment_leaves_nothing() -> None:
    """A server that cancels an endpoint finds no subscription and no task of it."""
    for steps in range(20):
        subject = orders()
        client = SocketClient()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run, served(subject))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert subject.statistics().subscriptions == ()


async def no_annotation(say) -> None: ...  # type: ignore[no-untyped-def]  # on purpose


@pytest.mark.parametrize(
    "given, message",
    [
        ({"receive": no_annotation}, "must say what it takes"),
        ({"receive": 5}, "not 5"),
        ({"origins": "https://a.example"}, "origins must be a list"),
        ({"origins": ["a.example"]}, "an origin is a scheme"),
        ({"max_message": 0}, "max_message must be at least 1"),
        ({"rate": 0}, "rate must be more than 0"),
        ({"buffer": 0}, "buffer"),
        ({"client_where": "n"}, "client_where"),
    ],
)
@both
async def test_an_argument_that_makes_no_sense_is_refused_before_it_is_accepted(given: Any, message: str) -> None:
    """It is the program's mistake, so it is raised, and the client gets nothing."""
    client = SocketClient()
    with pytest.raises((TypeError, ValueError), match=message):
        await client.run(served(orders(), **given))
    assert client.sent == []


def test_starlettes_own_client() -> None:
    """The whole way through an application, with rooms."""
    subject: Subject[Said] = Subject(Said)

    async def room(socket: WebSocket) -> None:
        name = socket.path_params["room"]

        async def said(say: Say) -> None:
            await subject.publish(Said(room=name, text=say.text))

        await websocket(socket, subject, Said, where=Said.room == name, receive=said)

    app = Starlette(routes=[WebSocketRoute("/{room}", room)])
    with TestClient(app) as client:
        with client.websocket_connect("/a") as ann, client.websocket_connect("/a") as bob:
            ann.send_json({"text": "hello"})
            for one in (ann, bob):
                assert one.receive_json() == {"type": "Said", "id": None, "data": {"room": "a", "text": "hello"}}
            bob.send_text("x" * 70_000)
            with pytest.raises(WebSocketDisconnect) as caught:
                bob.receive_json()
            assert caught.value.code == 1009
        headers = {"origin": "https://evil.example"}
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/a", headers=headers):
            pass
        assert refused.value.status_code == 403
    assert subject.statistics().subscriptions == ()
