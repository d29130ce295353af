"""NATSLog: its face."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import from_url
from evenflow.log.nats import NATSLog

from . import faces


def test_it_can_be_the_modules_own() -> None:
    """Nothing is connected when it is made; neither its repr nor its errors show a password."""
    log = NATSLog("nats://me:s3cret@nowhere:1", name="shop")
    assert log.name == "shop"
    assert not log.connected.value
    assert "s3cret" not in repr(log)
    with pytest.raises(ValueError, match="nonsense") as caught:
        NATSLog("nonsense://me:s3cret@host")
    assert "s3cret" not in str(caught.value)


def test_its_capabilities_are_those_of_a_server_with_streams() -> None:
    """No transactions, schedule or newest of each key; several machines; no trio."""
    log = NATSLog("nats://localhost")
    log.require("total_order", "keeps_ids", "ordered_by", "routed_by", "several_processes", "several_machines")
    assert set(log.capabilities.missing()) == {
        "durable_on_power_cut", "transactions", "own_rows", "schedule", "last_by", "counts_first_attempt",
        "notices_dead_members", "notices_lost_events", "trio",
    }  # fmt: skip


def test_the_url_may_name_the_log_and_its_stream() -> None:
    """For a setting, and for the command line; an argument counts more, and an unknown word is refused."""
    assert NATSLog("nats://h:1?name=shop&stream=SHOP&replicas=3").name == "shop"
    assert NATSLog("nats://h:1?name=shop", name="other").name == "other"
    assert NATSLog(["nats://h:1", "nats://i:1"]).name == "log"
    with pytest.raises(ValueError, match="colour"):
        NATSLog("nats://h:1?colour=red")
    with pytest.raises(ValueError, match="a b"):
        NATSLog("nats://h:1?name=a%20b")


@pytest.mark.parametrize("url", ["nats://h:1", "tls://h:1", "nats://h:1,nats://i:1"])
def test_a_url_makes_it(url: str) -> None:
    """``from_url`` with its own options."""
    log = from_url(url, name="shop", publish_timeout=3.0)
    assert isinstance(log, NATSLog)
    assert log.name == "shop"


@pytest.mark.parametrize(
    "options, said",
    [
        ({"replicas": 7}, "replicas"),
        ({"replicas": 0}, "replicas"),
        ({"publish_timeout": 0}, "publish_timeout"),
        ({"publish_timeout": "x"}, "publish_timeout"),
        ({"keep_ids": 3}, "keep_ids"),
        ({"name": ""}, "a log"),
        ({"max_reconnect_attempts": 3}, "max_reconnect_attempts"),
        ({"durability": "power"}, "no option durability"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(options: dict[str, Any], said: str) -> None:
    """With the name of the argument."""
    with pytest.raises((TypeError, ValueError), match=said):
        NATSLog("nats://localhost", **options)
    wrong: Any = 4222
    with pytest.raises(TypeError, match="4222"):
        NATSLog(wrong)
    with pytest.raises(ValueError, match="at least one"):
        NATSLog([])


def test_on_trio_it_is_unsupported() -> None:
    """When it is entered."""
    faces.refuses_trio(NATSLog("nats://nowhere:1"))


def test_it_can_be_put_in_memory() -> None:
    """A test of an application needs no server."""
    faces.can_be_put_in_memory(NATSLog("nats://nowhere:1"))


def test_the_log_does_not_import_the_client() -> None:
    """Whoever uses a file needs no nats-py; without it the module says what to install."""
    faces.is_imported_alone("nats", "nats")
