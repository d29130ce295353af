"""`evenflow tail --where`: a condition as JSON, with every field of the class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .kit import evenflow, shop

PAID = (
    '{"order_id": 1, "region": "eu", "customer": {"country": "FR"}}\n'
    '{"order_id": 2, "region": "us", "customer": {"country": "US"}}\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with two orders that are paid, and one event that is no order."""
    made = shop(tmp_path_factory.mktemp("where"), orders="")
    done = evenflow(made, "publish", "shop.db", "paid", "--type", "shop:OrderPaid", given=PAID)
    assert done.returncode == 0, done.stderr
    (made / "older.py").write_text("from evenflow import Event\nclass Old(Event, name='OrderPaid'):\n    number: int\n")
    return made


@pytest.mark.parametrize(
    "condition, found",
    [
        ('{"eq": ["region", "eu"]}', [1]),
        ('{"gt": ["order_id", 1]}', [2]),
        ('{"ne": ["region", "eu"]}', [2]),
        ('{"not": {"in": ["customer.country", ["FR", "DE"]]}}', [2]),
        ('{"or": [{"eq": ["order_id", 1]}, {"eq": ["customer.country", "US"]}]}', [1, 2]),
        ('{"eq": ["order_id", 3]}', []),
    ],
)
def test_only_events_for_which_it_holds_are_printed(condition: str, found: list[int], folder: Path) -> None:
    """Nested fields, and the operators that a web client may not use."""
    done = evenflow(folder, "tail", "shop.db", "paid", "--json", "--type", "shop:OrderPaid", "--where", condition)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["data"]["order_id"] for line in done.stdout.splitlines()] == found


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--where", "{}"], "--where needs --type"),
        (["--type", "shop:OrderPaid", "--where", "region = eu"], "--where: the condition is no JSON"),
        (
            ["--type", "shop:OrderPaid", "--where", '{"eq": ["colour", 1]}'],
            "'colour' is not allowed; allowed: order_id",
        ),
        (["--type", "shop:Customer", "--where", '{"eq": ["country", "FR"]}'], "derives from evenflow.Event"),
    ],
)
def test_what_is_no_condition_is_a_sentence(arguments: list[str], says: str, folder: Path) -> None:
    """Exit code 2, and no traceback."""
    done = evenflow(folder, "tail", "shop.db", "paid", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_event_that_cannot_be_read_is_said_and_left_out(folder: Path) -> None:
    """Exit code 1: the condition could not be asked of all of them."""
    done = evenflow(folder, "tail", "shop.db", "paid", "--type", "older:Old", "--where", '{"gt": ["number", 0]}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("is no Old") == 2
