"""A test that was skipped though it could have run fails the run that must not skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "reason, workers, code, said",
    [
        ("no such tool", "1", 1, "skipped, though it could have run: test_it.py::test_it: no such tool"),
        ("unavoidable: no such system", "0", 0, "unavoidable: no such system"),
    ],
)
def test_a_skip_that_could_have_been_avoided_is_a_failure(
    reason: str, workers: str, code: int, said: str, tmp_path: Path
) -> None:
    """`.ci/run` names every skip, and fails for one whose reason does not say that it had to be; with workers too."""
    (tmp_path / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(f"import pytest\ndef test_it(): pytest.skip({reason!r})\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "--no-avoidable-skips", "."]
    command += ["-p", "xdist", "-n", workers]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "COLUMNS": "200"}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_XDIST_")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == code, done.stdout
    assert said in done.stdout
