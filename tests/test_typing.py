"""What type checkers say of evenflow: mypy and basedpyright, in strict mode, over `tests/typing`, which is never run.

`make check-mypy` asks mypy without the plugin of pydantic, together with all that it reads there anyway.

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
cache_dir = {root}/.mypy_cache/tests
{plugins}
[mypy-reactivex.*]
ignore_missing_imports = True
"""
WRONG = "from typing import assert_type\nassert_type(1, str)\n"
NO_LONGER_WRONG = "x: int = 1  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]\n"

pytestmark = pytest.mark.timeout(300)  # The first run of a checker reads all of pydantic.


def _mypy(folder: Path, files: list[Path], plugins: str) -> str:
    """What mypy --strict reports; empty if nothing. `make check` may run beside it, and has another cache."""
    config = folder / "mypy.ini"
    config.write_text(MYPY.format(root=ROOT, plugins=plugins), encoding="utf-8")
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


@pytest.fixture
def wrong(tmp_path: Path) -> list[Path]:
    """Two files with one mistake each, which are checked with the others: a run of a checker is dear."""
    files = [tmp_path / "typing_wrong.py", tmp_path / "typing_no_longer_wrong.py"]
    for file, text in zip(files, (WRONG, NO_LONGER_WRONG), strict=True):
        file.write_text(text, encoding="utf-8")
    return files


def only(wrong: list[Path], found: str) -> None:
    """Fail unless both mistakes were found, and nothing else."""
    lines = [line for line in found.splitlines() if line]
    others = [line for line in lines if not any(file.name in line for file in wrong)]
    assert not others, "\n".join(others)
    assert all(file.name in found for file in wrong), found


def test_mypy_with_the_pydantic_plugin_agrees_with_every_line(tmp_path: Path, wrong: list[Path]) -> None:
    """A project that uses the plugin of pydantic sees the types that `make check-mypy` sees without it.

    A wrong type, and an ignore that hides nothing, are reported.
    """
    only(wrong, _mypy(tmp_path, [*FILES, *wrong], "plugins = pydantic.mypy"))


def test_basedpyright_agrees_with_every_line(tmp_path: Path, wrong: list[Path]) -> None:
    """So does basedpyright, in the strict mode it shares with pyright, and it reports the same mistakes."""
    only(wrong, _basedpyright(tmp_path, [*FILES, *wrong]))
