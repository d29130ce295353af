"""What a server and a stream must be like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evenflow._errors import LogError
from evenflow.log._nats._names import Names
from evenflow.log._nats._stream import History, Shape, check, check_server, first_line, wanted

from .kit import log_on, needs_nats, on_asyncio, own_server

NAMES = Names("SHOP", "acme.shop")
SHAPE = Shape(1, 30.0)


@pytest.mark.parametrize("version", ["2.9.25", "2.11.9", "1.4", "", "x"])
def test_an_old_server_is_refused_with_its_version(version: str) -> None:
    """Before 2.12 there are no atomic batches."""
    with pytest.raises(LogError, match=version or "unknown"):
        check_server("log", version)


@pytest.mark.parametrize("version", ["2.12.0", "2.12.1-RC.2", "3.0.0"])
def test_a_newer_server_is_taken(version: str) -> None:
    """Also one that is not released yet."""
    check_server("log", version)


@pytest.mark.parametrize(
    "setting, value",
    [
        ("allow_atomic", False), ("allow_direct", False), ("allow_rollup_hdrs", False), ("allow_msg_ttl", False),
        ("subjects", ["acme.shop.>"]), ("max_age", 10), ("max_msgs", 10), ("max_msgs_per_subject", 1),
        ("retention", "workqueue"), ("duplicate_window", 1), ("republish", None), ("sealed", True),
    ],
)  # fmt: skip
def test_a_stream_that_could_not_keep_a_log_is_refused(setting: str, value: Any) -> None:
    """The message says what to set."""
    config = wanted(NAMES, SHAPE)
    check("log", NAMES, SHAPE, config)
    with pytest.raises(LogError, match=setting):
        check("log", NAMES, SHAPE, config | {setting: value})


def test_limits_that_refuse_instead_of_removing_are_taken() -> None:
    """A full stream is an error for whoever publishes."""
    check("log", NAMES, SHAPE, wanted(NAMES, SHAPE) | {"max_bytes": 10_000, "subjects": [">"]})
    with pytest.raises(LogError, match="discard"):
        check("log", NAMES, SHAPE, wanted(NAMES, SHAPE) | {"max_bytes": 10_000, "discard": "old"})


def test_the_window_is_longer_than_a_publish_may_take() -> None:
    """Twice as long, and a minute at least."""
    assert Shape(1, 5.0).window == 60
    assert Shape(1, 100.0).window == 200


def test_history_is_what_the_log_says_of_itself() -> None:
    """A later format is refused."""
    history = History()
    history.learn("log", first_line()[0])
    (line,) = history.lineages
    assert line.after == 0
    history.note(7)
    history.note(5, event=True)
    assert (history.high, history.newest) == (7, 5)
    with pytest.raises(LogError, match="later"):
        history.learn("log", json.dumps({"format": 2}).encode())


@needs_nats
@on_asyncio
async def test_a_server_without_jetstream_is_refused() -> None:
    """At once, with the way out."""
    with own_server(jetstream=None) as server, pytest.raises(LogError, match="JetStream"):
        await log_on(server.url).start()
