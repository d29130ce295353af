"""What type checkers know of evenflow.testing: a stream made from a drawing has the type of its values."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import pytest

from evenflow import Event, Subject
from evenflow.log import Capabilities
from evenflow.log.engine import Engine
from evenflow.streams import Stream
from evenflow.testing import (
    Drawing,
    MemoryLog,
    Recording,
    SubjectRecorder,
    VirtualLoop,
    assert_drawn,
    drawn,
    marbles,
    record,
    run_virtual,
    subject_recorder,
)
from evenflow.testing.conformance import EngineConformance, LogConformance


class TheirLog(MemoryLog):
    def _engine(self) -> Engine:
        return super()._engine()


def their_engine(folder: Path) -> Engine:
    raise NotImplementedError(folder)


class TestTheirLog(LogConformance):
    capabilities = TheirLog.capabilities

    @pytest.fixture
    def make(self) -> Callable[[], TheirLog]:
        return TheirLog


class TestTheirEngine(EngineConformance):
    capabilities = Capabilities(trio=False)
    shared = False

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Engine]:
        return lambda: their_engine(tmp_path)


class Wrong(LogConformance):
    capabilities = "everything"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


class Placed(Event):
    n: int


class Shipped(Event):
    n: int


async def streams() -> None:
    assert_type(marbles("-a-b|"), Stream[str])
    assert_type(marbles("-a-b|", tick=0.1, error=ValueError()), Stream[str])
    assert_type(marbles("-a-b|", a=1, b=2), Stream[int])
    assert_type(marbles("-a-b|", tick=0.1, a=Placed(n=1)), Stream[Placed])
    assert_type(marbles("-a-b|").map(len), Stream[int])
    recording = await record(marbles("-a-b|", a=1, b=2))
    assert_type(recording, Recording[int])
    assert_type(recording.events, tuple[tuple[float, int], ...])
    assert_type(recording.values, list[int])
    assert_type(await drawn(marbles("a|"), ticks=5, x=3), Drawing)
    await assert_drawn(marbles("a|"), "x|", x="a")
    marbles(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await assert_drawn(marbles("a|"), 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def main() -> int:
    return 1


def virtual() -> None:
    assert_type(run_virtual(main), int)
    assert_type(run_virtual(main, backend="trio", limit=60), int)
    run_virtual(main, backend="curio")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(VirtualLoop(limit=5).time(), float)


async def recorders(orders: Subject[Placed | Shipped]) -> None:
    assert_type(subject_recorder(orders), SubjectRecorder[Placed | Shipped])
    assert_type(subject_recorder(orders, Placed), SubjectRecorder[Placed])
    assert_type(subject_recorder(orders, Placed, where=Placed.n > 1).events, tuple[Placed, ...])
    assert_type(subject_recorder(orders, Placed, Shipped), SubjectRecorder[Placed | Shipped])
    assert_type(subject_recorder(orders, where=lambda event: event.n > 1), SubjectRecorder[Placed | Shipped])
    with subject_recorder(orders, Placed) as recorder:
        assert_type(recorder, SubjectRecorder[Placed])
        assert_type(await recorder.wait_for(3), tuple[Placed, ...])
        assert_type(recorder.error, Exception | None)
