"""The table of capabilities: it is what the engines say of themselves, and the suite asks about each of them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from evenflow.log import Capability

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "engines.md"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that writes the table."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return import_module("engines_table")


def test_the_table_is_what_the_engines_say_now() -> None:
    """Nothing in it is written by hand, and nothing is older than the code: `make docs-engines` writes it."""
    command = [sys.executable, str(ROOT / "docs" / "engines_table.py"), "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_table_that_is_older_than_the_code_is_noticed(
    made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cell that is another is enough."""
    old = tmp_path / "engines.md"
    old.write_text(
        PAGE.read_text().replace(
            "| `schedule` | events can be scheduled | yes |", "| `schedule` | events can be scheduled | no |"
        )
    )
    assert old.read_text() != PAGE.read_text()
    monkeypatch.setattr(made, "PAGE", old)
    assert made.check() == 1
    assert "make docs-engines" in capsys.readouterr().out


def test_each_capability_is_shown_by_the_suite_or_says_what_shows_it(made: Any) -> None:
    """Where the suite has a test for it, the table says so; the rest is known from tests that are named."""
    for capability in get_args(Capability):
        shown = [made.evidence(column, capability) for column in made.COLUMNS]
        assert all(shown) or capability in made.ELSEWHERE, capability
    assert {"transactions", "schedule", "last_by", "ordered_by", "trio"}.isdisjoint(made.ELSEWHERE)


def test_a_capability_that_nothing_shows_is_not_put_into_the_table(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds one adds a test of it."""
    monkeypatch.setattr(made, "ELSEWHERE", {})
    with pytest.raises(SystemExit, match="no test of several_machines"):
        made.shown_by("several_machines")


def test_an_outcome_that_is_no_success_keeps_the_table_as_it_is(made: Any, tmp_path: Path) -> None:
    """A test that was skipped or has failed is noted, one that has passed is counted by its class and name."""
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.conformance.test_sqlite.TestSQLiteLog" name="test_a[asyncio]" />'
        '<testcase classname="tests.conformance.test_sqlite.TestSQLiteLog" name="test_a[trio]" />'
        '<testcase classname="tests.conformance.test_redis.TestRedisLog" name="test_b[asyncio]"><skipped /></testcase>'
        '<testcase classname="tests.conformance.test_redis.TestRedisLog" name="test_c[asyncio]"><failure /></testcase>'
        "</testsuite></testsuites>"
    )
    outcomes = made.Outcomes.read(report)
    assert dict(outcomes.passed) == {("TestSQLiteLog", "test_a"): 2}
    assert outcomes.others == ["TestRedisLog::test_b[asyncio]", "TestRedisLog::test_c[asyncio]"]
