"""A patch and the copy of the sources that it is applied to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = re.compile(r"^# kills: *(?P<test>\S+)", re.MULTILINE)
FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+)", re.MULTILINE)

TESTS_FAILED = 1
"""pytest's exit code for tests that ran and failed; any other is a run that did not happen."""


@dataclass(frozen=True)
class Patch:
    """One way to break evenflow, and the tests that must notice."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def kills(self) -> tuple[str, ...]:
        """The ids of the tests that must fail, a file or a test of a parametrized one included."""
        header = self.path.read_text(encoding="utf-8").partition("\n--- ")[0]
        return tuple(KILLS.findall(header))

    def apply_to(self, folder: Path) -> str:
        """Copy `src` into the folder and break it there; what git says if the patch does not apply."""
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        command = ["git", "apply", "--recount", "-C1", "--whitespace=nowarn", str(self.path)]
        # the folder is no checkout: git must not look for one above it, or it would apply to nothing in silence
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.stderr or f"git apply ended with {done.returncode}"
        return "" if self._changed(folder) else "it changes nothing"

    def _changed(self, folder: Path) -> bool:
        return any(
            copy.read_bytes() != (ROOT / copy.relative_to(folder)).read_bytes()
            for copy in (folder / "src").rglob("*.py")
        )


def run(tests: tuple[str, ...], source: Path, *, timeout: int = 20) -> tuple[int, set[str], str]:
    """Run tests against the sources in a folder: pytest's exit code, the tests that failed, what was said."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    command += ["--timeout", str(timeout), "-o", f"pythonpath={source} .", *tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "EVENFLOW_EXPECTED_AT": str(source), "COLUMNS": "300"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
    except subprocess.TimeoutExpired as hung:
        # a mutant may hang beyond what a test's own timeout can end: that is noticed as well
        return TESTS_FAILED, set(tests), str(hung)
    return done.returncode, set(FAILED.findall(done.stdout)), done.stdout + done.stderr


def unnoticed(patch: Patch, failed: set[str]) -> list[str]:
    """Those of the patch's tests that did not fail."""
    return [test for test in patch.kills if not any(_is_of(one, test) for one in failed)]


def _is_of(failed: str, named: str) -> bool:
    return failed == named or failed.startswith((named + "::", named + "["))
