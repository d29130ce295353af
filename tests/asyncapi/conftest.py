"""The official parser of AsyncAPI: one process of it for a session. Without node and npm its tests are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import UNAVOIDABLE

from .parser import HERE, fetched

Parse = Callable[[object], dict[str, Any]]


@pytest.fixture(scope="session")
def parse() -> Iterator[Parse]:
    """What the official parser says of a document: `accepted`, `said` (its diagnostics) and the names of `messages`."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip(f"{UNAVOIDABLE}the official parser of AsyncAPI needs node and npm, which are not on this machine")
    try:
        folder = fetched()
    except RuntimeError as error:
        pytest.skip(f"the official parser of AsyncAPI could not be fetched: {error}")
    with subprocess.Popen(
        [node, str(HERE / "check.cjs")],
        env={**os.environ, "NODE_PATH": str(folder / "node_modules")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(document: object) -> dict[str, Any]:
            stdin.write(json.dumps(document) + "\n")
            stdin.flush()
            said: dict[str, Any] = json.loads(stdout.readline())
            return said

        yield ask
        stdin.close()
