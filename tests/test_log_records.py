"""What log records say beside their words: `extra` fields by which they can be filtered, with no need to parse them."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

from evenflow import Event, Subject
from evenflow.testing import MemoryLog

from .contract.kit import both, settle

SOURCE = Path(__file__).parents[1] / "src" / "evenflow"
NO_SUBJECT = {
    "_crew.py": "tasks belong to subjects, logs and chains alike, and know a name only",
    "log/_heartbeat.py": "one heartbeat for all subjects of a log",
    "log/_opening.py": "groups of any subject of a log",
    "log/_schedule.py": "one schedule for all subjects of a log",
    "log/_sqlite/_writer.py": "the file of all subjects of a log",
    "log/_sqlite/_changes.py": "the clock of a file",
    "log/_postgres/_pulse.py": "the server of all subjects of a log",
    "log/_nats/_line.py": "the server of all subjects of a log",
    "log/_nats/_marks.py": "the server of all subjects of a log",
    "log/_nats/_servers.py": "the server of all subjects of a log",
    "log/_nats/_stream.py": "the server of all subjects of a log",
    "log/_redis/_history.py": "the server of all subjects of a log",
    "log/_redis/_line.py": "the server of all subjects of a log",
    "log/_redis/_server.py": "the server of all subjects of a log",
    "web/_encoding.py": "an event, wherever it came from",
    "web/_incoming.py": "what a client has sent",
    "web/_websocket.py": "what a client has sent",
    "web/_inspector/_guard.py": "who may look at all of them",
}
"""Files whose log records are about no subject, and why."""


class Ordered(Event):
    """What is published here."""

    n: int = 0


def _calls(path: Path) -> list[ast.Call]:
    """The calls of a file that write a log record."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [call for call in calls if ast.unparse(call.func).startswith(("_log.", "_logger."))]


def test_every_log_record_says_whose_it_is() -> None:
    """Each call of a logger gives `extra`, but for those that are about no subject."""
    wrong = []
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        for call in _calls(path):
            if any(keyword.arg == "extra" for keyword in call.keywords) == (file in NO_SUBJECT):
                wrong.append(f"{file}:{call.lineno}")
    assert not wrong


@both
async def test_a_failed_handler_is_logged_with_its_subject_and_its_subscription(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`subscription` is the name that statistics and metrics have."""
    orders = Subject(Ordered, name="orders")

    @orders.observer
    def fails(_: Ordered) -> None:
        raise ValueError

    async with orders:
        await orders.publish(Ordered())
        await orders.drain()
        [statistics] = orders.statistics().subscriptions
    [record] = caplog.records
    assert (record.subject, record.subscription) == ("orders", statistics.name)  # type: ignore[attr-defined]  # `extra`


@both
async def test_a_failed_consumer_is_logged_with_its_subject_and_its_group(caplog: pytest.LogCaptureFixture) -> None:
    """The record of the dead letter has them, too."""
    caplog.set_level(logging.ERROR)
    log = MemoryLog()
    orders = log.subject("orders", Ordered)

    def fails(_: Ordered) -> None:
        raise ValueError

    orders.consume("billing", fails, max_attempts=1)
    async with log:
        await orders.publish(Ordered())
        await settle()
    said = {(record.name, record.subject, record.group) for record in caplog.records}  # type: ignore[attr-defined]  # `extra`
    assert said == {("evenflow.consumers", "orders", "billing"), ("evenflow.groups", "orders", "billing")}


@both
async def test_a_subscription_that_holds_a_publisher_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A drain that waits for it says the same of it."""
    import anyio

    orders = Subject(Ordered, name="orders", stall_after=1)
    async with orders.subscribe(Ordered, buffer=1, name="slow") as slow:
        await orders.publish(Ordered())
        with anyio.move_on_after(3):
            await orders.publish(Ordered())
        with anyio.move_on_after(3):
            await orders.drain()
        assert len(slow.statistics().name) == 4
    assert [(record.subject, record.subscription) for record in caplog.records] == [("orders", "slow")] * 2  # type: ignore[attr-defined]  # `extra`


@both
async def test_a_web_client_whose_source_fails_is_logged_with_what_it_read(caplog: pytest.LogCaptureFixture) -> None:
    """Its endpoint's `name=` is the subscription."""
    from evenflow.web import frames

    def fails(_: Ordered) -> bool:
        raise ValueError

    orders = Subject(Ordered, name="orders")
    stream = frames(None, orders, where=fails, name="board")
    await anext(stream)
    await orders.publish(Ordered())
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    [record] = caplog.records
    assert (record.subject, record.subscription) == ("orders", "board")  # type: ignore[attr-defined]  # `extra`
