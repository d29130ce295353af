from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse

from evenflow import Subject
from evenflow.log import SQLiteLog
from evenflow.web import inspector
from evenflow.web._inspector._guard import is_same_origin

from .kit import HERE, Order, get, request, streaming

pytestmark = pytest.mark.anyio
PATHS = ["/", "/static/main.js", "/about", "/live", "/tail", "/dead", "/redrive", "/discard", "/nothing"]


def app(**options: Any) -> Any:
    return inspector(Subject(Order, name="orders"), **options)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:80", "[::1]", "127.5.6.7"]
)
async def test_this_machine_may_look(host: str) -> None:
    """Without authorize= a request from this machine to this machine is let in."""
    assert (await get(app(), "/about", headers={"host": host})).status == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
async def test_every_loopback_peer_is_this_machine(peer: str) -> None:
    """A loopback address may be written in several ways."""
    assert (await get(app(), "/about", client=(peer, 1))).status == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"client": ("192.168.0.7", 1)},
        {"client": ("::ffff:192.168.0.7", 1)},
        {"client": ("testclient", 1)},
        {"client": ("", 1)},
        {"client": None},
        {"headers": {"host": "evil.example"}},
        {"headers": {"host": "127.0.0.1.evil.example"}},
        {"headers": {"host": "localhost.evil.example"}},
        {"headers": {"host": "evil.example@127.0.0.1"}},
        {"headers": {"host": "127.0.0.1@evil.example"}},
        {"headers": {"host": "127.0.0.1:80:80"}},
        {"headers": {"host": "127.0.0.1 evil.example"}},
        {"headers": {"host": "0.0.0.0"}},
        {"headers": {"host": "[::]"}},
        {"headers": {"host": ""}},
        {"headers": {}},
        {"headers": [("host", "127.0.0.1"), ("host", "evil.example")]},
        {"headers": [("host", "127.0.0.1"), ("host", "127.0.0.1")]},
        {"headers": HERE | {"forwarded": "for=1.2.3.4"}},
        {"headers": HERE | {"x-forwarded-for": "127.0.0.1"}},
        {"headers": HERE | {"x-forwarded-host": "localhost"}},
        {"headers": HERE | {"x-forwarded-anything": ""}},
        {"headers": HERE | {"via": "1.1 proxy"}},
        {"headers": HERE | {"x-real-ip": "127.0.0.1"}},
    ],
)
async def test_nobody_else_may(asked: dict[str, Any]) -> None:
    """Without authorize= a request from elsewhere, to another name, or through a proxy, gets nothing, whatever it asks for."""
    for path in PATHS:
        answer = await get(app(actions=True, contents=True), path, **asked)
        assert (path, answer.status) == (path, 403)
        assert "orders" not in answer.text


async def test_a_websocket_is_closed() -> None:
    """There are no WebSockets here: one is closed before it is accepted."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app()(request("/live") | {"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_authorize_lets_in_from_anywhere() -> None:
    """With authorize= it alone decides, sync or async."""

    async def later(request: Request) -> bool:
        await anyio.lowlevel.checkpoint()
        return request.headers.get("x-user") == "me"

    for authorize in (later, lambda request: request.headers.get("x-user") == "me"):
        asked: dict[str, Any] = {"client": ("8.8.8.8", 1)}
        one = app(authorize=authorize)
        assert (await get(one, "/about", headers={"host": "a.example", "x-user": "me"}, **asked)).status == 200
        assert (await get(one, "/about", headers={"host": "a.example"}, **asked)).status == 403


@pytest.mark.parametrize("says", [False, None, 1, "yes", RedirectResponse("/login"), ValueError("no")])
async def test_anything_but_true_is_no(says: object, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that is not True, or an error, lets nobody in; on this machine neither."""

    def authorize(request: Request) -> Any:
        if isinstance(says, Exception):
            raise says
        return says

    for path in PATHS:
        answer = await get(app(authorize=authorize, actions=True, contents=True), path)
        assert (path, answer.status) == (path, 403)
    assert ("authorize= of the inspector raised" in caplog.text) == isinstance(says, Exception)


