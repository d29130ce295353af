"""The response: its bytes, its headers, what is refused before it begins, and a client that goes at any moment."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evenflow import State, Subject
from evenflow.testing import MemoryLog
from evenflow.web import sse

from ..contract.kit import settle
from .kit import Client, Placed, Shipped, both, connected, orders


@both
async def test_a_browser_gets_events_ids_and_a_time_to_come_back() -> None:
    """The block of the first event has `retry:`; all have an id, the wire name and the JSON."""
    subject = orders(replay=9)
    async with connected(lambda request: sse(request, subject, retry=3.0)) as client:
        await subject.publish_many([Placed(n=1), Shipped(n=2)])
        await settle()
        assert client.status == 200
        assert client.types == ["Placed", "order.shipped"]
        assert client.events[0].value == {"n": 1, "region": "eu"}
        assert client.parser.last_id.endswith("-2")
        assert client.parser.retry is not None
        assert 3_000 <= client.parser.retry <= 4_500
        assert b"".join(client.chunks).count(b"retry") == 1


@both
async def test_clients_come_back_at_different_times() -> None:
    """So that a restart is not followed by all of them at once."""
    subject = orders()
    times = set()
    for _ in range(20):
        async with connected(lambda request: sse(request, subject)) as client:
            await subject.publish(Placed(n=1))
            await settle()
        times.add(client.parser.retry)
    assert len(times) > 10


@both
async def test_the_headers_keep_proxies_and_caches_away() -> None:
    """Nothing buffers, stores, compresses or guesses."""
    subject = orders()
    async with connected(lambda request: sse(request, subject)) as client:
        assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert client.headers["cache-control"] == "no-store, no-transform"
        assert client.headers["x-accel-buffering"] == "no"
        assert client.headers["x-content-type-options"] == "nosniff"
        assert "content-length" not in client.headers
        assert client.chunks  # a proxy passes the headers on with the first bytes
        assert client.events == []


@both
async def test_a_ping_that_was_due_during_a_send_comes_after_it() -> None:
    """Not when that send would have taken too long."""
    subject = orders()
    async with connected(lambda request: sse(request, subject, ping=2.0, send_timeout=20.0)) as client:
        client.stall()
        await subject.publish(Placed(n=1))
        await anyio.sleep(5)
        before = len(client.parser.comments)
        client.reads.set()
        await anyio.sleep(2.5)
        assert client.numbers == [1]
        assert len(client.parser.comments) > before


@both
async def test_a_lifetime_that_is_over_during_a_send_ends_the_stream_after_it() -> None:
    """Also where nothing else would wake the client."""
    subject = orders()
    client = Client()
    response = sse(client.request, subject, ping=900.0, send_timeout=600.0, lifetime=3.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, response)
        await settle()
        client.stall()
        await subject.publish(Placed(n=1))
        await anyio.sleep(5)
        client.reads.set()
        await anyio.sleep(1)
        assert client.is_complete
        assert subject.statistics().subscriptions == ()


@both
async def test_head_is_answered_without_a_subscription() -> None:
    """The headers of the stream, no body, and nothing that is left."""
    subject = orders()
    client = Client(method="HEAD")
    await client.run(sse(client.request, subject))
    assert (client.status, client.chunks, client.is_complete) == (200, [b""], True)
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize("asks", [{"method": "HEAD"}, {"headers": {"Last-Event-ID": "evenflow.end"}}])
@both
async def test_a_stream_that_was_made_for_a_client_is_closed_where_it_gets_nothing_of_it(asks: dict[str, Any]) -> None:
    """HEAD, and whoever comes back after the end: the endpoint has subscribed by itself, and nothing warns of it."""
    subject = orders()
    for make in (lambda: subject.subscribe(Placed), lambda: subject.subscribe(Placed).map(lambda order: order.n)):
        client = Client(**asks)
        await client.run(sse(client.request, make()))
        assert client.status in (200, 204)
        assert subject.statistics().subscriptions == ()


@both
async def test_idle_is_a_comment_that_no_client_takes_for_an_event() -> None:
    """A line that begins with a colon, and no empty line after it, which some clients would dispatch."""
    subject = orders()
    async with connected(lambda request: sse(request, subject, ping=15.0)) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(32)
        assert client.chunks[-2:] == [b":\n", b":\n"]


@both
async def test_a_client_that_has_had_nothing_learns_where_it_is() -> None:
    """It is an id without an event: the browser dispatches nothing, and comes back with it."""
    subject = orders(replay=9)
    async with connected(lambda request: sse(request, subject, Shipped)) as client:
        await subject.publish(Placed(n=1))
        await anyio.sleep(1.5)
        assert client.events == []
        place = client.parser.last_id
        assert place.endswith("-1")
    await subject.publish(Shipped(n=2))
    async with connected(lambda request: sse(request, subject, Shipped), {"Last-Event-ID": place}) as client:
        assert client.numbers == [2]


@both
async def test_the_header_wins_over_the_query() -> None:
    """The address stays the one of the first visit; the header is where the browser is now."""
    subject = orders(replay=9)
    await subject.publish_many([Placed(n=n) for n in range(1, 5)])
    epoch = subject._life.numbers.epoch
    async with connected(
        lambda request: sse(request, subject), {"Last-Event-ID": f"{epoch}-3"}, f"lastEventId={epoch}-1"
    ) as client:
        assert client.numbers == [4]
    async with connected(lambda request: sse(request, subject), query=f"lastEventId={epoch}-2") as client:
        assert client.numbers == [3, 4]


@pytest.mark.parametrize(
    "text", ["nonsense", "%0Aevent:%20x", "a" * 10_000, "%FF%FE", "0-0-0", "..", "0000000000-" + "9" * 30]
)
@both
async def test_a_query_that_is_no_cursor_is_a_problem_in_json(text: str) -> None:
    """400 before anything begins, which ends an EventSource; what the client wrote is not repeated."""
    subject = orders(replay=1)
    client = Client(query=f"lastEventId={text}")
    await client.run(sse(client.request, subject))
    assert client.status == 400
    assert client.headers["content-type"] == "application/problem+json"
    problem = json.loads(b"".join(client.chunks))
    assert problem == {"title": "Bad Request", "status": 400, "detail": "lastEventId is no id of this stream"}
    assert subject.statistics().subscriptions == ()


@pytest.mark.parametrize("text", ["nonsense", "a" * 10_000, "\xff\xfe", "0-0-0", "9" * 300])
@both
async def test_a_header_that_is_no_cursor_is_a_gap(text: str) -> None:
    """The browser would never come back after an error, and it sent what it was once given."""
    subject = orders(replay=1)
    client = Client({})
    client.scope["headers"] = [(b"last-event-id", text.encode("latin-1"))]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, sse(client.request, subject))
        await settle()
        assert client.types == ["evenflow.gap"]
        assert client.events[0].value == {"missed": None}
        client.leave()


@both
async def test_the_end_is_told_and_whoever_comes_back_is_answered_204() -> None:
    """By the header and by the query; then EventSource stops."""
    subject = orders()
    async with connected(lambda request: sse(request, subject)) as client:
        subject.close()
        await settle()
        assert client.types == ["evenflow.end"]
        assert client.is_complete
    for headers, query in (({"Last-Event-ID": client.parser.last_id}, ""), ({}, "lastEventId=evenflow.end")):
        again = Client(headers, query)
        await again.run(sse(again.request, subject))
        assert (again.status, again.chunks) == (204, [b""])


@both
async def test_a_subject_that_was_left_only_ends_the_response() -> None:
    """The browser comes back: after a restart there is a new one."""
    subject = orders()
    client = Client()
    async with anyio.create_task_group() as tasks, subject:
        tasks.start_soon(client.run, sse(client.request, subject))
        await settle()
    assert client.events == []
    assert client.is_complete


@both
async def test_an_error_at_the_end_is_a_class_and_no_text() -> None:
    """What an exception says may hold anything."""
    subject = orders()
    async with connected(lambda request: sse(request, subject)) as client:
        subject.close(LookupError("postgres://user:password@host"))
        await settle()
    assert client.events[0].value == {"error": "LookupError"}
    assert b"password" not in b"".join(client.chunks)


@both
async def test_a_slow_client_is_told_why_and_comes_back_to_the_rest() -> None:
    """It gets what its buffer held, then `evenflow.slow`, and by its id what came after, from the replay."""
    subject = orders(replay=10)
    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, sse(client.request, subject, buffer=2))
        await settle()
        client.stall()
        for n in range(1, 6):
            assert subject.publish_nowait(Placed(n=n)) in (0, 1)
            await settle()
        client.reads.set()
    assert client.types[-1] == "evenflow.slow"
    assert client.is_complete
    got = client.numbers
    async with connected(lambda request: sse(request, subject), {"Last-Event-ID": client.parser.last_id}) as again:
        assert got + again.numbers == [1, 2, 3, 4, 5]


@both
async def test_a_dead_client_is_given_up_after_send_timeout() -> None:
    """A send that never ends ends the response, and leaves no subscription."""
    subject = orders()
    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, sse(client.request, subject, send_timeout=20.0))
        await settle()
        client.stall()
        await subject.publish(Placed(n=1))
        await anyio.sleep(19)
        assert len(subject.statistics().subscriptions) == 1
        await anyio.sleep(22)  # the first send, and the one that would have said that it is over
        assert subject.statistics().subscriptions == ()
        client.reads.set()


@both
async def test_a_client_that_goes_is_noticed_while_nothing_comes() -> None:
    """Its subscription goes at once, without a send."""
    subject = orders()
    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run, sse(client.request, subject))
        await settle()
        assert len(subject.statistics().subscriptions) == 1
        client.leave()
        await settle()
        assert subject.statistics().subscriptions == ()


@both
async def test_a_connection_that_breaks_in_a_send_is_no_error() -> None:
    """A server raises `OSError` there."""
    subject = orders()

    async def broken(message: Any) -> None:
        if message["type"] == "http.response.body" and b"Placed" in message["body"]:
            raise ConnectionResetError

    client = Client()
    async with anyio.create_task_group() as tasks:
        response = sse(client.request, subject)
        tasks.start_soon(response, client.scope, client.receive, broken)
        await settle()
        await subject.publish(Placed(n=1))
        await settle()
        assert subject.statistics().subscriptions == ()


@both
async def test_a_client_that_goes_before_it_got_anything_is_no_error() -> None:
    """The very first send fails, or hangs: the response ends, and no subscription is left."""
    subject = orders()

    async def broken(_: Any) -> None:
        raise ConnectionResetError

    async def hangs(_: Any) -> None:
        await anyio.sleep_forever()

    for send in (broken, hangs):
        client, at = Client(), anyio.current_time()
        await sse(client.request, subject, send_timeout=20.0)(client.scope, client.receive, send)
        assert subject.statistics().subscriptions == ()
        assert anyio.current_time() - at < 21


@both
async def test_what_send_raises_goes_out_as_it_is() -> None:
    """In no group: the server's log shows the error itself."""
    subject = orders()

    async def broken(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise LookupError("a middleware's own")

    client = Client()
    with pytest.raises(LookupError, match="a middleware's own"):
        await sse(client.request, subject)(client.scope, client.receive, broken)
    assert subject.statistics().subscriptions == ()


class Turns:
    """An ASGI server that cancels the application at one of its awaits: each send and receive is one."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.scope = anyio.CancelScope()

    async def pass_one(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.scope.cancel()
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("source", ["memory", "durable", "state", "generator"])
@both
async def test_a_client_may_be_cut_off_at_every_await(source: str) -> None:
    """Before the first event, in a send, during the replay: nothing is left, neither a subscription nor a task."""
    log = MemoryLog()
    kept = log.subject("kept", Placed)
    async with log:
        await kept.publish_many([Placed(n=n) for n in range(3)])
        for at in range(12):
            subject = orders(replay=3)
            await subject.publish_many([Placed(n=n) for n in range(3)])

            async def generated() -> AsyncIterator[int]:
                for n in range(3):
                    yield n
                    await anyio.sleep(1)

            given: Any = {"memory": subject, "durable": kept, "state": State(1), "generator": generated()}[source]
            more: Any = {"since": "start"} if source in ("memory", "durable") else {}
            turns = Turns(at)
            client = Client()

            async def send(message: Any, turns: Turns = turns) -> None:
                await turns.pass_one()

            with turns.scope:
                async with anyio.create_task_group() as tasks:
                    response = sse(client.request, given, ping=0.5, **more)
                    tasks.start_soon(response, client.scope, client.receive, send)
                    await anyio.sleep(20)
                    client.leave()
            await settle()
            assert subject.statistics().subscriptions == ()
        opening = kept._openings.open()
        assert not opening.tail(kept._kind)._feeds


@both
async def test_each_event_is_encoded_once_for_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty clients of two endpoints, and one that comes later and gets the replay: one encoding for each event."""
    from evenflow.log._codec import Codec

    counted: list[object] = []
    plain = Codec.encode
    monkeypatch.setattr(Codec, "encode", lambda codec, event: counted.append(event) or plain(codec, event))
    subject: Subject[Any] = Subject(Placed, name="orders", replay=10)
    async with anyio.create_task_group() as tasks:
        clients = [Client() for _ in range(50)]
        for number, client in enumerate(clients):
            where = Placed.n >= 0 if number % 2 else None
            tasks.start_soon(client.run, sse(client.request, subject, where=where))
        await settle()
        for n in range(10):
            await subject.publish(Placed(n=n))
            await settle()
        late = Client()
        tasks.start_soon(late.run, sse(late.request, subject, since="start"))
        await anyio.sleep(1)
        assert all(client.numbers == [*range(10)] for client in [*clients, late])
        for client in [*clients, late]:
            client.leave()
    assert len(counted) == 10


@both
async def test_a_durable_event_is_never_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the log has stored is what is sent."""
    from evenflow.log._codec import Codec

    log = MemoryLog()
    subject = log.subject("orders", Placed)
    async with log:
        await subject.publish(Placed(n=1))
        monkeypatch.setattr(Codec, "encode", lambda codec, event: pytest.fail("encoded again"))
        async with connected(lambda request: sse(request, subject, since="start")) as client:
            assert client.numbers == [1]


@both
async def test_an_event_that_cannot_be_written_is_an_error_for_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets the class of the error, with an id, and all the other events; the log has the traceback once."""

    class Odd:
        """Nothing that pydantic can write."""

    subject: Subject[Any] = Subject(object, name="odd", replay=5)
    with caplog.at_level(logging.ERROR, "evenflow.web"):
        async with (
            connected(lambda request: sse(request, subject)) as client,
            connected(lambda request: sse(request, subject)) as other,
        ):
            await subject.publish_many([Placed(n=1), Odd(), Placed(n=2)])
            await settle()
    assert client.types == other.types == ["Placed", "evenflow.error", "Placed"]
    assert client.events[1].value == {"error": "TypeError"}
    assert client.events[1].id.endswith("-2")
    assert len(caplog.records) == 1


@both
async def test_the_mistakes_of_an_endpoint_are_raised_by_the_call() -> None:
    """Before the response begins: FastAPI makes a 500 of them, and not an empty 200."""
    client = Client()
    with pytest.raises(ValueError, match="buffer"):
        sse(client.request, orders(), buffer=0)
    with pytest.raises(ValueError, match="ping"):
        sse(client.request, orders(), ping=0)
    with pytest.raises(TypeError, match="resume"):
        sse(client.request, orders(), resume=60)  # type: ignore[arg-type]
    log = MemoryLog()
    with pytest.raises(RuntimeError, match="not open"):
        sse(client.request, log.subject("orders", Placed))


@both
async def test_a_middleware_that_takes_a_turn_for_each_message_cuts_nobody() -> None:
    """A burst of the buffer's size reaches a healthy client whole, though each send takes several turns."""
    subject = orders()

    async def events(request: Request) -> Response:
        return sse(request, subject)

    async def passing(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    app = Starlette(
        routes=[Route("/events", events)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing), Middleware(BaseHTTPMiddleware, dispatch=passing)],
    )
    clients = [Client() for _ in range(20)]
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(app, client.scope, client.receive, client.send)
        await settle()
        for n in range(1_024):
            subject.publish_nowait(Placed(n=n))
        await settle()
        for client in clients:
            assert client.numbers == [*range(1_024)]
            client.leave()
