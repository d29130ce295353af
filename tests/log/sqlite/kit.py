"""What the tests of the engine on SQLite share: an opened engine, other processes, and what a person would see."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import evenflow
from evenflow.log._sqlite import SQLiteEngine
from evenflow.log._stored import Append, Change
from tests.conformance.kit import append, event, texts
from tests.contract.kit import both_real, only_asyncio_real

__all__ = [
    "Append", "Change", "SQLiteEngine", "append", "both_real", "event", "names", "only_asyncio_real", "opened", "process",
    "run_process", "select", "texts",
]  # fmt: skip

ROOT = Path(__file__).parents[3]
HEAD = """
import os, sys, time
from pathlib import Path
import anyio
from evenflow.log._stored import *
from evenflow.log._sqlite import SQLiteEngine
from tests.conformance.kit import append, event, texts

path = Path(sys.argv[1])


def say(*words):
    print(*words, flush=True)


"""


@asynccontextmanager
async def opened(path: Path | str, **options: Any) -> AsyncIterator[SQLiteEngine]:
    """An engine that is open in this block."""
    engine = SQLiteEngine(path, **options)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def select(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a person sees in the file. Only while no engine of this process has it open in WAL mode for writing."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, parameters).fetchall()


def _command(program: str, path: Path, arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-c", HEAD + textwrap.dedent(program), str(path), *map(str, arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(evenflow.__file__).parents[1]), str(ROOT)])}


@contextmanager
def process(program: str, path: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A program that runs in a process of its own; killed at the end of the block."""
    started = subprocess.Popen(
        _command(program, path, arguments),
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGKILL)
        started.communicate()


def run_process(program: str, path: Path, *arguments: object) -> str:
    """Run a program in a process of its own to its end; returns what it has said."""
    done = subprocess.run(
        _command(program, path, arguments), env=_environment(), capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
