"""The house stands as ARCHITECTURE says: bands (import-linter holds them), no asyncio in the core, light imports."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "evenflow"
EDGES = {"web", "telemetry", "asyncapi", "testing", "cli"}
CORE = sorted(p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0].removesuffix(".py") not in EDGES)
EXTRAS = {"nats", "redis", "hiredis", "starlette", "fastapi", "opentelemetry", "psutil", "rich", "trio", "pytest"}
NEWER = {"annotationlib"}
"""In the standard library of a later Python than the oldest."""
RUN_TIME = {"anyio", "pydantic", "pydantic_core", "annotated_types", "evenflow"}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _imports(tree: ast.AST) -> set[str]:
    """Every module that a file imports when it runs, in functions too; not what only type checkers see."""
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_")]
            found.update(names or [node.module])
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_a_file_of_the_core_imports_anyio_pydantic_and_the_standard_library_alone(path: Path) -> None:
    """The core has two dependencies, and does not know which loop it runs on."""
    tops = {name.partition(".")[0] for name in _imports(ast.parse(path.read_text(encoding="utf-8")))}
    foreign = {top for top in tops if top not in sys.stdlib_module_names} - RUN_TIME - NEWER
    assert not foreign, f"{_name(path)} imports {foreign}, which evenflow does not depend on"
    assert "asyncio" not in tops, f"{_name(path)} imports asyncio; the core knows anyio only"


@pytest.mark.parametrize("path", [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"], ids=_name)
def test_a_file_does_not_reach_for_the_roof_of_its_own_house(path: Path) -> None:
    """A file below the roof imports what it needs where it lives, not from `evenflow`; the edges are guests and may."""
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in EDGES:
        return
    assert "evenflow" not in _imports(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_a_file_of_the_core_opens_with_what_it_is_for(path: Path) -> None:
    """Every file says its one job in its first sentence."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.name)
def test_a_test_is_a_sentence(path: Path) -> None:
    """Every test says in its docstring what holds, in words that end as a sentence does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            sentence = ast.get_docstring(node) or ""
            assert sentence.rstrip().endswith((".", "!", "?")), f"{path.name}:{node.lineno} {node.name}"


def test_importing_evenflow_imports_no_extra() -> None:
    """Who installs two dependencies gets a package that works with two; who has more pays nothing for it."""
    loaded = {name.partition(".")[0] for name in _loaded_by("import evenflow")}
    assert not loaded & EXTRAS


def test_importing_evenflow_imports_no_event_loop() -> None:
    """What anyio and pydantic do not import, evenflow does not either: no asyncio, no edges."""
    ours = _loaded_by("import evenflow") - _loaded_by("import anyio, anyio.abc, pydantic")
    assert not {name for name in ours if name.partition(".")[0] == "asyncio"}
    assert not {name for name in ours if name.partition(".")[2].partition(".")[0] in EDGES}


def test_the_bands_hold() -> None:
    """import-linter finds no import that goes up, and no file without a place."""
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed: `make test` installs it")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=55)
    assert done.returncode == 0, done.stdout


def test_the_roof_has_nothing_but_names() -> None:
    """`__init__.py` holds the layout, the public names, and nothing that runs."""
    body = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
    odd = [ast.unparse(node) for node in body[1:] if not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)]
    assert not odd
