"""The patches of `tests/mutants` still apply, and name tests that exist. `make mutants` runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutants._patch import ROOT, Patch, unnoticed

PATCHES = [Patch(path) for path in sorted((ROOT / "tests" / "mutants").glob("*.patch"))]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_applies(patch: Patch, tmp_path: Path) -> None:
    """A mutant that no longer applies guards nothing."""
    assert not patch.apply_to(tmp_path)
    for file in (tmp_path / "src").rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), str(file), "exec")


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_names_tests_that_exist(patch: Patch) -> None:
    """Each mutant says which tests must notice it, and they are there."""
    assert patch.kills
    for test in patch.kills:
        file, *names = test.split("[")[0].split("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        for name in names:
            assert re.search(rf"^\s*(async )?(def|class) {name}\b", text, re.MULTILINE), test


@pytest.mark.parametrize("guarantee", range(1, 12))
def test_every_guarantee_is_broken_by_a_mutant(guarantee: int) -> None:
    """A guarantee that nobody can break on purpose is not tested."""
    assert any(patch.name.startswith(f"{guarantee:02}-") for patch in PATCHES)


def test_a_survivor_is_named(tmp_path: Path) -> None:
    """A test that passes with the mutant applied is reported, with its parametrized ones taken together."""
    path = tmp_path / "x.patch"
    path.write_text("# kills: t.py::test_a\n# kills: t.py::test_b\n--- a/x\n", encoding="utf-8")
    assert unnoticed(Patch(path), {"t.py::test_a[1]", "t.py::test_bad"}) == ["t.py::test_b"]


def test_a_patch_that_does_not_apply_is_refused(tmp_path: Path) -> None:
    """A diff against lines that are gone says so."""
    path = tmp_path / "x.patch"
    diff = "--- a/src/evenflow/_errors.py\n+++ b/src/evenflow/_errors.py\n@@ -1,1 +1,1 @@\n-gone\n+new\n"
    path.write_text(diff, encoding="utf-8")
    assert "_errors.py" in Patch(path).apply_to(tmp_path / "copy")
