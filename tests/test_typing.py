"""What type checkers say of evenflow: mypy and basedpyright, in strict mode, over `tests/typing`, which is never run.

A line there that must be right is an `assert_type`; a line that must be an error carries
`# type: ignore[code]  # pyright: ignore[rule]`. Both checkers report an ignore that hides nothing,
so that a line that stops being an error fails, and so does one that becomes another error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "tests" / "typing").glob("*.py"))

MYPY = """
[mypy]
strict = True
python_version = 3.11
mypy_path = {root}/src
cache_dir = {root}/.mypy_cache/{cache}
{plugins}
[mypy-reactivex.*]
ignore_missing_imports = True
"""
WRONG = "from typing import assert_type\nassert_type(1, str)\n"
NO_LONGER_WRONG = "x: int = 1  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]\n"

pytestmark = pytest.mark.timeout(300)  # The first run of a checker reads all of pydantic.


def _mypy(folder: Path, files: list[Path], plugins: str = "", cache: str = "tests") -> str:
    """What mypy --strict reports; empty if nothing. Two runs at once, or with different settings, need two caches."""
    config = folder / "mypy.ini"
    config.write_text(MYPY.format(root=ROOT, cache=cache, plugins=plugins), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", config, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _basedpyright(folder: Path, files: list[Path]) -> str:
    """What basedpyright reports with the rules of pyright's strict mode; empty if nothing."""
    config = {
        "include": [str(file) for file in files],
        "extraPaths": [str(ROOT / "src")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
        "reportUnusedExpression": "none",
        "reportUnusedCoroutine": "error",
    }
    project = folder / "pyrightconfig.json"
    project.write_text(json.dumps(config), encoding="utf-8")
    checker = Path(sys.executable).with_name("basedpyright")
    command = [checker, "--outputjson", "--pythonpath", sys.executable, "--project", project]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"] >= len(files)
    found = said["generalDiagnostics"]
    return "\n".join(f"{one['file']}:{one['range']['start']['line'] + 1}: {one['message']}" for one in found)


def test_mypy_agrees_with_every_line(tmp_path: Path) -> None:
    """mypy --strict infers what the contract promises, and refuses what it must."""
    assert not (found := _mypy(tmp_path, FILES)), found


def test_mypy_with_the_pydantic_plugin_agrees_with_every_line(tmp_path: Path) -> None:
    """A project that uses the plugin of pydantic sees the same types."""
    assert not (found := _mypy(tmp_path, FILES, "plugins = pydantic.mypy", cache="tests-with-plugin")), found


def test_basedpyright_agrees_with_every_line(tmp_path: Path) -> None:
    """So does basedpyright, in the strict mode it shares with pyright."""
    assert not (found := _basedpyright(tmp_path, FILES)), found


def test_a_line_that_changes_its_mind_is_noticed(tmp_path: Path) -> None:
    """Both checkers report a wrong type, and an ignore that hides nothing."""
    files = [tmp_path / "typing_wrong.py", tmp_path / "typing_no_longer_wrong.py"]
    for file, text in zip(files, (WRONG, NO_LONGER_WRONG), strict=True):
        file.write_text(text, encoding="utf-8")
    for found in (_mypy(tmp_path, files, cache="tests-wrong"), _basedpyright(tmp_path, files)):
        assert all(file.name in found for file in files), found
