"""The live search, in virtual time and as a program with an input."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.testing import record, run_virtual
from tests.examples.running import EXAMPLES, imported

PROGRAM = EXAMPLES / "live_search.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """Import the example as a module."""
    return imported(PROGRAM)


def test_only_what_was_typed_last_is_answered(program: ModuleType) -> None:
    """A pause in the input begins a search, and the next search cancels it, however slow it is."""
    searched: list[str] = []

    async def look(text: str) -> Any:
        searched.append(text)
        await anyio.sleep(5 if text == "ev" else 1)
        return program.Found(text=text, files=())

    async def type_in(keys: Subject[Any]) -> None:
        for pause, text in ((0.1, "e"), (0.1, "ev"), (2, "eve"), (0.1, "even"), (3, "even "), (1, "")):
            await keys.publish(program.Typed(text=text))
            await anyio.sleep(pause if text != "ev" else 2)
        keys.close()

    async def main() -> None:
        keys = Subject(program.Typed)
        found = program.results(keys.subscribe(), look, pause=0.5)
        async with anyio.create_task_group() as group:
            group.start_soon(type_in, keys)
            recording = await record(found)
        assert [one.text for one in recording.values] == ["eve", "even", ""]
        assert searched == ["ev", "eve", "even"]

    run_virtual(main)


def test_the_program_answers_the_last_line_and_ends_with_its_input() -> None:
    """Lines that come without a pause cause one search, and the program ends with its input."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], input="p\npy\npypro\n", capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout == "'pypro': pyproject.toml\n"
    assert done.stderr == ""
