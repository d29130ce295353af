"""What the demo says to a person and to a machine."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from evenflow import SubscriptionStatistics
from evenflow.cli.demo import _run
from evenflow.cli.demo._ledger import Ledger, Row
from evenflow.cli.demo._output import Output
from evenflow.cli.demo._publishers import Books
from evenflow.cli.demo._teller import AsJSON, InWords

NUMBERS = SubscriptionStatistics(
    name="machine/archive", wanted=9, delivered=6, replaced=0, dropped=3, discarded=0, waiting=0, capacity=4
)
LEDGER = Ledger(
    [Row("publishers wait", NUMBERS)], [Books("sampler", published=9, wanted=9)], missed=3, dropped=3, lines=6, taken=6
)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_whole_run_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It begins, shows what is read, and ends with numbers that add up; nothing else is printed."""
    assert _run.run(seconds=0.5, rate=50, out=None, as_json=True) == 0
    first, *between, last = objects(capsys.readouterr().out)
    assert first == {"state": "running", "rate": 50, "before": []}
    assert between
    for one in between:
        assert one["state"] == "at"
        assert one["readings"]["memory"]["percent"] > 0
        assert list(one["readers"]) == ["screen", "archive", "analyst", "alarm", "census"]
    assert (last["state"], last["wrong"]) == ("ended", [])
    for reader in last["readers"].values():
        gone = sum(reader[name] for name in ("delivered", "replaced", "dropped", "discarded", "waiting"))
        assert reader["wanted"] == gone
    published = sum(books["wanted"] for books in last["publishers"].values())
    assert published == sum(reader["wanted"] for reader in last["readers"].values())
    assert last["archive"]["given"] == last["archive"]["kept"] > 0
    assert last["analyst"]["dropped"] == last["analyst"]["told_of"]


def test_what_was_wrong_is_in_the_last_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine reads the same sentences that a person does."""
    AsJSON(Output()).ends(LEDGER, 0.002, ["A sum does not hold: :warning: [bold]x[/bold]."])
    (last,) = objects(capsys.readouterr().out)
    assert last["wrong"] == ["A sum does not hold: :warning: [bold]x[/bold]."]
    assert last["readers"]["archive"]["when_full"] == "publishers wait"
    assert last["publishers"]["sampler"]["published"] == 9


def test_the_address_of_the_inspector_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A long address is on one line, too."""
    address = "http://127.0.0.1:8000/" + "x" * 300
    AsJSON(Output()).inspected(address)
    assert objects(capsys.readouterr().out) == [{"state": "inspected", "address": address}]


def test_a_person_reads_either_what_was_wrong_or_that_all_is_accounted_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict, and what to do next, come only where nothing was wrong."""
    ledger = Ledger(
        [Row("", replace(NUMBERS, name=f"machine/{name}")) for name in ("screen", "archive", "analyst")],
        LEDGER.publishers, missed=3, dropped=3, lines=6, taken=6,
    )  # fmt: skip
    InWords(Output()).ends(ledger, 0.002, [])
    said = capsys.readouterr().out
    assert "Every event is accounted for" in said and "Next:" in said
    InWords(Output()).ends(ledger, 0.002, ["A sum does not hold."])
    said = capsys.readouterr().out
    assert "A sum does not hold." in said and "accounted for" not in said and "Next:" not in said
