"""What `tests/test_architecture.py` measures: the house, read from its text and never imported.

Each check takes a `House` and returns one sentence for each place that breaks its rule, with the file, the class and
the number in it; an empty list means that the rule holds. The core is everything but streams, routing, the log and the edges.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

NOT_CORE = ("streams/", "_routing/", "log/", "testing/", "cli/", "web/", "telemetry", "asyncapi")
FACE = "streams/_stream.py"
"""The class that lists the operators: files beside it may name it in types, and its methods are not counted."""

MOST_ATTRIBUTES = 18
MOST_METHODS = 25
MOST_DEPTH = 2
MOST_COMPLEXITY = 12
MOST_LINES = 8_621
"""Of the core. The aim is 5,000; what observers, ends, forks, fair time and durable events brought is not paid back."""

MOST_IGNORES = 5
"""For each thousand lines."""

MUTABLE = frozenset({
    "list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter", "ChainMap",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "local", "Queue", "SimpleQueue", "Lock", "RLock",
})  # fmt: skip
OF_THE_PROCESS = frozenset({
    ("_fork.py", "_KNOWN"), ("log/_sqlite/_lock.py", "_OPEN"), ("log/_sqlite/_members.py", "_OWN"),
    ("web/_later.py", "_RUNNING"), ("web/_shutdown.py", "_SHUTDOWN"), ("cli/_address.py", "_SHOWN"),
})  # fmt: skip
"""What belongs to the process by its nature: a fork copies all lives at once, and whoever is alive must be told; signals
are handled for a process; the kernel keeps `fcntl` locks for a process and a file, so a process may open such a file once
only; asyncio holds its tasks weakly, so what nobody waits for must be held by somebody; and a secret of a command line is
left out of all that it shows."""
"""What makes something mutable when it is called. Three things that are mutable too are allowed module-wide:

- a `ContextVar`: the state belongs to the task that set it, and the variable only names it;
- a logger: it belongs to `logging`, and whoever runs the program configures it there;
- `itertools.count`: it hands out numbers that nobody has yet, and nothing can be read from it or set back.
"""
MUTATING = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "move_to_end", "pop",
    "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort", "subtract", "update",
    "__setitem__", "__delitem__",
})  # fmt: skip
IGNORE = re.compile(r"#.*?(?P<what>type: ignore|pyright: ignore|noqa)")
COMPLEXITY = re.compile(r"noqa:[^#]*?\b(?P<rule>C901|PLR0911|PLR0912|PLR0915|PLR1702)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class File:
    """A source file: its path below the package, and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def is_core(self) -> bool:
        return not self.name.startswith(NOT_CORE)

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @cached_property
    def imports(self) -> list[Import]:
        """What it imports from the package, in functions and for type checkers too."""
        return list(_imports(self.tree, self.name, typing=False))


@dataclass(frozen=True)
class Import:
    """A name that a file imports from a module of the package."""

    module: str
    """Below the package, with slashes: `streams/_node`; empty for the package itself."""
    name: str
    """The name in that module; empty where the module itself is imported."""
    known_as: str
    typing: bool
    """Only type checkers see it."""


@dataclass(frozen=True)
class Kind:
    """A class of the package."""

    file: File
    node: ast.ClassDef

    def __str__(self) -> str:
        return f"{self.file.name}: {self.node.name}"

    @property
    def functions(self) -> list[Function]:
        return [node for node in self.node.body if isinstance(node, Function)]

    @cached_property
    def methods(self) -> set[str]:
        """The names of its methods and properties, under every name they have."""
        names = {function.name for function in self.functions}
        return names | {
            to for to, value in _class_level(self.node) if isinstance(value, ast.Name) and value.id in names
        }

    @cached_property
    def attributes(self) -> set[str]:
        """What it declares: slots, annotations, class variables, and what its methods assign to `self`."""
        if any(_last(base) in {"Protocol", "Enum", "IntEnum", "StrEnum", "Flag"} for base in self.node.bases):
            return set()  # the first says what others have, and the members of the rest are no attributes
        declared = {name for name, _ in _class_level(self.node)} | set(_slots(self.node))
        declared |= {written.name for function in self.functions for written in _written(function) if written.to_self}
        return {name for name in declared if not name.startswith("__")} - self.methods

    @property
    def changes(self) -> bool:
        """Whether a method assigns to `self` after it was made."""
        makers = {"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"}
        others = [function for function in self.functions if function.name not in makers]
        return any(written.to_self for function in others for written in _written(function))


