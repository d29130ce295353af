"""How the tests of the suite become methods of a class, which an engine's own test file inherits and pytest runs.

Rule 1: a test is an async function whose first argument makes logs (or engines) on one storage, fresh for each test.
Rule 2: a class has those tests that its capabilities call for: no test of the suite is ever skipped.
Rule 3: each test runs on asyncio, and on trio where the engine knows it and it is installed.
Rule 4: what runs in virtual time takes no time; nothing else may rely on how long anything takes.
Rule 5: a test that leaves a task behind fails, and so does one that never ends.
"""

from __future__ import annotations

import functools
import inspect
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import anyio
import pytest

from evenflow.log._capabilities import Capabilities
from evenflow.testing._run import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from types import ModuleType

    from evenflow.log._capabilities import Capability

    Scenario: TypeAlias = Callable[..., Coroutine[Any, Any, None]]

Backend = Literal["asyncio", "trio"]
LIMIT = 60.0
"""How many real seconds a test may take: a guard against one that hangs on a busy machine, and no measure."""
FOREVER = 1_000.0
"""The same in virtual time."""


class Case(NamedTuple):
    """What a test is for: it is run where the engine has all that it needs, and has nothing of what it lacks."""

    needs: tuple[Capability, ...] = ()
    lacks: tuple[Capability, ...] = ()


class Suite:
    """The base of both suites: which tests a class has, and how each is run.

    Attributes:
        capabilities: what the engine says that it can do; a class without it has no tests of its own to choose.
        virtual_time: whether its time is the loop's, so that the tests take none.
        shared: whether two openings can use one storage at once; as the capabilities say, unless told otherwise.
    """

    capabilities: ClassVar[Capabilities]
    virtual_time: ClassVar[bool] = False
    shared: ClassVar[bool | None] = None

    def __init_subclass__(cls, *, tests: Iterable[ModuleType] = ()) -> None:
        for module in tests:
            for name, found in vars(module).items():
                if name.startswith("test_"):
                    setattr(cls, name, found)
        if hasattr(cls, "capabilities"):
            for name, case in cases(cls).items():
                if not cls._calls_for(case):
                    setattr(cls, name, None)

    @classmethod
    def _calls_for(cls, case: Case) -> bool:
        return all(map(cls._has, case.needs)) and not any(map(cls._has, case.lacks))

    @classmethod
    def _has(cls, need: Capability) -> bool:
        if need == "several_processes" and cls.shared is not None:
            return cls.shared
        return cls.capabilities.have(need)

    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        """What makes one more log, or engine, on the storage of this test. Each class of tests defines it."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `make`, which the suite's docs describe")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on the back ends of this engine."""
        if "backend" in metafunc.fixturenames:
            case: Case = getattr(metafunc.function, "case", Case())
            metafunc.parametrize("backend", self._back_ends(case))

    def _back_ends(self, case: Case) -> list[Backend]:
        with_trio = find_spec("trio") is not None
        if "trio" in case.lacks:
            return ["trio"] if with_trio else []
        return ["asyncio", "trio"] if with_trio and self._has("trio") else ["asyncio"]

    def run(self, main: Callable[[], Coroutine[Any, Any, None]], backend: Backend, *, real: bool) -> None:
        """Run a test to its end in a loop of its own."""
        whole = functools.partial(_leaving_no_task, main, FOREVER if self.virtual_time and not real else LIMIT)
        if self.virtual_time and not real:
            run_virtual(whole, backend=backend)
        else:
            anyio.run(whole, backend=backend)


async def _leaving_no_task(main: Callable[[], Coroutine[Any, Any, None]], limit: float) -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    with anyio.fail_after(limit):
        await main()
    left = [task for task in anyio.get_running_tasks() if task.id not in before]
    assert not left, f"tasks were left behind: {left}"


def case(
    *, needs: tuple[Capability, ...] = (), lacks: tuple[Capability, ...] = (), real: bool = False
) -> Callable[[Scenario], Any]:
    """Make a method of an async test; its first argument is the fixture ``make``, others are fixtures too.

    Args:
        needs: it is there for engines that can do all of this.
        lacks: it is there for engines that can do nothing of this.
        real: it has threads, and runs in real time in any case.
    """

    def decorate(test: Scenario) -> Any:
        @functools.wraps(test)
        def method(self: Suite, make: Callable[[], Any], backend: Backend, **arguments: Any) -> None:
            self.run(functools.partial(test, make, **arguments), backend, real=real)

        _, *others = inspect.signature(test).parameters.values()
        own = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", "make", "backend")]
        made: Any = method
        made.__signature__ = inspect.Signature([*own, *others])
        made.case = Case(needs, lacks)
        return made

    return decorate


def cases(suite: type[Suite]) -> dict[str, Case]:
    """The tests of a class, by name, and what each is for."""
    found = ((name, getattr(getattr(suite, name), "case", None)) for name in dir(suite) if name.startswith("test_"))
    return {name: case for name, case in found if case is not None}
