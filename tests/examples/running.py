"""Run an example in its own process, as a user does, or import it to run it in virtual time."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


class Service:
    """A running service, with the port that it announced."""

    def __init__(self, process: subprocess.Popen[str], announced: str) -> None:
        self.process = process
        self.said = ""
        self.port = self._find_port(announced)

    def _find_port(self, announced: str) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(announced, line):
                return int(found[1])
        raise AssertionError(f"the service ended before it listened:\n{self.said}")

    def terminate(self) -> float:
        """Send SIGTERM, and return the seconds it took to end."""
        assert self.process.stdout is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.stdout.read()
        self.process.wait(timeout=100)
        return time.monotonic() - started


@contextmanager
def started(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and kill it at the end if it still runs; what it prints is not read yet."""
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running(*command: str, announced: str, **environment: str) -> Iterator[Service]:
    """Run a command, and kill it at the end if it still runs; ``announced`` finds the port in its output."""
    with started(*command, **environment) as process:
        yield Service(process, announced)


def imported(program: Path) -> ModuleType:
    """Import an example as a module."""
    spec = importlib.util.spec_from_file_location(program.stem, program)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[program.stem] = module
    spec.loader.exec_module(module)
    return module
