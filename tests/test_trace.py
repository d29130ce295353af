"""How many files and calls of ours one event crosses: whoever follows an event through the code reads that much."""

from __future__ import annotations

import pytest
from benchmarks.trace import WAYS, Trace, files, trace


@pytest.fixture(scope="module")
def traces() -> dict[str, Trace]:
    """Each way, followed once."""
    return {name: trace(way) for name, way in WAYS.items()}


@pytest.mark.parametrize("name", WAYS)
def test_an_event_crosses_few_files_and_calls(name: str, traces: dict[str, Trace]) -> None:
    """From `publish` until a reader is woken; `python -m benchmarks.trace --calls` lists them."""
    found, way = traces[name].publisher, WAYS[name]
    assert files(found) <= way.files, f"{name}: {files(found)} files, at most {way.files}"
    assert len(found) <= way.calls, f"{name}: {len(found)} calls, at most {way.calls}"


@pytest.mark.parametrize("name", WAYS)
def test_both_sides_of_an_event_are_followed(name: str, traces: dict[str, Trace]) -> None:
    """A tracer that sees nothing would meet every limit."""
    assert any(code.co_name == "publish" for code in traces[name].publisher)
    assert traces[name].reader
