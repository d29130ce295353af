"""RedisLog: its face."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import from_url
from evenflow.log.redis import RedisLog

from . import faces


def test_it_can_be_the_modules_own() -> None:
    """Nothing is connected when it is made; neither its repr nor its errors show a password."""
    log = RedisLog("redis://me:s3cret@nowhere:1/0", name="shop")
    assert log.name == "shop"
    assert not log.connected.value
    assert "s3cret" not in repr(log)
    with pytest.raises(ValueError, match="nonsense") as caught:
        RedisLog("nonsense://me:s3cret@host")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong, says",
    [({"publish_timeout": "x"}, "publish_timeout"), ({"keep_ids": 3}, "keep_ids"), ({"name": ""}, "a log")],
)
def test_a_wrong_option_is_refused_by_its_name(wrong: dict[str, Any], says: str) -> None:
    """An empty name was another log, and the others said what Python cannot compare."""
    with pytest.raises((TypeError, ValueError), match=says):
        RedisLog("redis://localhost", **wrong)


def test_its_capabilities_are_those_of_a_server_with_streams() -> None:
    """No transactions, schedule or newest of each key; several machines; no trio."""
    log = RedisLog("redis://localhost")
    log.require("total_order", "keeps_ids", "ordered_by", "several_processes", "several_machines")
    assert set(log.capabilities.missing()) == {
        "durable_on_power_cut", "transactions", "own_rows", "schedule", "last_by", "routed_by", "counts_first_attempt",
        "notices_dead_members", "notices_lost_events", "trio",
    }  # fmt: skip


def test_the_url_may_name_the_log() -> None:
    """For a setting, and for the command line; an argument counts more."""
    assert RedisLog("redis://h/1?name=shop").name == "shop"
    assert RedisLog("redis://h/1?name=shop", name="other").name == "other"
    assert RedisLog("redis://h/1").name == "log"
    with pytest.raises(ValueError, match="a b"):
        RedisLog("redis://h/1?name=a%20b")


@pytest.mark.parametrize("url", ["redis://h/1", "rediss://h", "valkey://h", "valkeys://h", "unix:///run/redis.sock"])
def test_a_url_makes_it(url: str) -> None:
    """``from_url`` with its own options."""
    log = from_url(url, name="shop", publish_timeout=3.0)
    assert isinstance(log, RedisLog)
    assert log.name == "shop"


def test_on_trio_it_is_unsupported() -> None:
    """When it is entered."""
    faces.refuses_trio(RedisLog("redis://nowhere:1"))


def test_it_can_be_put_in_memory() -> None:
    """A test of an application needs no server."""
    faces.can_be_put_in_memory(RedisLog("redis://nowhere:1"))


def test_the_log_does_not_import_the_client() -> None:
    """Whoever uses a file needs no redis-py; without it the module says what to install."""
    faces.is_imported_alone("redis", "redis")