@dataclass(frozen=True)
class Written:
    """An attribute that is assigned or deleted somewhere."""

    name: str
    line: int
    to_self: bool


class House:
    """The files of the package, and who is whose base."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.files = {name: File(name, text) for name, text in sorted(texts.items())}
        self.kinds = [Kind(file, node) for file in self.files.values() for node in file.classes]
        self._named = {(kind.file.name, kind.node.name): kind for kind in self.kinds}

    @classmethod
    def read(cls, package: Path) -> House:
        """The package as it lies in a folder."""
        found = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
        return cls({name: path.read_text(encoding="utf-8") for name, path in found.items()})

    @property
    def core(self) -> list[File]:
        return [file for file in self.files.values() if file.is_core]

    def file_of(self, module: str) -> File | None:
        """The file of a module of the package."""
        names = (f"{module}.py", f"{module}/__init__.py") if module else ("__init__.py",)
        return next((self.files[name] for name in names if name in self.files), None)

    def find(self, file: File, name: str) -> Kind | None:
        """The class that a file knows under a name, however often it was handed on."""
        for _ in range(10):
            if found := self._named.get((file.name, name)):
                return found
            source = next((one for one in file.imports if one.known_as == name and one.name), None)
            if source is None or (behind := self.file_of(source.module)) is None:
                return None
            file, name = behind, source.name
        return None

    def bases(self, kind: Kind) -> list[Kind]:
        """The bases of a class that are classes of the package."""
        found = (self.find(kind.file, _last(base)) for base in kind.node.bases)
        return [base for base in found if base is not None and base is not kind]

    def ancestors(self, kind: Kind) -> list[Kind]:
        """All of them, and theirs."""
        found: list[Kind] = []
        waiting = self.bases(kind)
        while waiting:
            base = waiting.pop()
            if base not in found:
                found.append(base)
                waiting += self.bases(base)
        return found

    def line(self, kind: Kind) -> list[str]:
        """The longest line of classes of the package that ends with this one."""
        return [kind.node.name, *max((self.line(base) for base in self.bases(kind)), key=len, default=[])]


# ---------------------------------------------------------------------------------------------------------- the rules


def shared_attributes(house: House) -> list[str]:
    """Attributes of the core that are assigned in a file that does not own them.

    An attribute is owned by the file whose class declares it. A name is all that the text shows of an object, so
    an assignment to anything but `self` is right where some class of its own file declares that name. A subclass does
    not own what a base in another file declares.
    """
    owners: dict[str, set[str]] = defaultdict(set)
    for kind in house.kinds:
        inherited = {name for base in house.ancestors(kind) for name in base.attributes}
        for name in kind.attributes - inherited if kind.file.is_core else ():
            owners[name].add(kind.file.name)
    found = []
    for file in house.core:
        for written in _written(file.tree):
            if owners[written.name] and file.name not in owners[written.name]:
                owned = " and ".join(sorted(owners[written.name]))
                found.append(f"{file.name}:{written.line} assigns .{written.name}, which belongs to {owned}")
    return found


def large_classes(house: House) -> list[str]:
    """Classes of the core with too many attributes or methods, those of their bases counted once.

    The operators that come with `Stream` are not counted, and typed overloads of a name are one method.
    """
    found = []
    for kind in house.kinds:
        if kind.file.is_core:
            family = [kind, *(base for base in house.ancestors(kind) if base.file.is_core)]
            attributes = {name for each in family for name in each.attributes}
            methods = {name for each in family for name in each.methods}
            if len(attributes) > MOST_ATTRIBUTES:
                found.append(f"{kind} has {len(attributes)} attributes, at most {MOST_ATTRIBUTES}: {_list(attributes)}")
            if len(methods) > MOST_METHODS:
                found.append(f"{kind} has {len(methods)} methods, at most {MOST_METHODS}: {_list(methods)}")
    return found


def deep_classes(house: House) -> list[str]:
    """Classes with more than two classes of the package above them, one over the other."""
    lines = [(kind, house.line(kind)) for kind in house.kinds]
    return [
        f"{kind} is {len(line) - 1} classes deep, at most {MOST_DEPTH}: {' -> '.join(line)}"
        for kind, line in lines
        if len(line) - 1 > MOST_DEPTH
    ]


def import_circles(house: House) -> list[str]:
    """Files that import one another in a circle, one circle for each knot of files; imports for types count.

    One thing does not count: a file of `streams` that names the face of the operators in a type.
    """
    graph: dict[str, list[str]] = {}
    for file in house.files.values():
        targets = set()
        for one in file.imports:
            target = house.file_of(f"{one.module}/{one.name}".strip("/")) if one.name else None
            target = target or house.file_of(one.module)
            names_the_face = one.typing and target and target.name == FACE and file.name.startswith("streams/")
            if target and not names_the_face:
                targets.add(target.name)
        graph[file.name] = sorted(targets)
    found = []
    for knot in _knots(graph):
        circle = _shortest_circle(graph, knot)
        found.append(f"{' -> '.join(circle)} is a circle, and {len(knot)} files are in it: {', '.join(knot)}")
    return found


def looks_into_sys_modules(house: House) -> list[str]:
    """Places that ask `sys.modules` for a library."""
    found = []
    for file in house.files.values():
        for node in ast.walk(file.tree):
            asks = isinstance(node, ast.Attribute) and node.attr == "modules" and _last(node.value) == "sys"
            imports = isinstance(node, ast.ImportFrom) and node.module == "sys"
            if asks or (imports and any(alias.name == "modules" for alias in node.names)):
                found.append(f"{file.name}:{node.lineno} looks into sys.modules")
    return found


def module_wide_state(house: House) -> list[str]:
    """Names of a module or a class that hold something mutable, unless they are `Final` and nothing changes them.

    An instance of a class of ours counts where its methods assign to it. So does a cache that nothing bounds, and a
    function that says `global`.
    """
    changed = {(owner, name) for file in house.files.values() for owner, name in _changed_names(house, file)}
    found = []
    for file in house.files.values():
        for name, value, node in _constants(file.tree):
            made = _made(house, file, value)
            is_final = isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation)
            if (file.name, name) in OF_THE_PROCESS:
                continue
            if made == "mutable" and not (is_final and (file.name, name) not in changed):
                how = "and is changed" if is_final else "and is not Final"
                found.append(f"{file.name}:{node.lineno} {name} is shared by the whole module, mutable, {how}")
            elif made == "changes":
                found.append(
                    f"{file.name}:{node.lineno} {name} is shared by the whole module, and its methods change it"
                )
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Global):
                found.append(f"{file.name}:{node.lineno} assigns {', '.join(node.names)} for the whole module")
            if isinstance(node, Function) and any(_is_unbounded_cache(one) for one in node.decorator_list):
                found.append(f"{file.name}:{node.lineno} {node.name} has a cache that nothing bounds")
    return found


def complex_functions(house: House, ruff: Path) -> list[str]:
    """Functions that branch too often, as McCabe counts and ruff does it, whatever their `noqa` says."""
    setting = f"lint.mccabe.max-complexity={MOST_COMPLEXITY}"
    command = [ruff, "check", "--isolated", "--no-cache", "--ignore-noqa", "--select", "C901", "--config", setting]
    found = []
    for file in house.files.values():
        if not _has_branches(file.tree):
            continue
        done = subprocess.run(
            [*command, "--output-format", "json", "--stdin-filename", file.name, "-"],
            input=file.text, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        found += [f"{file.name}:{one['location']['row']} {one['message']}" for one in json.loads(done.stdout)]
    return found


def untested_files(house: House, tests: Iterable[str]) -> list[str]:
    """Source files without a test file of their own.

    `_gate.py` has `test_gate.py` or `test_gate_….py`; `streams/_node.py` has `test_node.py` in a folder `streams`, or
    `test_streams_node.py`. `__init__.py` and `__main__.py` need none. A test below `streams` is not one for the core.
    """
    folders = {folder.strip("_") for name in house.files for folder in name.split("/")[:-1]}
    available = [(set(test.split("/")[:-1]) & folders, test.rpartition("/")[2].removesuffix(".py")) for test in tests]
    found = []
    for name in house.files:
        *above, own = (part.removesuffix(".py") for part in name.split("/"))
        if own.startswith("__"):
            continue
        above = [part.strip("_") for part in above]
        flat, nested = "_".join(["test", *above, own.strip("_")]), f"test_{own.strip('_')}"
        if not any(
            (not inside and _is_for(test, flat)) or (inside == set(above) and _is_for(test, nested))
            for inside, test in available
        ):
            found.append(f"{name} has no test file: {flat}.py")
    return found


def long_core(house: House) -> list[str]:
    """The core, if it has too many lines."""
    lines = sum(len(file.text.splitlines()) for file in house.core)
    return [f"the core has {lines} lines, at most {MOST_LINES}"] if lines > MOST_LINES else []


def many_ignores(house: House) -> list[str]:
    """Too many comments that silence a checker, and each that silences a rule about complexity."""
    lines = sum(len(file.text.splitlines()) for file in house.files.values())
    counted = {name: len(IGNORE.findall(file.text)) for name, file in house.files.items()}
    found = []
    if (ignores := sum(counted.values())) * 1_000 > MOST_IGNORES * lines:
        most = sorted(counted.items(), key=lambda item: -item[1])[:10]
        named = ", ".join(f"{name} {count}" for name, count in most if count)
        rate = f"{ignores} ignores in {lines} lines, {1_000 * ignores / lines:.1f} a thousand"
        found.append(f"{rate}, at most {MOST_IGNORES}: {named}")
    for name, file in house.files.items():
        for number, line in enumerate(file.text.splitlines(), 1):
            if rule := COMPLEXITY.search(line):
                found.append(f"{name}:{number} silences {rule['rule']}")
    return found


# ---------------------------------------------------------------------------------------------------- reading the text


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _last(node: ast.expr) -> str:
    """The last name of an expression: `Stream` of `streams.Stream[int]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _imports(tree: ast.AST, file: str, *, typing: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, _, rest = alias.name.partition(".")
                if top == "evenflow":
                    yield Import(rest.replace(".", "/"), "", alias.asname or alias.name, typing)
        elif isinstance(node, ast.ImportFrom):
            if (module := _module(node, file)) is not None:
                for alias in node.names:
                    yield Import(module, alias.name, alias.asname or alias.name, typing)
        elif isinstance(node, ast.If) and _last(node.test) == "TYPE_CHECKING":
            yield from _imports(ast.Module(node.body, []), file, typing=True)
            yield from _imports(ast.Module(node.orelse, []), file, typing=typing)
        else:
            yield from _imports(node, file, typing=typing)


def _module(node: ast.ImportFrom, file: str) -> str | None:
    """The module of the package that is imported from; None if it is another package's."""
    path = (node.module or "").replace(".", "/")
    if not node.level:
        top, _, rest = path.partition("/")
        return rest if top == "evenflow" else None
    folder = file.split("/")[: -node.level]
    return "/".join([*folder, path]).strip("/")


def _class_level(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that the body of a class binds or annotates, with their values."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            yield one.target.id, one.value
        elif isinstance(one, ast.Assign):
            for target in one.targets:
                if isinstance(target, ast.Name):
                    yield target.id, one.value


def _slots(node: ast.ClassDef) -> Iterator[str]:
    for name, value in _class_level(node):
        if name == "__slots__" and value is not None:
            yield from (one.value for one in ast.walk(value) if isinstance(one, ast.Constant) and one.value)


def _written(tree: ast.AST) -> Iterator[Written]:
    """Every attribute that is assigned, in whatever way, or deleted."""
    yield from _written_in(tree, "")


def _written_in(tree: ast.AST, me: str) -> Iterator[Written]:
    if isinstance(tree, Function) and tree.args.posonlyargs + tree.args.args:
        first = (tree.args.posonlyargs + tree.args.args)[0].arg
        me = first if first in {"self", "cls"} else me
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield Written(node.attr, node.lineno, isinstance(node.value, ast.Name) and node.value.id == (me or "self"))
        elif isinstance(node, ast.Call) and _last(node.func) in {"setattr", "delattr", "__setattr__", "__delattr__"}:
            for place, argument in enumerate(node.args[:2]):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    to = node.args[0] if place else node.func
                    yield Written(argument.value, node.lineno, _last(to) == (me or "self"))
        yield from _written_in(node, me)


def _knots(graph: Mapping[str, list[str]]) -> list[list[str]]:
    """The sets of files that can reach one another, each sorted."""
    reached = {name: _reach(graph, name) for name in graph}
    knots: list[list[str]] = []
    for name in graph:
        if name in reached[name] and not any(name in knot for knot in knots):
            knots.append(sorted(other for other in reached[name] if name in reached[other]))
    return knots


def _reach(graph: Mapping[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += graph.get(name, [])
    return found


def _shortest_circle(graph: Mapping[str, list[str]], knot: list[str]) -> list[str]:
    circles = []
    for start in knot:
        paths, seen = [[start]], {start}
        for path in paths:  # grows while it is read: breadth first
            if start in graph[path[-1]]:
                circles.append([*path, start])
                break
            for name in graph[path[-1]]:
                if name in knot and name not in seen:
                    seen.add(name)
                    paths.append([*path, name])
    return min(circles, key=len)


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr, ast.Assign | ast.AnnAssign]]:
    """Names that a module or a class of it binds, with what they are bound to."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Assign):
            named = [target for target in node.targets if isinstance(target, ast.Name)]
            yield from ((target.id, node.value, node) for target in named if not target.id.startswith("__"))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value, node
        elif not isinstance(node, Function):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def _made(house: House, file: File, value: ast.expr) -> str:
    """What an expression makes: "mutable", an instance that "changes", or nothing of the kind."""
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return "mutable"
    if isinstance(value, ast.Call):
        if _last(value.func) in MUTABLE:
            return "mutable"
        kind = house.find(file, _last(value.func))
        if kind is not None and any(each.changes for each in (kind, *house.ancestors(kind))):
            return "changes"
    return ""


def _changed_names(house: House, file: File) -> Iterator[tuple[str, str]]:
    """The constants, each with the file that made it, that a file changes."""
    known = {one.known_as: one for one in file.imports if one.name}
    for node in ast.walk(file.tree):
        changed: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING:
            changed = node.func.value
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changed = node.value
        elif isinstance(node, ast.AugAssign):
            changed = node.target
        if changed is None or not (name := _last(changed)):
            continue
        owner, own_name = file, name
        if isinstance(changed, ast.Name) and (source := known.get(name)):
            owner, own_name = house.file_of(source.module) or file, source.name
        elif isinstance(changed, ast.Attribute) and (source := known.get(_last(changed.value))):
            owner = house.file_of(f"{source.module}/{source.name}".strip("/")) or file
        yield owner.name, own_name


def _is_unbounded_cache(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call):
        limits = [*decorator.args, *(keyword.value for keyword in decorator.keywords if keyword.arg == "maxsize")]
        return _last(decorator.func) == "lru_cache" and any(
            isinstance(limit, ast.Constant) and limit.value is None for limit in limits
        )
    return _last(decorator) == "cache"


def _has_branches(tree: ast.Module) -> bool:
    """Whether any function could be too complex; spares a process for each file of plain words."""
    branches = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, ast.comprehension)
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return any(sum(isinstance(one, branches) for one in ast.walk(each)) >= MOST_COMPLEXITY for each in functions)


def _is_for(test: str, name: str) -> bool:
    return test == name or test.startswith(f"{name}_")


CHECKS: dict[str, Callable[[House], list[str]]] = {
    "one owner": shared_attributes,
    "small classes": large_classes,
    "flat classes": deep_classes,
    "no circle of imports": import_circles,
    "no sys.modules": looks_into_sys_modules,
    "no state of a module": module_wide_state,
    "a short core": long_core,
    "few ignores": many_ignores,
}
