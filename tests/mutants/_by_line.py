"""Break every line of a file with mutmut: `python -m tests.mutants._by_line FILE [TEST...]`.

mutmut works in a copy under `build/mutation`. Without tests it runs those named after the file and those of the contract.
A survivor is no mistake by itself: it may mean the same, or cost only time. Read the differences that are printed.
One file at a time, minutes each: with all of the package replaced at once, mutmut takes down the interpreter.
Tests of destructors are left out, because what mutmut puts around a function may not be entered by a collection.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutation"
COPIED = ("src", "tests", "benchmarks", "docs", "examples", "pyproject.toml", "README.md")
SETTINGS = """

[tool.mutmut]
source_paths = ["src"]
only_mutate = ["{file}"]
also_copy = ["tests", "benchmarks", "docs", "examples"]
pytest_add_cli_args = ["-k", "not destructor"]
pytest_add_cli_args_test_selection = {tests}
"""


def main(file: str, tests: list[str]) -> int:
    """Break one file, and print every line that can change without a test that fails."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, COPY / name)
    with (COPY / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS.format(file=file, tests=tests or [*_tests_of(file), "tests/contract"]))
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    code = subprocess.run([mutmut, "run"], cwd=COPY, check=False).returncode
    listed = subprocess.run([mutmut, "results"], cwd=COPY, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, _, became = line.strip().partition(": ")
        if became in {"survived", "no tests"}:
            print(f"\n{became}: {name}", flush=True)
            subprocess.run([mutmut, "show", name], cwd=COPY, check=False)
    return code


def _tests_of(file: str) -> list[str]:
    found = (ROOT / "tests").rglob(f"test_{Path(file).stem.strip('_')}*.py")
    return sorted(path.relative_to(ROOT).as_posix() for path in found if "contract" not in path.parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
