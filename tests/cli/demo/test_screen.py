"""What is drawn, and in what characters."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evenflow.cli.demo._screen import bars_for, size


@pytest.mark.parametrize(
    "amount, said",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (12_300, "12 kB"),
        (999_600, "1.0 MB"),
        (25_000_000_000, "25 GB"),
        (4e12, "4.0 TB"),
    ],
)
def test_a_size_is_a_short_number_with_a_unit(amount: float, said: str) -> None:
    """Two or three digits say enough on a screen."""
    assert size(amount) == said


@pytest.mark.parametrize("encoding, lit", [("utf-8", "━━━╌╌╌"), ("ascii", "###---")])
def test_a_bar_uses_characters_that_the_terminal_has(encoding: str, lit: str) -> None:
    """A terminal that knows ASCII alone gets a bar, and no error."""
    bar = bars_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding)))
    assert bar(0.5, 6) == lit


@pytest.mark.parametrize("part, lit", [(0.0, 0), (0.01, 1), (0.5, 4), (0.99, 8), (1.0, 8)])
def test_a_bar_is_empty_only_for_nothing(part: float, lit: int) -> None:
    """One event in a large buffer can be seen."""
    bar = bars_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")))
    assert bar(part, 8).count("━") == lit
