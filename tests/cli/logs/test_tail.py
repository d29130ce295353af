"""`evenflow tail`: what is stored, as it is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .kit import evenflow, running, shop


def test_it_prints_each_event_with_its_place(tmp_path: Path) -> None:
    """Time, offset, name and data; from a place on; of some classes."""
    folder = shop(tmp_path)
    lines = evenflow(folder, "tail", "shop.db", "orders").stdout.splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["OrderPlaced", '{"order_id":1}'],
        ["OrderPlaced", '{"order_id":2}'],
    ]
    first = lines[0].split()[1]
    assert len(evenflow(folder, "tail", "shop.db", "orders", "--since", first).stdout.splitlines()) == 1
    assert evenflow(folder, "tail", "shop.db", "orders", "--since", "now").stdout == ""
    assert evenflow(folder, "tail", "shop.db", "orders", "--type", "shop:OrderShipped").stdout == ""
    assert len(evenflow(folder, "tail", "shop.db", "orders", "--type", "shop:OrderPlaced").stdout.splitlines()) == 2


def test_json_is_cloudevents(tmp_path: Path) -> None:
    """One JSON object a line, with the attributes of CloudEvents 1.0."""
    folder = shop(tmp_path)
    events = [json.loads(line) for line in evenflow(folder, "tail", "shop.db", "orders", "--json").stdout.splitlines()]
    assert [event["data"] for event in events] == [{"order_id": 1}, {"order_id": 2}]
    assert {event["source"] for event in events} == {"urn:evenflow:shop:orders"}
    assert all(event["specversion"] == "1.0" and event["type"] == "OrderPlaced" for event in events)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["nothing"], "it has orders"),
        (["orders", "--since", "yesterday"], "a place is start"),
        (["orders", "--since", "orders.elsewhere.1"], "lineage"),
        (["orders", "--type", "shop"], "MODULE:NAME"),
        (["or ders", "--follow"], "the name of a subject must be"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(arguments: list[str], says: str, tmp_path: Path) -> None:
    """Exit code 2, and no traceback."""
    done = evenflow(shop(tmp_path), "tail", "shop.db", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_following_goes_on_with_what_another_process_publishes(tmp_path: Path) -> None:
    """``--follow`` prints what is new, until it is told to end."""
    folder = shop(tmp_path, orders="")
    command = [sys.executable, "-m", "evenflow.cli", "tail", "shop.db", "orders", "--follow"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        evenflow(folder, "publish", "shop.db", "orders", "--type", "shop:OrderPlaced", given='{"order_id": 7}\n')
        assert '{"order_id":7}' in tail.stdout.readline()
        tail.terminate()


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    """`evenflow tail --follow | head -1`: exit code 141, and nothing on stderr."""
    folder = shop(tmp_path)
    with running(folder, "tail", "shop.db", "orders", "--follow") as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert tail.stdout.readline()
        tail.stdout.close()
        evenflow(folder, "publish", "shop.db", "orders", "--type", "shop:OrderPlaced", given='{"order_id": 7}\n')
        assert tail.wait(30) == 141
        assert tail.stderr.read() == ""
