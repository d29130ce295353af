"""`_lazy`: a family of operators is imported with the first use of one of its operators."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evenflow.streams import _lazy as lazy

_CODE = """
import sys
import evenflow
families = {f"evenflow.streams._{name}" for name in evenflow.streams._lazy.__all__}
print(sorted(families & set(sys.modules)))
evenflow.stream([1]).map(str)
print("evenflow.streams._transform" in sys.modules)
"""


def test_importing_evenflow_imports_no_family_of_operators() -> None:
    """A program pays for the operators that it uses, when it uses them."""
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


@pytest.mark.parametrize("name", lazy.__all__)
def test_each_family_can_be_imported(name: str) -> None:
    """Every name in the list is a file of the package."""
    assert getattr(lazy, name).__name__ == f"evenflow.streams._{name}"


def test_another_name_is_no_family() -> None:
    """A wrong name is an `AttributeError`, as with every module."""
    wrong = "sums"
    with pytest.raises(AttributeError, match="no family of operators 'sums'"):
        getattr(lazy, wrong)
