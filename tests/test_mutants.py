"""The mutants of `tests/mutants` can still be applied, and name tests that exist. `make mutants` runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.mutants.__main__ import verdict_on
from tests.mutants._mutant import Mutant, NothingToReplace, mutants
from tests.mutants._running import Outcome

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = mutants()
PART = SimpleNamespace(double=lambda n: n * 2)
"""What the mutants of this file replace."""


def _inherited_by(file: str) -> list[Path]:
    """The files whose tests a file of tests/conformance inherits."""
    suite = ROOT / "src" / "evenflow" / "testing" / "conformance"
    return sorted(suite.rglob("*.py")) if file.startswith("tests/conformance/") else []


def _of_this_file(*kills: str, target: str = "PART.double") -> Mutant:
    return Mutant("x", (f"{__name__}:{target}",), "guarantee 1", kills, lambda _: lambda n: n * 3, "It triples.")


def test_names_are_unique_and_there_are_at_most_sixty_and_the_logs() -> None:
    """Each can be asked for, and all of them can be read: 60 of the core, and one or two for each promise of the log."""
    names = [each.name for each in MUTANTS]
    assert len(names) == len(set(names))
    assert sum(each.promise is None for each in MUTANTS) <= 60


@pytest.mark.parametrize("promise", range(1, 12))
def test_every_promise_of_the_log_is_broken_by_one_to_three_mutants(promise: int) -> None:
    """A promise that nobody can break on purpose is not tested."""
    assert 1 <= sum(each.promise == promise for each in MUTANTS) <= 3


@pytest.mark.parametrize("guarantee", range(1, 12))
def test_every_guarantee_is_broken_by_one_to_four_mutants(guarantee: int) -> None:
    """A guarantee that nobody can break on purpose is not tested."""
    assert 1 <= sum(each.guarantee == guarantee for each in MUTANTS) <= 4


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_says_what_it_breaks_and_names_tests_that_exist(mutant: Mutant) -> None:
    """A sentence, a guarantee or a rule, and the tests that must notice."""
    assert mutant.says.endswith(".")
    assert mutant.breaks
    assert mutant.kills
    for test in mutant.kills:
        file, *names = test.split("[")[0].split("::")
        text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / file, *_inherited_by(file)))
        for name in names:
            assert re.search(rf"^\s*(async )?(def|class) {name}\b", text, re.MULTILINE), test


def test_every_mutant_can_be_applied() -> None:
    """A mutant with nothing left to replace guards nothing."""
    command = [sys.executable, "-m", "tests.mutants", "--apply"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mutant_is_applied_inside_its_block_alone() -> None:
    """The part is faulty there, and as it was afterwards."""
    with _of_this_file().applied():
        assert PART.double(2) == 6
    assert PART.double(2) == 4


@pytest.mark.parametrize("target", ["PART.gone", "GONE.double"])
def test_a_mutant_that_replaces_nothing_is_refused(target: str) -> None:
    """It names what is not there any more."""
    with pytest.raises(NothingToReplace, match=re.escape(target)), _of_this_file(target=target).applied():
        pass


def test_a_survivor_is_named() -> None:
    """A test that passes with the mutant applied is reported, with its parametrized ones taken together."""
    mutant = _of_this_file("t.py::test_a", "t.py::test_b")
    outcome = Outcome(ran=True, failed={"t.py::test_a[1]", "t.py::test_bad"}, said="")
    assert verdict_on(mutant, outcome) == "\n          t.py::test_b passed"
    assert verdict_on(mutant, Outcome(ran=False, failed=set(), said="no such file")).endswith("no such file")
