"""The order service, killed in the middle and started again, as a power switch and an operator would."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.examples.running import EXAMPLES

ORDERS = 300
CUSTOMERS = 5
KILLS = 3


@contextmanager
def service(file: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of the service, which is killed at the end if it still runs."""
    command = [sys.executable, str(EXAMPLES / "order_service" / "service.py"), str(file), str(ORDERS)]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """What it says, whole lines only: the last one of a killed process may be cut."""
    assert process.stdout is not None
    return (line.removesuffix("\n") for line in process.stdout if line.endswith("\n"))


def select(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_service_goes_on_where_it_was(seed: int, tmp_path: Path) -> None:
    """After SIGKILL at any moment every order is handled, no row is missing, and none is there twice."""
    file, chance = tmp_path / "shop.db", random.Random(seed)
    said: set[str] = set()
    for _ in range(KILLS):
        with service(file) as process:
            lines = lines_of(process)
            for _ in range(chance.randrange(1, 100)):
                said.add(next(lines))
            process.send_signal(signal.SIGKILL)
            said.update(lines)
        assert process.returncode == -signal.SIGKILL
    assert 0 < len(said) < 3 * ORDERS, "it was killed in the middle, or nothing was tested"

    with service(file) as process:
        last = list(lines_of(process))
    assert process.returncode == 0, last
    assert last[-1] == "all handled"
    done_again = said.intersection(last)
    assert not done_again, "what was said to be committed was done again"

    ids = list(range(1, ORDERS + 1))
    assert select(file, "PRAGMA integrity_check") == [("ok",)]
    assert [row[0] for row in select(file, "SELECT id FROM orders ORDER BY id")] == ids
    assert [row[0] for row in select(file, "SELECT order_id FROM invoices ORDER BY order_id")] == ids
    assert select(file, "SELECT id, orders, billed FROM customers ORDER BY id") == [
        (customer, ORDERS // CUSTOMERS, float(sum(10 * number for number in ids if number % CUSTOMERS == customer)))
        for customer in range(CUSTOMERS)
    ]
    for kind in ("placed", "billed"):
        stored = select(
            file, f"SELECT data ->> '$.order_id' FROM evenflow_event WHERE type = 'shop.order.{kind}' ORDER BY 1"
        )
        assert [int(number) for (number,) in stored] == ids, kind
