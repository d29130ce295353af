"""How a page of the docs is read as a program. CONTRIBUTING.md says the same to who writes one.

```python           runs; all blocks of a page are one program, in order, in one namespace;
                    a bare `await` works, as in `python -m asyncio`, and in virtual time where that is possible
```python raises    runs, and raises; the text below shows the last line of the traceback
```python test      a test file of its own, given to pytest; all its tests pass
```text             straight after one of these: what it printed; `...` stands for what differs from run to run
```toml, console    are for the reader alone
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import gc
import inspect
import io
import os
import re
import subprocess
import sys
import textwrap
import traceback
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from evenflow.testing import VirtualLoop

if TYPE_CHECKING:
    from pathlib import Path

IN_REAL_TIME = {
    "4-keep-it", "aiohttp", "asyncapi", "change-a-schema", "embed-in-an-asyncio-app", "engines", "fastapi",
    "from-threads-and-sync-code", "log", "observe", "outgrow-one-machine", "publish-with-your-own-rows", "redis",
    "resume", "retry-and-dead-letters", "run-in-production", "several-workers",
}  # fmt: skip
"""The pages that have files, threads, servers or processes. What any other page says of time holds exactly."""

PYTEST_INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
"""The settings of the project that a test of the docs lives in."""

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,})(?P<info>.*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    info: tuple[str, ...]
    """The words after the ticks: `("python", "raises")`."""
    line: int
    """The line of the page above its first line."""
    source: str
    shows: str | None = None
    """The text block straight after it: what it prints."""

    @property
    def runs(self) -> bool:
        return self.info[:1] == ("python",)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order; a text block is also what the block before it shows."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    number = 0
    last_end = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        start = number
        while not (lines[number].strip().startswith(opening["ticks"]) and not lines[number].strip(" `")):
            number += 1  # a page that ends inside a block is an IndexError, and a mistake
        source = textwrap.dedent("\n".join(lines[start:number]) + "\n")
        number += 1
        block = Block(tuple(opening["info"].split()), start, source)
        straight_after = not any(line.strip() for line in lines[last_end : start - 1])
        if block.info[:1] == ("text",) and found and found[-1].runs and straight_after:
            found[-1] = Block(found[-1].info, found[-1].line, found[-1].source, shows=source)
        else:
            found.append(block)
        last_end = number
    return found


class Page:
    """A page that is being run: one module, one event loop for its bare awaits."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.module = ModuleType("page_" + re.sub(r"\W", "_", path.stem))
        self.module.__file__ = str(path)

    def run(self) -> None:
        """Run every Python block, and compare what it prints with what the page shows."""
        sys.modules[self.module.__name__] = self.module  # pydantic and pickle look classes up there
        running = [block for block in blocks(self.path) if block.runs]
        before = list(sys.path)
        try:
            loop = None if self.path.stem in IN_REAL_TIME else VirtualLoop
            with asyncio.Runner(loop_factory=loop) as runner:
                for block in running:
                    if "test" not in block.info:
                        self._run_one(block, runner)
            self._give_to_pytest([block for block in running if "test" in block.info])
        finally:
            del sys.modules[self.module.__name__]
            sys.path[:] = before
            sys.path_importer_cache.pop(".", None)  # it remembers in which folder it was made
            for name, module in list(sys.modules.items()):  # another page may write another module of this name
                if str(getattr(module, "__file__", None) or "").startswith(f"{self.folder}/"):
                    del sys.modules[name]
            self.module.__dict__.clear()
            gc.collect()  # what a page leaves open warns now, and the warning names the page's line

    def _run_one(self, block: Block, runner: asyncio.Runner) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            if "raises" in block.info:
                said.write(self._raised(block, runner))
            else:
                self._execute(block, runner)
        if block.shows is not None:
            same(block.shows, said.getvalue(), f"{self.path.name}, line {block.line}")

    def _execute(self, block: Block, runner: asyncio.Runner) -> None:
        # blank lines above, so that a traceback names the line of the page
        source = "\n" * block.line + block.source
        code = compile(source, str(self.path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(eval(code, self.module.__dict__))
        else:
            exec(code, self.module.__dict__)

    def _raised(self, block: Block, runner: asyncio.Runner) -> str:
        try:
            self._execute(block, runner)
        except Exception as error:
            last = traceback.format_exception_only(error)[-1]
            return last.removeprefix(f"{type(error).__module__}.")
        raise AssertionError(f"{self.path.name}, line {block.line}: raised nothing")

    def _give_to_pytest(self, tests: list[Block]) -> None:
        """Run the test files of a page, in the project of a user who has pytest-asyncio and evenflow."""
        if not tests:
            return
        (self.folder / "pytest.ini").write_text(PYTEST_INI, encoding="utf-8")
        for block in tests:
            (self.folder / f"test_line_{block.line}.py").write_text(block.source, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "asyncio", "-p", "evenflow"]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=100
        )
        # a file is named after the line of the page
        assert done.returncode == 0, f"{self.path.name}:\n{done.stdout}{done.stderr}"


def same(shown: str, said: str, where: str) -> None:
    """Fail if what was said is not what the page shows."""
    checker = doctest.OutputChecker()
    if not checker.check_output(shown, said, doctest.ELLIPSIS):
        raise AssertionError(f"{where}\n-- the page shows\n{shown}-- it printed\n{said}")
