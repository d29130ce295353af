"""run_virtual: one program, one loop, either backend."""

from __future__ import annotations

import sys

import anyio
import pytest

from evenflow.testing import Stuck, run_virtual
from tests.testing.kit import Backend, both

BACKENDS = ["asyncio", "trio"]


@both
async def test_time_begins_at_zero_and_jumps() -> None:
    """The clock starts at 0 and shows exactly what was slept."""
    assert anyio.current_time() == 0
    await anyio.sleep(900)
    assert anyio.current_time() == 900


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_returns_what_main_returns(backend: Backend) -> None:
    """What `main` returns is returned."""

    async def main() -> str:
        return "done"

    assert run_virtual(main, backend=backend) == "done"


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_raises_what_main_raises(backend: Backend) -> None:
    """What `main` raises is raised as it is, not in a group."""

    async def main() -> None:
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        run_virtual(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiting_for_ever_is_stuck(backend: Backend) -> None:
    """If nothing can happen any more, the program fails at once."""

    async def main() -> None:
        await anyio.Event().wait()

    with pytest.raises(Stuck):
        run_virtual(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_ticking_for_ever_is_stuck_at_the_limit(backend: Backend) -> None:
    """A program that sleeps again and again fails at its limit, and the message names the limit."""

    async def main() -> None:
        while True:
            await anyio.sleep(1)

    with pytest.raises(Stuck, match="was not over after 50 virtual seconds"):
        run_virtual(main, backend=backend, limit=50)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(backend: Backend, limit: float) -> None:
    """A limit of no seconds is a mistake, not a test that fails at once."""

    async def main() -> None: ...

    with pytest.raises(ValueError, match="limit must be a number of virtual seconds above 0"):
        run_virtual(main, backend=backend, limit=limit)


def test_an_unknown_backend_is_refused() -> None:
    """A backend other than asyncio and trio is an error that names both."""

    async def main() -> None: ...

    with pytest.raises(ValueError, match="'asyncio' or 'trio', not 'curio'"):
        run_virtual(main, backend="curio")  # type: ignore[arg-type]


def test_without_trio_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio is not a dependency, so the error says how to install it."""

    async def main() -> None: ...

    monkeypatch.setitem(sys.modules, "trio", None)
    with pytest.raises(ImportError, match="pip install trio"):
        run_virtual(main, backend="trio")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_coroutine_is_refused(backend: Backend) -> None:
    """The coroutine is closed, so that Python does not warn that it was never awaited."""

    async def main() -> None: ...

    with pytest.raises(TypeError, match=r"not the coroutine it returned: leave out the \(\) of <coroutine object"):
        run_virtual(main(), backend=backend)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_inside_a_loop_it_is_refused(backend: Backend) -> None:
    """A loop of its own cannot run inside another."""

    async def main() -> None: ...

    async def around() -> None:
        run_virtual(main, backend=backend)

    with pytest.raises(RuntimeError, match=r"one runs already|from inside"):
        run_virtual(around, backend=backend)
