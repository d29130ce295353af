"""`evenflow log`: what is stored, what groups have to do, and what is done about dead letters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .kit import evenflow, run, shop

WORK = """
import anyio, shop
async def main():
    async with shop.orders.failures.subscribe() as failures, shop.log:
        for _ in range(2):
            await failures.receive()
anyio.run(main)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log with one dead letter."""
    made = shop(tmp_path)
    done = run(made, None, "-c", WORK)
    assert done.returncode == 0, done.stderr
    return made


def test_dead_letters_are_shown_sent_again_and_deleted(folder: Path) -> None:
    """The numbers of the group follow."""
    assert "1 dead" in evenflow(folder, "log", "shop.db").stdout
    dead = evenflow(folder, "log", "shop.db", "dead", "orders", "billing").stdout
    assert '{"order_id":2} after 2: ValueError: no money' in dead
    offset = dead.split()[0]
    assert evenflow(folder, "log", "shop.db", "redrive", "orders", "billing", offset).stdout.startswith(
        "1 dead letters"
    )
    shown = evenflow(folder, "log", "shop.db").stdout
    assert "1 due" in shown
    assert "0 dead" in shown
    assert run(folder, None, "-c", WORK).returncode == 0
    assert evenflow(folder, "log", "shop.db", "discard", "orders", "billing", "all").stdout.startswith("1 dead letters")
    assert "0 dead" in evenflow(folder, "log", "shop.db").stdout


def test_a_group_is_paused_sought_and_resumed(folder: Path) -> None:
    """What is done is said, and kept."""
    assert evenflow(folder, "log", "shop.db", "pause", "orders", "billing").stdout == "billing is paused\n"
    assert "paused" in evenflow(folder, "log", "shop.db").stdout
    assert (
        evenflow(folder, "log", "shop.db", "seek", "orders", "billing", "start").stdout
        == "billing goes on from start\n"
    )
    assert "2 due" in evenflow(folder, "log", "shop.db").stdout
    assert evenflow(folder, "log", "shop.db", "resume", "orders", "billing").stdout == "billing is going on\n"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["pause", "orders", "mail"], "no group 'mail'"),
        (["seek", "orders", "billing", "orders.elsewhere.1"], "lineage"),
        (["redrive", "orders", "billing", "every"], "or say all"),
        (["discard", "orders", "billing", "others.l.1"], "others"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(arguments: list[str], says: str, folder: Path) -> None:
    """Exit code 2, and no traceback."""
    done = evenflow(folder, "log", "shop.db", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_is_there_as_json(folder: Path) -> None:
    """The numbers by their names, dead letters, and what a word has done; `--json` before or after the word."""
    shown = json.loads(evenflow(folder, "log", "shop.db", "--json").stdout)
    assert (shown["name"], shown["events"]) == ("shop", 2)
    [billing] = shown["subjects"][0]["groups"]
    assert (billing["name"], billing["dead"], billing["due"], billing["paused"]) == ("billing", 1, 0, False)
    letter = json.loads(evenflow(folder, "log", "shop.db", "--json", "dead", "orders", "billing").stdout)
    assert (letter["data"], letter["attempts"], letter["error"]) == ({"order_id": 2}, 2, "ValueError: no money")
    done = evenflow(folder, "log", "shop.db", "redrive", "orders", "billing", letter["offset"], "--json").stdout
    assert json.loads(done) == {"subject": "orders", "group": "billing", "done": "redrive", "count": 1}
