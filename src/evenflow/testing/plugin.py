"""The pytest plugin: tests in virtual time, by marker or by fixture; a recorder; drawings one above the other.

what runs async tests           what a marked test gets
pytest-asyncio, either mode     a VirtualLoop of its own, for the test and its async fixtures
nothing                         run_virtual
anyio's own plugin              an error: anyio chooses the loop by its fixture ``anyio_backend``
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from evenflow.testing._assertions import difference
from evenflow.testing._loop import DAY, VirtualLoop
from evenflow.testing._marbles import Drawing
from evenflow.testing._recorder import SubjectRecorder, subject_recorder as make_recorder
from evenflow.testing._run import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

MARKER = "virtual_time"


class VirtualTime:
    """The value of the fixture ``virtual_time``: the clock of the test."""

    @property
    def now(self) -> float:
        """Virtual seconds since the loop of this test and its fixtures began."""
        return anyio.current_time()


@pytest.fixture
def virtual_time(request: pytest.FixtureRequest) -> VirtualTime:
    """Run this async test on a loop of its own in virtual time, as the marker does; the value is its clock."""
    if not iscoroutinefunction(_inner(getattr(request, "function", None))):
        raise pytest.UsageError(
            f"{request.node.nodeid} asks for the fixture virtual_time, which is for async tests: "
            "write `async def`, or call evenflow.testing.run_virtual"
        )
    return VirtualTime()


@pytest.fixture(name="subject_recorder")
def recorders() -> Iterator[Callable[..., SubjectRecorder[Any]]]:
    """``evenflow.testing.subject_recorder``; its recorders stop when the test ends."""
    made: list[SubjectRecorder[Any]] = []

    def subject_recorder(*args: Any, **options: Any) -> SubjectRecorder[Any]:
        made.append(make_recorder(*args, **options))
        return made[-1]

    yield subject_recorder
    for recorder in made:
        recorder.close()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show two drawings one above the other if they should be the same and are not."""
    if op == "==" and isinstance(left, Drawing) and isinstance(right, str):
        return ["the stream is not as drawn", *difference(left, right)]
    if op == "==" and isinstance(right, Drawing) and isinstance(left, str):
        return ["the stream is not as drawn", *difference(right, left)]
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(limit={DAY:.0f}): run this async test on a loop of its own, in virtual time; "
        "it fails after `limit` virtual seconds",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Give a marked test the marker of pytest-asyncio, which its strict mode requires."""
    if collector.config.pluginmanager.hasplugin("asyncio") and collector.istestfunction(obj, name):
        given = _inner(obj)
        marks: list[pytest.Mark] = getattr(obj, "pytestmark", [])
        names = {mark.name for mark in marks} | {mark.name for mark in collector.iter_markers()}
        asks = MARKER in names or (callable(given) and MARKER in signature(given).parameters)
        if asks and iscoroutinefunction(given) and not names & {"asyncio", "anyio", "trio"}:
            pytest.mark.asyncio(loop_scope="function")(obj)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Have pytest-asyncio run a marked test, and its async fixtures, on a loop in virtual time."""
    item = metafunc.definition
    if not _asked_for(item, metafunc.fixturenames):
        return (yield)
    _refuse_other_runners(item)
    limit = _limit(item)
    plugins = metafunc.config.pluginmanager
    if not plugins.hasplugin("asyncio"):
        return (yield)
    if not hasattr(metafunc.config.hook, "pytest_asyncio_loop_factories"):
        raise pytest.UsageError(
            "virtual_time needs pytest-asyncio 1.4 or later, where a plugin can choose the loop of a test"
        )
    factories = _Factories(partial(VirtualLoop, limit=limit))
    plugins.register(factories)
    try:
        return (yield)
    finally:
        plugins.unregister(factories)


class _Factories:
    """Tells pytest-asyncio which loop a test gets; registered only while that test is collected."""

    def __init__(self, factory: Callable[[], VirtualLoop]) -> None:
        self.factory = factory

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], VirtualLoop]]:
        """The one loop factory of this test."""
        return {MARKER: self.factory}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test that no other plugin runs."""
    test: Any = pyfuncitem.obj
    if not (_asked_for(pyfuncitem, pyfuncitem.fixturenames) and iscoroutinefunction(test)):
        return None
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in signature(test).parameters}
    run_virtual(partial(test, **arguments), limit=_limit(pyfuncitem))
    return True


def _inner(test: object) -> object:
    """The function that hypothesis calls, or the test itself."""
    return getattr(getattr(test, "hypothesis", None), "inner_test", test)


def _asked_for(item: pytest.Item, fixtures: list[str]) -> bool:
    return MARKER in fixtures or item.get_closest_marker(MARKER) is not None


def _limit(item: pytest.Item) -> float:
    """The limit of the closest marker."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return DAY
    limit: object = marker.kwargs.get("limit", DAY)
    if marker.args or marker.kwargs.keys() - {"limit"} or not isinstance(limit, int | float) or not limit > 0:
        raise pytest.UsageError(
            f"{item.nodeid}: {MARKER} takes limit=, a number of virtual seconds above 0, "
            f"not {marker.args} {marker.kwargs}"
        )
    return limit


def _refuse_other_runners(item: pytest.Item) -> None:
    """Refuse a test that anyio's plugin runs, and say where its loop is chosen."""
    if item.get_closest_marker("anyio") is not None:
        raise pytest.UsageError(
            f"{item.nodeid} is run by anyio's plugin, which chooses the loop by its fixture: leave {MARKER} out, "
            "and let `anyio_backend` return ('asyncio', {'loop_factory': evenflow.testing.VirtualLoop})"
        )
