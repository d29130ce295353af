"""`evenflow inspect`, as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from evenflow.cli import main

ROOT = Path(__file__).resolve().parents[3]
MODULE = """
import logging
from contextlib import asynccontextmanager

from evenflow import Event, Subject
from evenflow.log import SQLiteLog


class Order(Event):
    number: int


orders = Subject(Order, name="orders")
log = SQLiteLog("shop.db", name="shop")
jobs = log.subject("jobs", Order)
both = [orders, log]
number = 3
nothing = []


@jobs.consumer("mail")
async def mail(order: Order) -> None:
    raise AssertionError("an inspector runs no consumer")


def function():
    return orders


def talkative():
    logging.basicConfig(level=logging.DEBUG)
    logging.debug("a record of debugging")
    return [orders, log]


async def later():
    return [orders, log]


@asynccontextmanager
async def program():
    async with orders:
        await orders.publish(Order(number=1))
        yield orders
    print("the program has ended", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop_module.py").write_text(MODULE)
    return tmp_path


@contextmanager
def inspecting(folder: Path, *given: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that the command prints, while it runs."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}
    with subprocess.Popen(
        [sys.executable, "-m", "evenflow.cli", "inspect", *given],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, (line, process.stderr and process.stderr.read())
            yield found[0], process
        finally:
            process.kill()


def rows(address: str) -> dict[str, dict[str, object]]:
    """The first frame of the stream."""
    with urllib.request.urlopen(f"{address}live", timeout=100) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                found: dict[str, dict[str, object]] = json.loads(line[6:])["rows"]
                return found
    raise AssertionError("no frame came")


@pytest.mark.parametrize(
    "name, shown",
    [
        ("orders", ["orders"]),
        ("log", ["shop", "jobs"]),
        ("both", ["orders", "shop", "jobs"]),
        ("function", ["orders"]),
        ("later", ["orders", "shop", "jobs"]),
        ("program", ["orders"]),
    ],
)
def test_whatever_the_name_stands_for_is_shown(name: str, shown: list[str], folder: Path) -> None:
    """A subject, a log, a list, a function, an async function, and one that runs a program meanwhile."""
    with inspecting(folder, f"shop_module:{name}") as (address, _):
        found = rows(address)
        assert [row["name"] for row in found.values() if row["k"] in ("subject", "log", "durable")] == shown
        if name == "program":
            assert found["s1"]["published"] == 1
        if name == "log":
            assert found["l1"]["open"] is True


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_in_peace(number: signal.Signals, code: int, folder: Path) -> None:
    """Ctrl-C and SIGTERM end the page, then the program that was run for it; the exit code says which it was."""
    with inspecting(folder, "shop_module:program") as (address, process):
        rows(address)
        process.send_signal(number)
        out, errors = process.communicate(timeout=100)
        assert process.returncode == code, errors
        assert "the program has ended" in out and "Traceback" not in errors


def test_the_address_needs_its_token(folder: Path) -> None:
    """Without the token, or with another, there is nothing at that address."""
    with inspecting(folder, "shop_module:orders") as (address, _):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", address)
        base = address.rsplit("/", 2)[0]
        for path in ("/", "/live", "/x/", f"/{'x' * 22}/live", "//live"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(base + path, timeout=100)
        request = urllib.request.Request(address, headers={"host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request, timeout=100)


def test_the_token_is_printed_once_and_written_nowhere_else(folder: Path) -> None:
    """Whatever is asked for with it, or with a wrong one, no log has it, although the program logs all that it can."""
    with inspecting(folder, "shop_module:talkative") as (address, process):
        rows(address)
        host, token = address.removeprefix("http://").rstrip("/").split("/")
        for path in (f"/{token}/nothing", f"/{token}x/live", f"/{token}/dead?group={token}", f"/?token={token}"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://{host}{path}", timeout=100)
        port = int(host.partition(":")[2])
        for line in (
            f"GET /{token}/about HTTP/9.9",
            f"\0 /{token}/",
            f"GET /{token}/dead?group={'x' * 300_000} HTTP/1.1",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=100) as client, suppress(ConnectionError):
                client.sendall(f"{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                while client.recv(65_536):
                    pass
        rows(address)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=100)
    assert "a record of debugging" in errors
    assert token not in out + errors


def test_actions_and_contents_are_asked_for(folder: Path) -> None:
    """The page may do and show more only where the command line says so."""
    for given in ((), ("--actions", "--contents")):
        with inspecting(folder, "shop_module:log", *given) as (address, _):
            with urllib.request.urlopen(f"{address}about", timeout=100) as answer:
                said = json.load(answer)
            assert (said["actions"], said["contents"]) == (bool(given), bool(given))
            assert said["title"] == "shop_module:log"


@pytest.mark.parametrize(
    "name, says",
    [
        ("shop_module:number", "nothing that can be shown"),
        ("shop_module:nothing", "nothing that can be shown"),
        ("shop_module:Order", "nothing that can be shown"),
        ("shop_module:jobs", "is a subject of a log that is not open; name the log"),
        ("shop_module:gone", "has no 'gone'"),
        ("no_such_module:x", "there is no module"),
        ("shop_module", "is named MODULE:NAME"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(
    name: str, says: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that stands for nothing of the kind is refused, with exit code 2 and no traceback."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "shop_module", raising=False)
    assert main(["inspect", name]) == 2
    assert says in capsys.readouterr().err
    sys.modules.pop("shop_module", None)


@pytest.mark.parametrize("port", ["-1", "65536", "http", "1.5", "²"])
def test_a_port_is_a_number(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is none is refused before anything is imported."""
    with pytest.raises(SystemExit) as refused:
        main(["inspect", "shop_module:log", "--port", port])
    assert refused.value.code == 2
    assert "must be a port between 0 and 65535" in capsys.readouterr().err or port == "-1"


def test_a_port_that_is_taken_is_said_to_be(folder: Path) -> None:
    """Where another has the port, the command says so."""
    with inspecting(folder, "shop_module:orders") as (address, _):
        port = address.split(":")[2].split("/")[0]
        done = subprocess.run(
            [sys.executable, "-m", "evenflow.cli", "inspect", "shop_module:orders", "--port", port],
            cwd=folder, env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"port {port} cannot be had" in done.stderr and "Traceback" not in done.stderr


def test_the_demo_can_be_looked_at_while_it_runs(tmp_path: Path) -> None:
    """`evenflow demo --inspect` prints an address, and its page has the demo's readers."""
    with subprocess.Popen(
        [sys.executable, "-m", "evenflow.cli", "demo", "--seconds", "30", "--inspect", "--log", "demo.db"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}, text=True, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line
            found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line)
        while "screen" not in line:
            line = process.stdout.readline()
        names = {row["name"] for row in rows(found[0]).values()}
        assert {"machine", "demo"} <= names
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=100)
        assert "Traceback" not in out
