"""`evenflow publish`: JSON lines become events, or it ends at the line that is none."""

from __future__ import annotations

import signal
from pathlib import Path

from .kit import evenflow, running, shop


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


def test_a_line_is_published_while_the_pipe_stays_open_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """What has come is published before more is waited for; Ctrl-C while it waits is 130, and says nothing."""
    folder = shop(tmp_path, orders="")
    with (
        running(folder, "tail", "shop.db", "orders", "--follow") as tail,
        running(folder, "publish", "shop.db", "orders", "--type", "shop:OrderPlaced") as publish,
    ):
        assert publish.stdin and tail.stdout
        publish.stdin.write('{"order_id": 5}\n')
        publish.stdin.flush()
        assert '{"order_id":5}' in tail.stdout.readline()
        for process in (publish, tail):
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr is not None
            assert process.stderr.read() == ""


def test_the_last_line_needs_no_end_and_the_number_is_json(tmp_path: Path) -> None:
    """For machines, and for `printf`."""
    folder = shop(tmp_path, orders="")
    done = evenflow(
        folder, "publish", "shop.db", "orders", "--type", "shop:OrderPlaced", "--json", given='{"order_id": 1}'
    )
    assert done.stdout == '{"subject": "orders", "published": 1}\n'


def test_what_cannot_be_the_name_of_a_subject_is_a_sentence(tmp_path: Path) -> None:
    """It was a traceback."""
    done = evenflow(shop(tmp_path, orders=""), "publish", "shop.db", "or ders", "--type", "shop:OrderPlaced")
    assert done.returncode == 2
    assert done.stderr.startswith("evenflow: the name of a subject must be")
