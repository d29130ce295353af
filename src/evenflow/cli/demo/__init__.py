"""`evenflow demo`: what this machine is doing, as events, for readers of very different speed.

    _events      the classes of events
    _machine     from the numbers of psutil to events
    _publishers  what publishes, and how long each publisher had to wait
    _readers     the alarm, the census, the archive and the analyst, each as slow as its work
    _kept        the archive of `--log`: a log that a second run goes on with
    _screen      the live table, or plain lines if there is no terminal
    _ledger      where every event went, and whether the sums hold
    _teller      in words, or as JSON
    _report      every word: what happens, who reads, what a slow reader leads to, where every event went
    _output      where it is printed
    _run         everything together, from the first event to the ledger

This file has the name and the options of the command, and needs no extra.
"""

from __future__ import annotations

import argparse
import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from evenflow.cli._help import ENDINGS, described

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

RATE = 50.0
SECONDS = 10.0
FASTEST = 1_000.0

DESCRIPTION = """\
Publish what this machine is really doing (processor, memory, disk, network, processes) to five readers of different
speed: a screen, an archive on disk, a slow analyst, an alarm and a census of processes. Show what happens while each
is too slow, and at the end where every event went. Ctrl-C ends it early, and shows that too.
"""
HELP = described(
    DESCRIPTION,
    examples=[
        "evenflow demo",
        "evenflow demo --seconds 60 --inspect",
        "evenflow demo --log demo.db",
        "evenflow demo --json | tail -1",
        "evenflow demo --log redis://localhost",
    ],
    codes={0: "all events accounted for, also after Ctrl-C", 1: "events are missing, or no reader was ever too slow"},
    endings={141: ENDINGS[141]},
)


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add this command and its options to the command line."""
    parser = commands.add_parser("demo", help="see in ten seconds what evenflow does", **HELP)
    parser.add_argument(
        "--seconds", type=_seconds, default=SECONDS, help=f"how long (default {SECONDS:g}; inf: until Ctrl-C)"
    )
    parser.add_argument("--rate", type=_rate, default=RATE, help=f"samples a second (default {RATE:g})")
    archive = parser.add_mutually_exclusive_group()
    archive.add_argument(
        "--log",
        type=_log,
        metavar="WHERE",
        help="keep the events in a log, a file or an address: kill the demo, run it again, and it goes on",
    )
    archive.add_argument(
        "--out",
        type=_out,
        metavar="FILE",
        help="keep the archive: JSON lines are added to this file (default: a temporary file, removed at the end)",
    )
    parser.add_argument(
        "--inspect", action="store_true", help="show it in the browser, too: prints the address of a live page"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line: each second, and at the end")
    parser.set_defaults(command=_command)


def _command(options: argparse.Namespace) -> int:
    # Imported here, because it needs the extra `cli`, and `evenflow --help` does not.
    demo = import_module("evenflow.cli.demo._run")
    code: int = demo.run(
        seconds=options.seconds,
        rate=options.rate,
        out=options.out,
        log=options.log,
        inspect=options.inspect,
        as_json=options.json,
    )
    return code


def _seconds(given: str) -> float:
    return _positive(given, "seconds")


def _rate(given: str) -> float:
    rate = _positive(given, "samples a second")
    if rate > FASTEST:
        raise argparse.ArgumentTypeError(f"must be at most {FASTEST:g} samples a second, not {given}")
    return rate


def _positive(given: str, what: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise argparse.ArgumentTypeError(f"must be a number of {what} above 0, not {given!r}")
    return number


def _log(given: str) -> str:
    return given if "://" in given or given.startswith("env:") else str(_out(given))


def _out(given: str) -> Path:
    path = Path(given)
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f"must be a file, or the name of a new one; {given} is neither")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}; make it first")
    return path
