"""The public names: what is imported at once, and what is imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import evenflow

FILES = ("_allowed", "_explain", "_field_json", "_share", "_statistics", "_routing._plan", "_routing._tables")


@pytest.mark.parametrize("name", evenflow.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """Every name of `__all__` can be imported, and is listed by `dir`."""
    assert getattr(evenflow, name) is not None
    assert name in dir(evenflow)


def test_what_few_programs_use_is_imported_later() -> None:
    """`import evenflow` leaves out the files that only a rarely used name or call needs."""
    code = f"import sys, evenflow; print([name for name in {FILES!r} if f'evenflow.{{name}}' in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_name_is_an_attribute_error() -> None:
    """A name that is not there is refused as every module refuses it."""
    wrong = "Sbject"
    with pytest.raises(AttributeError, match="'evenflow' has no attribute 'Sbject'"):
        getattr(evenflow, wrong)
