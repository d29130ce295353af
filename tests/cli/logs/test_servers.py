"""The same words for logs on servers: each command does there what it does on a file. A further engine is one row."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from evenflow.cli import main
from tests.addresses import ON_SERVERS
from tests.cli.logs.kit import evenflow, running

SHOP = """
import os
from evenflow import Event
from evenflow.log import from_url

class OrderPlaced(Event):
    order_id: int

log = from_url(os.environ["SHOP"])
orders = log.subject("orders", OrderPlaced)

@orders.consumer("billing", max_attempts=1)
async def bill(order: OrderPlaced) -> None:
    if order.order_id == 2:
        raise ValueError("no money")
    print("billed", order.order_id, flush=True)
"""


@pytest.fixture(params=ON_SERVERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module, and the address of a log that nobody has opened, in the environment."""
    monkeypatch.setenv("SHOP", ON_SERVERS[request.param](tmp_path))
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_looking_at_a_log_that_is_not_there_makes_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says so in a sentence, with exit code 2, also the second time: nothing was made by the first."""
    for _ in range(2):
        for command in (["log"], ["tail"], ["log", "dead"]):
            word, *more = command
            arguments = {"log": [word, "env:SHOP", *more], "tail": [word, "env:SHOP", "orders"]}[word]
            assert main([*arguments, "orders", "billing"] if more else arguments) == 2
            assert "is not there: nothing has opened it yet" in capsys.readouterr().err
    done = evenflow(folder, "publish", "env:SHOP", "orders", "--type", "shop:OrderPlaced", given='{"order_id": 1}')
    assert done.returncode == 2
    assert "is not there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_makes_it_and_every_command_works_on_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run, publish, tail, look, send a dead letter out again, and end."""

    def said(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    with running(folder, "worker", "shop:log", "--grace", "5") as worker:
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert worker.stdout.readline().endswith(": running billing\n")
        done = evenflow(
            folder, "publish", "env:SHOP", "orders", "--type", "shop:OrderPlaced", given='{"order_id": 1}\n{"order_id": 2}\n'
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "2 events published to orders\n"), done.stderr
        assert worker.stdout.readline() == "billed 1\n"
        while "is a dead letter" not in worker.stderr.readline():
            pass
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    events = [json.loads(line) for line in said("tail", "env:SHOP", "orders", "--json").splitlines()]
    assert [event["data"] for event in events] == [{"order_id": 1}, {"order_id": 2}]
    shown = json.loads(said("log", "env:SHOP", "--json"))
    assert shown["name"].startswith("shop")
    [billing] = shown["subjects"][0]["groups"]
    assert (billing["name"], billing["due"], billing["dead"]) == ("billing", 0, 1)
    assert '{"order_id":2} after 1: ValueError: no money' in said("log", "env:SHOP", "dead", "orders", "billing")
    assert said("log", "env:SHOP", "redrive", "orders", "billing", "all") == "1 dead letters of billing go out again\n"
    assert said("log", "env:SHOP", "pause", "orders", "billing") == "billing is paused\n"
