"""The marble pictures: there is one for each operator, and each is what a run gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from evenflow.streams import Stream

DOCS = Path(__file__).resolve().parent.parent / "docs"
PICTURES = sorted((DOCS / "reference" / "marbles").glob("*.svg"))
OPERATORS = sorted(
    name
    for kind in Stream.__mro__
    if kind.__module__.startswith("evenflow.")
    for name, value in vars(kind).items()
    if callable(value) and not name.startswith("_") and name not in {"receive", "aclose"}
)


@pytest.mark.parametrize("operator", [*OPERATORS, "interval", "timer", "share"])
def test_every_operator_has_a_picture(operator: str) -> None:
    """Whoever adds an operator draws it: a case in docs/marbles.py, then `make docs-marbles`."""
    assert operator in {picture.stem for picture in PICTURES}


def test_every_picture_is_what_a_run_gives() -> None:
    """Nothing is drawn by hand, and nothing is older than the code."""
    ran = subprocess.run(
        [sys.executable, str(DOCS / "marbles.py"), "--check"], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_svg_with_a_title(picture: Path) -> None:
    """A browser can show it, and a reader who cannot see it is told the code."""
    root = ET.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text