SECRET = "a-token-nobody-may-read\nERROR forged"


@pytest.mark.parametrize(
    "asked", [{"query": "token=" + quote(SECRET)}, {"headers": HERE | {"authorization": quote(SECRET)}}]
)
async def test_what_a_visitor_says_of_itself_is_in_no_log(
    asked: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A token in the query or in a header is written to no log, whether it is right, wrong, or authorize= fails on it."""
    known: dict[str, bool] = {}

    def authorize(request: Request) -> bool:
        given = request.query_params.get("token") or unquote(request.headers["authorization"])
        assert given == SECRET
        return known[given]

    one = app(authorize=authorize, actions=True, contents=True)
    with caplog.at_level(logging.DEBUG):
        assert (await get(one, "/about", **asked)).status == 403
        known[SECRET] = False
        assert (await get(one, "/about", **asked)).status == 403
        known[SECRET] = True
        for path in PATHS:
            if path not in ("/live", "/tail"):  # they do not end by themselves
                await get(one, path, **asked)
        async with streaming(one, "/live", **asked) as answer:
            await answer.until('"full":true')
    assert "a-token" not in caplog.text and "forged" not in caplog.text
    assert "authorize= of the inspector raised KeyError at inspector/test_guard.py:" in caplog.text


@pytest.mark.parametrize(
    "path, name", [("/about", "x"), ("/tail", "subject"), ("/dead", "subject"), ("/dead", "group"), ("/nothing", "x")]
)
async def test_a_query_of_a_megabyte_is_answered_with_few_bytes(path: str, name: str, tmp_path: Path) -> None:
    """However long a query is, the answer is short and says nothing of it."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    log.subject("orders", Order)
    async with log:
        one = inspector(log, actions=True, contents=True)
        async with streaming(one, "/live") as answer:
            await answer.until('"full":true')
            said = await get(one, path, query=f"subject=l1.1&group=work&{name}=" + "x" * 1_000_000)
    assert said.status in (200, 400, 404, 409)
    assert len(said.text) < 1_000


async def test_authorize_covers_the_stream() -> None:
    """A stream is let in by the same question."""
    asked: list[str] = []

    def authorize(request: Request) -> bool:
        asked.append(request.url.path)
        return True

    async with streaming(app(authorize=authorize), "/live") as answer:
        await answer.until('"full":true')
    assert asked == ["/live"]


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/about", "/nothing"])
async def test_every_answer_has_the_headers_that_keep_it_safe(path: str) -> None:
    """No script or style but the page's own, no frame around it, no other host: also where the answer is no."""
    for asked in ({}, {"client": ("8.8.8.8", 1)}):
        answer = await get(app(), path, **asked)
        policy = answer.header("content-security-policy")
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert "script-src 'self'" in policy and "style-src 'self'" in policy and "http" not in policy
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("referrer-policy") == "no-referrer"


@pytest.mark.parametrize(
    "headers, same",
    [
        ({"origin": "http://127.0.0.1:8000"}, True),
        ({"origin": "https://127.0.0.1:8000"}, True),
        ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"}, False),
        ({"origin": "http://127.0.0.1:8001"}, False),
        ({"origin": "http://localhost:8000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://127.0.0.1:8000@evil.example"}, False),
        ({"origin": "http://evil.example@127.0.0.1:8000"}, False),
        ({"origin": "http://127.0.0.1:8000/path"}, False),
        ({"origin": "file://127.0.0.1:8000"}, False),
        ({"origin": "http://["}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({}, False),
    ],
)
def test_only_a_page_of_this_host_acts(headers: dict[str, str], same: bool) -> None:
    """An action says that a page of this very host has sent it; silence is no."""
    assert is_same_origin(Request(request("/redrive", headers=HERE | headers))) is same
