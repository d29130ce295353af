"""Where tasks wait, for the error of a test that hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Where each task waits: a line for the task, and a line for each call on the way down."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    return "\n".join(line for task in tasks for line in [f"  {task.get_name()} waits in", *way_down(task.get_coro())])


def way_down(coroutine: Any) -> list[str]:
    """The calls from a coroutine to the one that waits, the outermost first."""
    lines: list[str] = []
    while coroutine is not None:
        frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            code = frame.f_code
            lines.append(f"    {Path(code.co_filename).name}:{frame.f_lineno} in {code.co_qualname}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return lines
