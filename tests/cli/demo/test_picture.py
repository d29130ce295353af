"""The picture of the demo in the README."""

from __future__ import annotations

import html
import re
from pathlib import Path

from evenflow.cli.demo._report import intro

PICTURE = Path(__file__).resolve().parents[3] / "docs" / "demo.svg"
RATE = 50
"""Samples a second, as `docs/demo_svg.py` runs the demo."""


def words_of(svg: str) -> str:
    """All text of a picture, with single spaces."""
    texts = re.findall(r"<text [^>]*>(.*?)</text>", svg, re.DOTALL)
    return " ".join(html.unescape(" ".join(texts)).split())


def test_the_picture_shows_what_the_demo_says_today() -> None:
    """Where this fails, the demo has changed since the picture was drawn: run `make docs-demo`."""
    shown = words_of(PICTURE.read_text(encoding="utf-8"))
    assert shown.startswith(" ".join(" ".join(intro(RATE)).split()))
    assert "Every event is accounted for" in shown
