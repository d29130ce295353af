"""A page below a token."""

from __future__ import annotations

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


async def test_what_is_no_request_is_left_alone() -> None:
    """A lifespan or a WebSocket gets no answer."""

    async def never(*_: object) -> Any:
        raise AssertionError

    await Token(never, "secret")(request("/secret/") | {"type": "lifespan"}, never, never)
