"""A page below a token."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from evenflow.cli.inspect._served import Token

from ...web.inspector.kit import get, request

pytestmark = pytest.mark.anyio


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says what it was asked for."""
    await PlainTextResponse(f"{scope['root_path']} {scope['path']}")(scope, receive, send)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_request_with_the_token_is_passed_on() -> None:
    """What stands below the token is asked of the application, which is told where it is."""
    answer = await get(Token(echo, "secret"), "/secret/live")
    assert (answer.status, answer.text) == (200, "/secret /secret/live")


@pytest.mark.parametrize(
    "path", ["/", "/live", "/secret", "/secrets/live", "/Secret/live", "/é/live", "", "/secret%2Flive"]
)
async def test_without_the_token_there_is_nothing(path: str) -> None:
    """Any other address is not found."""
    answer = await get(Token(echo, "secret"), path)
    assert answer.status == 404 and "token" in answer.text


@pytest.mark.parametrize("token", ["secret", "secreT", "Xecret", "s", "secret" * 1_000, "é"])
async def test_each_token_is_compared_in_constant_time(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right one and a wrong one take as long: `secrets.compare_digest` is asked once about the whole of each."""
    asked: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("secrets.compare_digest", compare)
    answer = await get(Token(echo, "secret"), f"/{token}/live")
    assert answer.status == (200 if token == "secret" else 404)
    assert asked == [(token.encode(), b"secret")]


async def test_what_is_no_request_is_left_alone() -> None:
    """A lifespan or a WebSocket gets no answer."""

    async def never(*_: object) -> Any:
        raise AssertionError

    await Token(never, "secret")(request("/secret/") | {"type": "lifespan"}, never, never)
