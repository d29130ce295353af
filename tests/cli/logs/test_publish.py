"""`evenflow publish`: JSON lines become events, or it ends at the line that is none."""

from __future__ import annotations

from pathlib import Path

from .kit import evenflow, shop


def test_each_line_is_an_event(tmp_path: Path) -> None:
    """Empty lines are none."""
    folder = shop(tmp_path, orders="")
    done = evenflow(
        folder,
        "publish",
        "shop.db",
        "orders",
        "--type",
        "shop:OrderPlaced",
        given='{"order_id": 1}\n\n{"order_id": 2}\n',
    )
    assert (done.returncode, done.stdout) == (0, "2 events published to orders\n")
    assert evenflow(folder, "tail", "shop.db", "orders").stdout.count("OrderPlaced") == 2


def test_a_line_that_is_none_ends_it(tmp_path: Path) -> None:
    """Its number and what is wrong are said, and how many events before it are published."""
    folder = shop(tmp_path, orders="")
    done = evenflow(
        folder,
        "publish",
        "shop.db",
        "orders",
        "--type",
        "shop:OrderPlaced",
        given='{"order_id": 1}\n{"order_id": "x"}\n',
    )
    assert done.returncode == 2
    assert "line 2 is no OrderPlaced" in done.stderr
    assert "order_id" in done.stderr
    assert "Traceback" not in done.stderr
    assert "the 1 events before it are published" in done.stderr
    assert len(evenflow(folder, "tail", "shop.db", "orders").stdout.splitlines()) == 1
