"""What is known of streams that wait for groups: whether they stand still, may stand still, or move."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from evenflow.streams._channel import Notifier
from evenflow.streams._standstill import INNER_STREAM, InnerStream, Motion, motion_of

from .drawing import on_both_loops


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_a_stream_that_waits_for_no_group_moves() -> None:
    """So does one that waits for a group whose events can come."""

    async def main() -> None:
        stream = InnerStream(Notifier())
        assert stream.motion() is Motion.MOVES
        wait = stream.begin_to_wait(no)
        assert stream.motion() is Motion.MOVES
        del stream.waits[wait]
        stream.begin_to_wait(yes)
        assert stream.motion() is Motion.STANDS

    on_both_loops(main)


def test_a_time_limit_or_a_task_may_end_the_wait() -> None:
    """Then it is not sure; a limit around the whole stream does not count."""

    async def main() -> None:
        with anyio.fail_after(100):
            stream = InnerStream(Notifier())
            wait = stream.begin_to_wait(yes)
            assert stream.motion() is Motion.STANDS
            stream.tasks = 1
            assert stream.motion() is Motion.MAY_STAND
            stream.tasks = 0
            del stream.waits[wait]
            with anyio.move_on_after(50):
                stream.begin_to_wait(yes)
                await checkpoint()
            assert stream.motion() is Motion.MAY_STAND

    on_both_loops(main)


def test_whoever_looks_is_told_when_a_wait_is_in_vain() -> None:
    """Only then, as looking costs something."""

    async def main() -> None:
        changed = Notifier()
        stream = InnerStream(changed)
        async with anyio.create_task_group() as group:
            group.start_soon(changed.wait)
            await anyio.sleep(1)
            stream.begin_to_wait(no)
            assert changed.is_awaited
            stream.begin_to_wait(yes)
            assert not changed.is_awaited

    on_both_loops(main)


def test_a_task_knows_the_stream_that_it_works_for() -> None:
    """The tasks that it starts know it, too; others do not."""

    async def main() -> None:
        seen: list[InnerStream | None] = []

        async def look() -> None:
            seen.append(INNER_STREAM.get())

        async def work() -> None:
            stream = InnerStream(Notifier())
            INNER_STREAM.reset(stream.enter())
            assert INNER_STREAM.get() is None
            stream.enter()
            seen.append(stream)
            async with anyio.create_task_group() as group:  # noqa: ASYNC112 -- a task of its own is the point
                group.start_soon(look)

        async with anyio.create_task_group() as group:  # noqa: ASYNC112 -- a task of its own is the point
            group.start_soon(work)
        assert seen[0] is seen[1]
        assert INNER_STREAM.get() is None

    on_both_loops(main)


@pytest.mark.parametrize(
    "known, expected",
    [
        ([Motion.STANDS, Motion.STANDS], Motion.STANDS),
        ([Motion.STANDS, Motion.MAY_STAND], Motion.MAY_STAND),
        ([Motion.STANDS, Motion.MOVES], Motion.MOVES),
        ([Motion.MAY_STAND, Motion.MOVES], Motion.MOVES),
    ],
)
def test_one_stream_that_moves_is_enough(known: list[Motion], expected: Motion) -> None:
    """All of them stand still only if each does."""

    async def main() -> None:
        streams = []
        for motion in known:
            stream = InnerStream(Notifier())
            stream.begin_to_wait(no if motion is Motion.MOVES else yes)
            stream.tasks = int(motion is Motion.MAY_STAND)
            streams.append(stream)
        assert motion_of(streams) is expected

    on_both_loops(main)
