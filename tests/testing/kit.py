"""What the tests of evenflow.testing share: both backends, and the project of a user."""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

import evenflow
from evenflow.testing import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Backend = Literal["asyncio", "trio"]


def both(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Run this test on asyncio and on trio, in virtual time."""
    signature = inspect.signature(test)
    backend = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY)

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @functools.wraps(test)
    def on_one_backend(*args: Any, backend: Backend, **kwargs: Any) -> None:
        run_virtual(functools.partial(test, *args, **kwargs), backend=backend, limit=1_000)

    on_one_backend.__signature__ = signature.replace(parameters=[*signature.parameters.values(), backend])  # type: ignore[attr-defined]
    return on_one_backend


FUNCTION_SCOPE = "asyncio_default_fixture_loop_scope = function\n"
"""What pytest-asyncio warns about, where it is not set."""


def project(
    folder: Path, tests: str, *, plugins: tuple[str, ...] | None = ("asyncio", "evenflow"), ini: str = FUNCTION_SCOPE
) -> subprocess.CompletedProcess[str]:
    """Run pytest over a project of one test file, as a user who has installed evenflow would.

    `plugins` are the ones that are loaded, for speed; None loads all that are installed.
    """
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
    (folder / "test_theirs.py").write_text(textwrap.dedent(tests))
    environment = {**os.environ, "PYTHONPATH": str(Path(evenflow.__file__).parents[1]), "PYTEST_ADDOPTS": ""}
    if plugins is not None:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(f"-p{name}" for name in plugins or ())],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
