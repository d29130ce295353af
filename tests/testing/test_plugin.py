"""The pytest plugin, seen from a project that has installed evenflow."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from evenflow.testing import plugin
from tests.testing.kit import FUNCTION_SCOPE, project

if TYPE_CHECKING:
    from pathlib import Path

MODES = [
    "asyncio_mode = strict\n",
    "asyncio_mode = auto\n",
    "asyncio_mode = strict\nasyncio_default_test_loop_scope = session\n",
]

BY_MARKER_AND_BY_FIXTURE = """
    import asyncio, time
    import anyio, pytest, pytest_asyncio

    @pytest_asyncio.fixture
    async def slow():
        await anyio.sleep(100)
        yield asyncio.get_running_loop()
        await anyio.sleep(100)

    @pytest.mark.virtual_time
    async def test_marker():
        assert anyio.current_time() == 0
        await anyio.sleep(3600)
        assert anyio.current_time() == 3600

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("n", [1, 2])
    async def test_each_has_a_loop_of_its_own(n):
        assert anyio.current_time() == 0
        await anyio.sleep(n)

    async def test_fixture(virtual_time):
        await anyio.sleep(3600)
        assert virtual_time.now == 3600

    @pytest.mark.virtual_time
    async def test_async_fixtures_are_in_the_same_loop(slow):
        assert slow is asyncio.get_running_loop()
        assert anyio.current_time() == 100

    class TestInAClass:
        pytestmark = pytest.mark.virtual_time

        async def test_method(self):
            await anyio.sleep(3600)
            assert anyio.current_time() == 3600

    @pytest.mark.asyncio
    async def test_of_real_time_is_left_alone():
        assert not type(asyncio.get_running_loop()).__name__.startswith("Virtual")
        before = time.monotonic()
        await anyio.sleep(0.01)
        assert time.monotonic() - before >= 0.01

    @pytest.mark.asyncio(loop_scope="module")
    async def test_of_a_loop_for_the_module_is_left_alone():
        assert not type(asyncio.get_running_loop()).__name__.startswith("Virtual")
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_marker_or_a_fixture_gives_a_test_its_own_loop_in_virtual_time(tmp_path: Path, mode: str) -> None:
    """With pytest-asyncio in either mode, a marked test and its async fixtures run in virtual time, and other tests do not."""
    ran = project(tmp_path, BY_MARKER_AND_BY_FIXTURE, ini=FUNCTION_SCOPE + mode)
    assert "8 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_users_project_tests_a_debounce_in_five_lines(tmp_path: Path) -> None:
    """Nothing needs to be set up: two imports, a marker, and a test of one line are enough."""
    ran = project(
        tmp_path,
        """
        import pytest
        from evenflow.testing import drawn, marbles

        @pytest.mark.virtual_time
        async def test_debounce():
            assert await drawn(marbles("a-b-c------|").debounce(3)) == "-------c---|"
        """,
        plugins=None,
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_it_needs_no_other_plugin(tmp_path: Path) -> None:
    """Without pytest-asyncio, evenflow itself runs a marked test."""
    ran = project(
        tmp_path,
        """
        import anyio, pytest

        @pytest.mark.virtual_time(limit=5000)
        @pytest.mark.parametrize("seconds", [3600])
        async def test_marker(tmp_path, seconds):
            await anyio.sleep(seconds)
            assert anyio.current_time() == 3600

        async def test_fixture(virtual_time):
            await anyio.sleep(3600)
            assert virtual_time.now == 3600

        def test_sync():
            pass
        """,
        plugins=("evenflow",),
        ini="",
    )
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.parametrize("plugins", [("evenflow",), ("asyncio", "evenflow")])
def test_a_test_that_hangs_fails_and_says_where(tmp_path: Path, plugins: tuple[str, ...]) -> None:
    """If nothing is due, or if a timer ticks for ever, the test fails and names the line where it waits."""
    ran = project(
        tmp_path,
        """
        import anyio, pytest

        @pytest.mark.virtual_time(limit=100)
        async def test_waits():
            await anyio.Event().wait()

        @pytest.mark.virtual_time(limit=100)
        async def test_ticks():
            while True:
                await anyio.sleep(0.5)

        @pytest.mark.virtual_time
        async def test_goes_on():
            await anyio.sleep(1)
        """,
        plugins=plugins,
        ini=FUNCTION_SCOPE if "asyncio" in plugins else "",
    )
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "Stuck" in ran.stdout
    assert "test_theirs.py:6 in test_waits" in ran.stdout
    assert "test_theirs.py:11 in test_ticks" in ran.stdout


@pytest.mark.parametrize(
    "test, words",
    [
        (
            "@pytest.mark.virtual_time(limit=0)\nasync def test_it(): ...",
            "a number of virtual seconds above 0, not () {'limit': 0}",
        ),
        ("@pytest.mark.virtual_time(5)\nasync def test_it(): ...", "takes limit="),
        ("def test_it(virtual_time): ...", "is for async tests"),
        ("@pytest.mark.virtual_time\n@pytest.mark.anyio\nasync def test_it(): ...", "`anyio_backend` return"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, test: str, words: str) -> None:
    """A wrong limit, a test that is not async, and a test that another plugin runs are errors that say what to do."""
    ran = project(tmp_path, f"import pytest\n{test}\n", plugins=("asyncio", "anyio", "evenflow"))
    assert ran.returncode != 0
    assert words in ran.stdout + ran.stderr, ran.stdout + ran.stderr


def test_hypothesis_and_virtual_time_go_together(tmp_path: Path) -> None:
    """All examples of one test share its virtual time."""
    ran = project(
        tmp_path,
        """
        import anyio, pytest
        from hypothesis import given, settings, strategies as st

        @pytest.mark.virtual_time
        @settings(deadline=None)
        @given(st.integers(1, 1000))
        async def test_property(seconds):
            before = anyio.current_time()
            await anyio.sleep(seconds)
            assert anyio.current_time() == before + seconds
        """,
        plugins=("hypothesispytest", "asyncio", "evenflow"),
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_anyios_plugin_chooses_the_loop_by_its_fixture(tmp_path: Path) -> None:
    """A user of anyio's plugin passes the loop, or the clock of trio, to its fixture."""
    ran = project(
        tmp_path,
        """
        import anyio, pytest, trio.testing
        from evenflow.testing import VirtualLoop

        BACKENDS = {
            "asyncio": {"loop_factory": VirtualLoop},
            "trio": {"clock": trio.testing.MockClock(autojump_threshold=0)},
        }

        @pytest.fixture(params=BACKENDS.items(), ids=BACKENDS)
        def anyio_backend(request):
            return request.param

        @pytest.fixture
        async def slow(anyio_backend):
            await anyio.sleep(3600)
            yield anyio.current_time()

        @pytest.mark.anyio
        async def test_theirs(slow):
            await anyio.sleep(3600)
            assert anyio.current_time() == slow + 3600
        """,
        plugins=("anyio", "evenflow"),
        ini="",
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_the_plugin_is_registered() -> None:
    """Pytest finds it by its entry point, so nothing needs to be set up."""
    (point,) = [point for point in entry_points(group="pytest11") if point.value.startswith("evenflow")]
    assert point.load() is plugin
