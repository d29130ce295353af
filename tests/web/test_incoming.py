"""What a client sends: how much, how fast, and what it means."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from evenflow.web._incoming import MOST_WAITING, Handler, Incoming, checked_limits
from evenflow.web._item import Item

from ..contract.kit import settle
from .kit import both


class Say(BaseModel):
    text: str


async def ignore(_: Say) -> None: ...


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": content}


@pytest.mark.parametrize(
    "message", [text("x" * 5), text("ü" * 3), {"bytes": b"x" * 5}, {"bytes": b"x" * 5, "text": None}]
)
@both
async def test_the_size_of_a_message_is_its_bytes(message: dict[str, Any]) -> None:
    """Text as UTF-8."""
    limited, enough = Incoming(None, 4, math.inf), Incoming(None, 6, math.inf)
    assert limited.take(message) == "too big"
    assert enough.take(message) is None
    for each in (limited, enough):
        each.close()


@both
async def test_the_rate_is_a_bucket_of_one_second() -> None:
    """What was not sent in a second is not saved for later."""
    incoming = Incoming(None, 99, 3.0)
    await anyio.sleep(100)
    assert [incoming.take(text("a")) for _ in range(4)] == [None, None, None, "too fast"]
    await anyio.sleep(0.4)
    assert [incoming.take(text("a")) for _ in range(2)] == [None, "too fast"]
    incoming.close()


@both
async def test_a_rate_below_one_lets_the_first_message_come() -> None:
    """One message in ten seconds, for example."""
    incoming = Incoming(None, 99, 0.1)
    assert [incoming.take(text("a")) for _ in range(2)] == [None, "too fast"]
    await anyio.sleep(10.5)
    assert incoming.take(text("a")) is None
    incoming.close()


@both
async def test_without_a_rate_the_messages_that_wait_are_limited_all_the_same() -> None:
    """So that a handler that hangs does not fill the memory."""
    incoming = Incoming(Handler(ignore), 99, math.inf)
    assert [incoming.take(text("a")) for _ in range(MOST_WAITING)] == [None] * MOST_WAITING
    assert incoming.take(text("a")) == "too fast"
    incoming.close()


@both
async def test_messages_are_handled_one_after_another_in_order() -> None:
    """A second one waits until the first is done."""
    handled: list[str] = []

    async def receive(say: Say) -> None:
        await anyio.sleep(1)
        handled.append(say.text)

    async def tell(_: Item) -> None: ...

    incoming = Incoming(Handler(receive), 99, 9.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(incoming.handle_all, tell)
        for word in "abc":
            incoming.take(text(f'{{"text": "{word}"}}'))
        await settle()
        assert handled == []
        await anyio.sleep(1.5)
        assert handled == ["a"]
        await anyio.sleep(2)
        assert handled == ["a", "b", "c"]
        tasks.cancel_scope.cancel()
    incoming.close()


@both
async def test_any_annotation_that_pydantic_reads_will_do() -> None:
    """A union, a list, a number, a dataclass."""
    got: list[object] = []

    async def numbers(given: list[int] | str) -> None:
        got.append(given)

    handler = Handler(numbers)
    await handler('["1", 2]')
    await handler('"x"')
    assert got == [[1, 2], "x"]


class Unreadable:
    pass


async def unreadable(_: Unreadable) -> None: ...


async def nothing() -> None: ...


@pytest.mark.parametrize("receive", [unreadable, nothing, "say", 5])
def test_a_receive_that_cannot_be_called_with_a_message_is_refused(receive: Any) -> None:
    """Before a client is accepted."""
    with pytest.raises(TypeError):
        Handler(receive)


def test_a_receive_that_is_not_async_is_refused() -> None:
    """It would hold the loop, and there would be nothing to await."""

    def receive(_: Say) -> None: ...

    with pytest.raises(TypeError, match="must be an async function"):
        Handler(receive)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "limits", [(0, 1.0), (True, 1.0), (1.5, 1.0), (5, 0), (5, -1.0), (5, math.nan), (5, "fast"), (5, True)]
)
def test_limits_that_make_no_sense_are_refused(limits: tuple[Any, Any]) -> None:
    """With the value in the message."""
    with pytest.raises((TypeError, ValueError), match=r"max_message|rate"):
        checked_limits(*limits)
