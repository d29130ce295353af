"""For pytest: `-p tests.mutants.plugin --mutant NAME` breaks evenflow before a test is collected."""

from __future__ import annotations

import pytest

from tests.mutants._mutant import mutants


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--mutant`."""
    parser.addoption("--mutant", metavar="NAME", help="break evenflow in this way (tests/mutants)")


def pytest_configure(config: pytest.Config) -> None:
    """Apply it, until pytest ends."""
    if name := config.getoption("--mutant"):
        found = next((each for each in mutants() if each.name == name), None)
        if found is None:
            raise pytest.UsageError(f"no mutant is called {name}")
        block = found.applied()
        block.__enter__()
        config.add_cleanup(lambda: block.__exit__(None, None, None))
