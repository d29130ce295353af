"""The house stands: bands (import-linter holds them), no asyncio in the core, light imports, small parts with one owner.

The last part of the file gives each check of `tests/architecture.py` a faulty house, so that none of them goes blind.
"""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import CHECKS, House, complex_functions, untested_files

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "evenflow"
EDGES = {"web", "telemetry", "asyncapi", "testing", "cli"}
CORE = sorted(p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0].removesuffix(".py") not in EDGES)
SERVERS = {"nats", "redis", "asyncpg", "psycopg"}
"""Clients of servers: each is imported in a folder of its name below `log`, which is imported when it is asked for."""
ON_ASYNCIO = {"_nats", "_postgres"}
"""Folders of engines whose client runs on asyncio alone."""
EXTRAS = {"nats", "redis", "hiredis", "starlette", "fastapi", "opentelemetry", "psutil", "rich", "trio", "pytest"}
NEWER = {"annotationlib"}
"""In the standard library of a later Python than the oldest."""
RUN_TIME = {"anyio", "pydantic", "pydantic_core", "annotated_types", "evenflow"}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _none(found: list[str]) -> None:
    """Fail with the sentences alone: a traceback says nothing more."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    return set(json.loads(done.stdout))


@functools.cache
def _ours() -> House:
    """The package, read when a test first asks: every worker imports this file, and few run its tests."""
    return House.read(PACKAGE)


def _tree(path: Path) -> ast.Module:
    return _ours().files[_name(path)].tree


def test_a_file_of_the_core_imports_anyio_pydantic_and_the_standard_library_alone() -> None:
    """The core has two dependencies; each file of `_backends` knows its loop, and each engine of a server its client."""
    wrong = []
    for path in CORE:
        tops = {name.partition(".")[0] for name in _imports(_tree(path))}
        if path.parent.name == "_backends":
            tops -= {path.stem}
        tops -= {path.parent.name.removeprefix("_")} & SERVERS
        if path.parent.parent.name == "log" and path.parent.name in ON_ASYNCIO:
            tops -= {"asyncio"}
        foreign = {top for top in tops if top not in sys.stdlib_module_names} - RUN_TIME - NEWER
        wrong += [f"{_name(path)} imports {top}, which evenflow does not depend on" for top in sorted(foreign)]
        wrong += [f"{_name(path)} imports asyncio; the core knows anyio only"] * ("asyncio" in tops)
    _none(wrong)


def test_a_file_does_not_reach_for_the_roof_of_its_own_house() -> None:
    """A file below the roof imports what it needs where it lives, not from `evenflow`; the edges are guests and may."""
    files = [path for path in CORE if path != PACKAGE / "__init__.py"]
    _none([f"{_name(path)} imports evenflow itself" for path in files if "evenflow" in _imports(_tree(path))])


def test_a_file_of_the_core_opens_with_what_it_is_for() -> None:
    """Every file says its one job in its first sentence."""
    _none([f"{_name(path)} does not say what it is for" for path in CORE if not ast.get_docstring(_tree(path))])


def test_a_test_is_a_sentence() -> None:
    """Every test says in its docstring what holds, in words that end as a sentence does."""
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                sentence = ast.get_docstring(node) or ""
                if not sentence.rstrip().endswith((".", "!", "?")):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} is no sentence")
    _none(wrong)


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
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout


def test_the_roof_has_nothing_but_names() -> None:
    """`__init__.py` holds the layout, the public names, those that are imported later, and nothing that runs."""
    waiting = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body[1:]
    odd: list[str] = []
    for node in waiting:  # grows while it is read
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.body + node.orelse
        elif not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.Delete):
            odd.append(ast.unparse(node))
    assert not odd


RUFF = Path(sys.executable).with_name("ruff")
CLASS = "class A:\n    def __init__(self):\n        self.x = 1\n"


def _house(**texts: str) -> House:
    """A house of a few files: `_a="..."` is `_a.py`, `streams__b="..."` is `streams/_b.py`."""
    return House({f"{name.replace('__', '/_')}.py": text for name, text in texts.items()})


@pytest.mark.parametrize("rule", CHECKS)
def test_the_house_keeps_its_rules(rule: str) -> None:
    """A part owns what it writes, is small and flat, and shares nothing with other lives; see `tests/architecture.py`."""
    _none(CHECKS[rule](_ours()))


def test_no_function_branches_too_often() -> None:
    """Whoever changes a function can hold all its ways in mind at once."""
    if not RUFF.exists():
        pytest.skip("ruff is not installed: `make test` installs it")
    _none(complex_functions(_ours(), RUFF))


def test_every_source_file_has_its_test_file() -> None:
    """Whoever changes a file knows which tests to run first."""
    tests = [path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    _none(untested_files(_ours(), tests))


FAULTY: dict[str, tuple[str, House, str]] = {
    "assigned elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    a.x = 2"), "_b.py:2 assigns .x, which belongs to _a.py"),
    "added to elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    a.b.x += 2"), "_b.py:2 assigns .x"),
    "deleted elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    del a.x"), "_b.py:2 assigns .x"),
    "unpacked elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    y, a.x = 1, 2"), "_b.py:2 assigns .x"),
    "looped elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    for a.x in ():\n        pass"), "_b.py:2 assigns .x"),
    "entered elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    with b as a.x:\n        pass"), "_b.py:2 assigns .x"),
    "set by name elsewhere": ("one owner", _house(_a=CLASS, _b="def f(a):\n    setattr(a, 'x', 2)"), "_b.py:2 assigns .x"),
    "set past the class": ("one owner", _house(_a=CLASS, _b="object.__setattr__(a, 'x', 2)"), "_b.py:1 assigns .x"),
    "a slot of another file": ("one owner", _house(_a="class A:\n    __slots__ = ('x',)", _b="a.x = 1"), "_b.py:1 assigns .x"),
    "an annotation of another file": ("one owner", _house(_a="class A:\n    x: int", _b="a.x = 1"), "_b.py:1 assigns .x"),
    "a base in another file": (
        "one owner",
        _house(_a=CLASS, _b="from ._a import A\nclass B(A):\n    def f(self):\n        self.x = 2"),
        "_b.py:4 assigns .x, which belongs to _a.py",
    ),
    "a base that was handed on": (
        "one owner",
        _house(_a=CLASS, _b="from ._a import A as Z", _c="from evenflow._b import Z\nclass B(Z[int]):\n    def f(self):\n        self.x = 2"),
        "_c.py:4 assigns .x, which belongs to _a.py",
    ),
    "many slots": (
        "small classes",
        _house(_a=f"class A:\n    __slots__ = {tuple(f'x{n}' for n in range(19))}"),
        "_a.py: A has 19 attributes, at most 18",
    ),
    "many attributes with a base's": (
        "small classes",
        _house(
            _a="class A:\n" + "".join(f"    x{n}: int\n" for n in range(10)),
            _b="from ._a import A\nclass B(A):\n    def f(self):\n" + "".join(f"        self.y{n} = 1\n" for n in range(9)),
        ),
        "_b.py: B has 19 attributes, at most 18",
    ),
    "many methods with a base's": (
        "small classes",
        _house(
            _a="class A:\n" + "".join(f"    def a{n}(self): ...\n" for n in range(20)),
            _b="from ._a import A\nclass B(A):\n"
            + "".join(f"    @property\n    def b{n}(self): ...\n" for n in range(5))
            + "    def __len__(self): ...",
        ),
        "_b.py: B has 26 methods, at most 25",
    ),
    "deep": (
        "flat classes",
        _house(_a="class A: ...\nclass B(A): ...\nclass C(B): ...", _b="from . import _a\nfrom ._a import C\nclass D(C): ..."),
        "_b.py: D is 3 classes deep, at most 2: D -> C -> B -> A",
    ),
    "a circle": ("no circle of imports", _house(_a="from ._b import x", _b="from . import _c", _c="import evenflow._a"), "_a.py -> _b.py -> _c.py -> _a.py"),
    "a circle of types": (
        "no circle of imports",
        _house(_a="if TYPE_CHECKING:\n    from ._b import x", _b="def f():\n    from ._a import y"),
        "_a.py -> _b.py -> _a.py is a circle, and 2 files are in it",
    ),
    "the face, when it runs": (
        "no circle of imports",
        _house(streams__stream="from ._map import map", streams__map="from ._stream import Stream"),
        "streams/_map.py -> streams/_stream.py -> streams/_map.py",
    ),
    "sys.modules": ("no sys.modules", _house(_a="import sys\nx = sys.modules.get('trio')"), "_a.py:2 looks into sys.modules"),
    "modules of sys": ("no sys.modules", _house(_a="from sys import modules"), "_a.py:1 looks into sys.modules"),
    "a set": ("no state of a module", _house(_a="OPEN: set[int] = set()"), "_a.py:1 OPEN is shared by the whole module, mutable, and is not Final"),
    "a display in a branch": ("no state of a module", _house(_a="if x:\n    KNOWN = {}"), "_a.py:2 KNOWN"),
    "a weak dictionary": ("no state of a module", _house(_a="K: Final = WeakKeyDictionary()\ndef f():\n    K[1] = 2"), "_a.py:1 K is shared by the whole module, mutable, and is changed"),
    "appended to": ("no state of a module", _house(_a="K: Final = []\ndef f():\n    K.append(1)"), "_a.py:1 K"),
    "changed elsewhere": ("no state of a module", _house(_a="K: Final = []", _b="from ._a import K as L\nL.append(1)"), "_a.py:1 K"),
    "changed through its module": ("no state of a module", _house(_a="K: Final = []", _b="from . import _a\n_a.K.append(1)"), "_a.py:1 K"),
    "of a thread": ("no state of a module", _house(_a="here = threading.local()"), "_a.py:1 here"),
    "in a class": ("no state of a module", _house(_a="class A:\n    cache = {}"), "_a.py:2 cache"),
    "an object that changes": (
        "no state of a module",
        _house(_a="class A:\n    def f(self):\n        self.x = 1", _b="from ._a import A\nTHE = A()"),
        "_b.py:2 THE is shared by the whole module, and its methods change it",
    ),
    "global": ("no state of a module", _house(_a="x = 1\ndef f():\n    global x\n    x = 2"), "_a.py:3 assigns x for the whole module"),
    "a cache without a bound": ("no state of a module", _house(_a="@functools.cache\ndef f(x): ..."), "_a.py:2 f has a cache that nothing bounds"),
    "an LRU cache without a bound": ("no state of a module", _house(_a="@lru_cache(maxsize=None)\ndef f(x): ..."), "_a.py:2 f has a cache"),
    "a long core": ("a short core", _house(_a="x = 1\n" * 8_833), "the core has 8833 lines, at most 8832"),
    "many ignores": ("few ignores", _house(_a="x = 1  # noqa: E501\n" + "x = 1\n" * 99), "1 ignores in 100 lines, 10.0 a thousand, at most 5: _a.py 1"),
    "an ignore of each kind": ("few ignores", _house(_a="x  # type: ignore[a]  # pyright: ignore[b]\n" + "\n" * 299), "2 ignores in 300 lines"),
    "an ignored complexity": ("few ignores", _house(_a="def f(): ...  # noqa: E501, C901\n" + "\n" * 999), "_a.py:1 silences C901"),
}  # fmt: skip

SOUND: dict[str, tuple[str, House]] = {
    "its own attribute": ("one owner", _house(_a=CLASS + "def f(a):\n    a.x = 2")),
    "two classes with one name": ("one owner", _house(_a=CLASS, _b=CLASS)),
    "a name of nobody": ("one owner", _house(_a=CLASS, _b="error.y = 1")),
    "outside the core": ("one owner", _house(_a=CLASS, streams__b="a.x = 1")),
    "the operators are not counted": (
        "small classes",
        _house(
            streams__stream="class Stream:\n" + "".join(f"    def a{n}(self): ...\n" for n in range(60)),
            _a="from .streams._stream import Stream\nclass A(Stream[int]):\n    def f(self): ...",
        ),
    ),
    "overloads are one method": ("small classes", _house(_a="class A:\n" + "    @overload\n    def f(self): ...\n" * 30)),
    "two deep": ("flat classes", _house(_a="class A(Exception): ...\nclass B(A): ...\nclass C(B): ...")),
    "the face in a type": (
        "no circle of imports",
        _house(streams__stream="from ._map import map", streams__map="if TYPE_CHECKING:\n    from ._stream import Stream"),
    ),
    "a table": ("no state of a module", _house(_a="K: Final[dict[int, int]] = {1: 2}\nx = K[1]")),
    "a local name": ("no state of a module", _house(_a="def f():\n    k = []\n    k.append(1)")),
    "what may be module-wide": (
        "no state of a module",
        _house(_a="log = logging.getLogger('x')\nnumbers = count(1)\nHERE = ContextVar('HERE')\nx = (1,)\n__all__ = ['x']"),
    ),
    "an object that never changes": ("no state of a module", _house(_a=CLASS + "THE = A()")),
    "a bounded cache": ("no state of a module", _house(_a="@lru_cache(maxsize=9)\ndef f(x): ...")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTY)
def test_a_fault_is_found_and_named(fault: str) -> None:
    """Each rule, broken in a small text: the message names the file, and the number where there is one."""
    rule, house, said = FAULTY[fault]
    found = CHECKS[rule](house)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("case", SOUND)
def test_what_is_allowed_is_not_found(case: str) -> None:
    """The other side of each rule."""
    rule, house = SOUND[case]
    assert CHECKS[rule](house) == []


def test_every_rule_has_a_fault() -> None:
    """A check that nothing can fail guards nothing."""
    assert {rule for rule, *_ in FAULTY.values()} == set(CHECKS)


@pytest.mark.parametrize("branches, found", [(11, []), (12, ["_a.py:1 `f` is too complex (13 > 12)"])])
def test_a_complex_function_is_found_though_it_is_silenced(branches: int, found: list[str]) -> None:
    """Twelve ways through a function, and no comment makes them more."""
    if not RUFF.exists():
        pytest.skip("ruff is not installed: `make test` installs it")
    text = "def f(x):  # noqa: C901\n" + "    if x:\n        pass\n" * branches
    assert complex_functions(_house(_a=text), RUFF) == found


@pytest.mark.parametrize(
    "test, found",
    [
        ("test_a.py", False),
        ("contract/test_a_waits.py", False),
        ("test_ab.py", True),
        ("streams/test_a.py", True),
        ("streams/test_b.py", False),
        ("test_streams_b_ends.py", False),
        ("test_b.py", True),
    ],
)
def test_a_source_file_without_a_test_file_is_found(test: str, *, found: bool) -> None:
    """A test is for a file of its own name, in a folder of its own name."""
    name = "streams/_b.py" if "b" in test and "ab" not in test else "_a.py"
    house = House({name: "", "__init__.py": "", "streams/__init__.py": ""})
    flat = "test_streams_b.py" if "streams" in name else "test_a.py"
    assert untested_files(house, [test]) == ([f"{name} has no test file: {flat}"] if found else [])
