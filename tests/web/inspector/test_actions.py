from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow.log import SQLiteLog
from evenflow.web import inspector

from .kit import HERE, Answer, Order, get, streaming

pytestmark = pytest.mark.anyio
PAGE = HERE | {"origin": "http://127.0.0.1:8000", "content-type": "application/json"}


@asynccontextmanager
async def with_dead_letters(tmp_path: Path, **options: Any) -> AsyncGenerator[tuple[Any, Any]]:
    """An inspector of a log with three dead letters, which somebody looks at."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    orders = log.subject("orders", Order)
    async with log:
        async with orders.deliveries("mail", max_attempts=1) as deliveries:
            for total in (1, 2, 3):
                await orders.publish(Order(region="hunter2", total=total))
                await (await deliveries.receive()).reject("hunter2 was bad")
        app = inspector(log, **options)
        async with streaming(app, "/live") as live:
            await live.until('"name":"mail"')
            yield app, orders


async def act(app: Any, path: str, body: Any, headers: Any = PAGE) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await get(app, path, method="POST", headers=headers, body=text)


async def dead(orders: Any) -> int:
    (group,) = await orders.groups()
    number: int = group.dead
    return number


async def test_dead_letters_are_listed_without_their_contents(tmp_path: Path) -> None:
    """A dead letter is shown with its place, its class, its attempts and its time; with contents also its data and error."""
    async with with_dead_letters(tmp_path) as (app, _):
        answer = await get(app, "/dead", query="subject=l1.1&group=mail")
        letters = answer.json["letters"]
        assert [letter["attempts"] for letter in letters] == [1, 1, 1]
        assert letters[0]["type"] == "Order" and letters[0]["offset"].startswith("orders.")
        assert "hunter2" not in answer.text
        assert answer.header("cache-control") == "no-store"
    async with with_dead_letters(tmp_path, contents=True) as (app, _):
        answer = await get(app, "/dead", query="subject=l1.1&group=mail")
        assert "hunter2 was bad" in answer.json["letters"][0]["error"]
        assert '"region":"hunter2"' in answer.json["letters"][0]["data"].replace(": ", ":")


async def test_dead_letters_are_redriven_and_discarded(tmp_path: Path) -> None:
    """With actions=True the page sends dead letters out again, or deletes them; one, or all of them."""
    async with with_dead_letters(tmp_path, actions=True) as (app, orders):
        letters = (await get(app, "/dead", query="subject=l1.1&group=mail")).json["letters"]
        answer = await act(app, "/redrive", {"subject": "l1.1", "group": "mail", "offsets": [letters[0]["offset"]]})
        assert (answer.status, answer.json) == (200, {"done": 1})
        assert await dead(orders) == 2
        answer = await act(app, "/discard", {"subject": "l1.1", "group": "mail", "offsets": "all"})
        assert answer.json == {"done": 2}
        (group,) = await orders.groups()
        assert (group.dead, group.due) == (0, 1)


@pytest.mark.parametrize("path", ["/redrive", "/discard"])
async def test_without_actions_nothing_is_done(tmp_path: Path, path: str) -> None:
    """Without actions=True the page only shows."""
    async with with_dead_letters(tmp_path) as (app, orders):
        answer = await act(app, path, {"subject": "l1.1", "group": "mail", "offsets": "all"})
        assert answer.status == 403 and "actions=True" in answer.text
        assert await dead(orders) == 3


NONSENSE: list[tuple[Any, dict[str, str], int]] = [
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, HERE | {"content-type": "application/json"}, 403),
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, PAGE | {"origin": "http://evil.example"}, 403),
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, PAGE | {"origin": "null"}, 403),
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, PAGE | {"sec-fetch-site": "cross-site"}, 403),
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, PAGE | {"content-type": "text/plain"}, 415),
    ({"subject": "l1.1", "group": "mail", "offsets": "all"}, PAGE | {"content-type": "application/jsonx"}, 415),
    (b"subject=l1.1", PAGE, 400),
    (b"[" * 60_000, PAGE, 400),
    (b"\xff", PAGE, 400),
    (b" " * 100_000, PAGE, 413),
    ([], PAGE, 400),
    ({}, PAGE, 404),
    ({"subject": "l1.9", "group": "mail", "offsets": "all"}, PAGE, 404),
    ({"subject": ["l1.1"], "group": "mail", "offsets": "all"}, PAGE, 404),
    ({"subject": "l1.1", "offsets": "all"}, PAGE, 400),
    ({"subject": "l1.1", "group": 3, "offsets": "all"}, PAGE, 400),
    ({"subject": "l1.1", "group": "mail"}, PAGE, 400),
    ({"subject": "l1.1", "group": "mail", "offsets": ["x"]}, PAGE, 400),
    ({"subject": "l1.1", "group": "mail", "offsets": [3]}, PAGE, 400),
    ({"subject": "l1.1", "group": "mail", "offsets": ["orders.nobody.3"]}, PAGE, 409),
    ({"subject": "l1.1", "group": "mail", "offsets": ["other.nobody.3"]}, PAGE, 409),
]


@pytest.mark.parametrize("path", ["/redrive", "/discard"])
async def test_what_makes_no_sense_or_comes_from_elsewhere_does_nothing(tmp_path: Path, path: str) -> None:
    """An action of another site, in another form, or for what is not there, is refused and does nothing."""
    async with with_dead_letters(tmp_path, actions=True) as (app, orders):
        for body, headers, status in NONSENSE:
            answer = await act(app, path, body, headers)
            assert answer.status == status, (body, headers, answer.text)
            assert answer.json["error"]
            assert await dead(orders) == 3, (body, headers)


async def test_an_action_is_a_post(tmp_path: Path) -> None:
    """Following a link does nothing."""
    async with with_dead_letters(tmp_path, actions=True) as (app, orders):
        for path in ("/redrive", "/discard"):
            assert (await get(app, path, headers=PAGE, query="subject=l1.1&group=mail&offsets=all")).status == 405
        assert await dead(orders) == 3


async def test_of_a_log_that_is_not_open_nothing_is_asked(tmp_path: Path) -> None:
    """Where a log is not open, its dead letters cannot be seen: the page is told so."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    log.subject("orders", Order)
    app = inspector(log, actions=True)
    async with streaming(app, "/live") as live:
        await live.until('"name":"orders"')
        assert (await get(app, "/dead", query="subject=l1.1&group=mail")).status == 409
        answer = await act(app, "/redrive", {"subject": "l1.1", "group": "mail", "offsets": "all"})
        assert answer.status == 409 and answer.json["error"] == "the log is not open"
    assert isinstance(live, Answer) and anyio
