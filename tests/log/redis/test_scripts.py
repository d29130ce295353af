"""The scripts, run by a plain client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evenflow.log._redis._commit_script import ASK, COMMIT
from evenflow.log._redis._names import Names
from evenflow.log._redis._scripts import BEGIN, SCRIPTS, SHA, TRIM

from .server import fresh_name, shared

LEAP = 1_000


class Log:
    """A log as a script sees it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.names = Names(fresh_name())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.client.eval(script, 1, self.names.meta, *arguments)

    def begin(self, fresh: str, known: str = "", lines: str = "", high: int = 0, rev: int = 0) -> list[str]:
        answer: list[str] = self.run(BEGIN, fresh, known, lines, high, rev, LEAP)
        return answer[:4]

    def publish(self, number: int, lineage: str = "one", high: int = 0, text: str = "{}") -> str:
        answer: str = self.run(COMMIT, lineage, high, "me", number, 1_000, 0, "S", "orders", "Placed", 1, text)
        return answer


@pytest.fixture
def log() -> Iterator[Log]:
    with shared().client() as client:
        yield Log(client)


def test_scripts_are_known_by_their_digest(log: Log) -> None:
    """What the server answers when it loads one is what it is called by."""
    assert [log.client.script_load(script) for script in SCRIPTS] == [SHA[script] for script in SCRIPTS]


def test_a_log_is_made_once_and_then_opened(log: Log) -> None:
    """Whoever comes later gets its lines and numbers."""
    what, lines, seq, rev = log.begin("one")
    assert (what, lines, seq) == ("made", "one@0", "0")
    assert log.begin("two") == ["same", "one@0", "0", rev]
    assert log.begin("two", "one", "one@0") == ["same", "one@0", "0", rev]


def test_a_server_that_has_less_begins_a_new_line_above_all_that_is_known(log: Log) -> None:
    """Behind, empty, or another log: numbers and versions leap, and the lines say from where on."""
    log.begin("one")
    log.publish(1)
    assert log.begin("two", "one", "one@0", high=5, rev=2_000) == ["behind", "one@0 two@1", "1005", "3000"]
    log.client.delete(log.names.meta, log.names.ends)
    assert log.begin("three", "two", "one@0 two@1", 1_005, 3_000)[:3] == ["empty", "one@0 two@1 three@0", "2005"]
    assert log.client.hget(log.names.meta, "floor") == "1005"
    assert log.begin("four", "zero", "zero@0", 9_000, 9_000)[:3] == [
        "foreign", "one@0 two@1 three@0 four@2005", "10000",
    ]  # fmt: skip
    assert log.client.hget(log.names.meta, "floor") == "9000"


def test_a_log_of_a_later_format_is_left_alone(log: Log) -> None:
    """It says which."""
    log.client.hset(log.names.meta, "format", "2")
    assert log.begin("one") == ["FORMAT", "2"]


def test_numbers_go_on_above_the_ends_where_only_the_head_is_lost(log: Log) -> None:
    """A stream takes no lower id, so none is tried."""
    log.client.hset(log.names.ends, "orders", 70)
    assert log.begin("one")[1:3] == ["one@70", "70"]


def test_a_batch_is_made_once(log: Log) -> None:
    """The same number again, or a lower one, returns what the last came to; a copy that is late does nothing."""
    log.begin("one")
    first = log.publish(1)
    assert log.publish(1) == first
    second = log.publish(2)
    assert second != first
    assert log.publish(1) == second
    assert log.client.xlen(log.names.events("orders")) == 2
    assert log.run(ASK, "me", 2) == second


def test_a_batch_that_was_asked_for_in_vain_is_never_made(log: Log) -> None:
    """Its copy may still be on its way."""
    log.begin("one")
    assert log.run(ASK, "me", 7) == "VOID"
    assert log.publish(7) == "VOID"
    assert log.client.exists(log.names.events("orders")) == 0
    assert log.publish(8).startswith("=")


def test_another_history_is_refused_before_anything_is_stored(log: Log) -> None:
    """Another line, or fewer events than are known of."""
    assert log.publish(1) == "LINEAGE"
    log.begin("one")
    assert log.publish(1, lineage="other") == "LINEAGE"
    assert log.publish(1, high=1) == "LINEAGE"
    assert log.client.exists(log.names.events("orders")) == 0


def test_trimming_keeps_numbers_and_says_up_to_where(log: Log) -> None:
    """The stream stays, empty, and the floor is the last that went."""
    log.begin("one")
    for number in range(1, 4):
        log.publish(number)
    assert log.run(TRIM, "orders", 2, 10) == 2
    assert log.client.hget(log.names.floors, "orders") == "2"
    assert log.run(TRIM, "orders", 9, 10) == 1
    assert log.publish(4).endswith(";4")
