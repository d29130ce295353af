"""`frames()`: its options are those of `sse()`; what it makes is tested in test_framing."""

from __future__ import annotations

import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

from evenflow.web import Frames, frames, sse

from .kit import Placed, both, orders


def test_it_has_the_options_of_sse_with_the_same_defaults() -> None:
    """Whoever knows one knows the other."""
    one, other = signature(frames).parameters, signature(sse).parameters
    assert [*one.values()][1:-1] == [*other.values()][1:]
    assert [*one][-1] == "asked"  # what stands in the query for `sse`


@both
async def test_it_says_where_it_was_called() -> None:
    """A subscription in the statistics and logs is that of the endpoint."""
    subject = orders()
    stream = frames(None, subject, Placed, name="board")
    await anext(stream)
    (subscription,) = subject.statistics().subscriptions
    assert subscription.name == "board"
    assert isinstance(stream, Frames)
    assert stream._feed._options.created_at[0] == __file__
    await stream.aclose()


def test_it_works_without_starlette() -> None:
    """An application of aiohttp has no Starlette, and needs none; what does says what to install."""
    program = """
import sys
sys.modules["starlette"] = None
from evenflow.web import frames
try:
    from evenflow.web import sse
except ImportError as error:
    assert "evenflow[web]" in str(error), error
else:
    raise AssertionError
"""
    source = Path(__file__).resolve().parents[2] / "src"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": str(source)})
