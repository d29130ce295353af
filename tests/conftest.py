"""What holds for every test: nothing is skipped that could have run, nothing hangs, nothing warns.

Timeouts and warnings are settings in pyproject.toml; here are skips, and what a garbage collection looks at.
"""

from __future__ import annotations

import gc
import os
import warnings
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
UNAVOIDABLE = "unavoidable: "
"""A skip whose reason starts so is one that this machine cannot help: no such system, no such interpreter."""

_last: dict[str, Path] = {}
"""The file of the test that this process ran last."""

# Examples are counted, not timed: on a busy machine a deadline says nothing about the code.
settings.register_profile(
    "evenflow",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # `make fuzz` looks for what nobody has found yet; CI looks for what a change has broken
    derandomize=not {"EVENFLOW_FUZZ_EXAMPLES", "EVENFLOW_MODEL_EXAMPLES"} & os.environ.keys(),
)
settings.load_profile("evenflow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-avoidable-skips",
        action="store_true",
        default=bool(os.environ.get("EVENFLOW_NO_AVOIDABLE_SKIPS")),
        help=f"fail if a test was skipped for a reason that does not start with {UNAVOIDABLE!r}",
    )
    parser.addoption(
        "--instrumented",
        action="store_true",
        help="have every subject and log followed by evenflow.telemetry (tests/instrumented.py)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--instrumented"):
        from tests.instrumented import all_followed

        followed = ExitStack()
        followed.enter_context(all_followed())
        config.add_cleanup(followed.close)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each worker begins to import at another file: what one of them has compiled, the others find compiled."""
    if (worker := getattr(session.config, "workerinput", None)) is None:
        return  # it is alone
    files = sorted(file for named in session.config.args for file in Path(named).resolve().rglob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        _import_early(file)


def _import_early(file: Path) -> None:
    """Import a file of tests, if it can be; if not, pytest says why when it comes to it."""
    with suppress(Exception, pytest.skip.Exception), warnings.catch_warnings():
        import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Tests collect garbage thousands of times, and need not look at all that pytest and its plugins hold each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Nor need they look at what the tests of other files have made and left: classes, caches, modules."""
    if item.path != _last.get("file"):
        _last["file"] = item.path
        gc.collect()
        gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--no-avoidable-skips"):
        return
    avoidable = [(report.nodeid, _reason(report)) for report in _skipped(terminalreporter)]
    avoidable = [(test, reason) for test, reason in avoidable if not reason.startswith(UNAVOIDABLE)]
    for test, reason in avoidable:
        terminalreporter.write_line(f"skipped, though it could have run: {test}: {reason}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    gc.unfreeze()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--no-avoidable-skips"):
        return  # a worker of pytest-xdist has no reporter: the process that started it hears of every skip
    if any(not _reason(report).startswith(UNAVOIDABLE) for report in _skipped(reporter)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _skipped(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    return reporter.stats.get("skipped", [])


def _reason(report: pytest.TestReport) -> str:
    """The words of a skip, without the place where they were said."""
    where_and_why = report.longrepr
    words = where_and_why[2] if isinstance(where_and_why, tuple | list) else str(where_and_why)
    return words.removeprefix("Skipped: ")
