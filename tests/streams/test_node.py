"""Nodes: whether a chain must be entered, and closing all of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from evenflow.streams import stream
from evenflow.streams._combine import Merge
from evenflow.streams._guarded import Guarded, Tasked
from evenflow.streams._limit import TakeLast
from evenflow.streams._node import Node, Run, close_all, name_of, open_inside
from evenflow.streams._source import node_of

from .drawing import on_both_loops
from .probes import Boom


class Closes(Node[Any]):
    """Notes that it was closed, and may fail in it."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.closed: list[bool] = []

    async def close(self, *, final: bool) -> None:
        self.closed.append(final)
        if self.error is not None:
            raise self.error


def test_one_node_that_runs_tasks_makes_the_whole_chain_need_them() -> None:
    """A node without tasks passes on what those above it need."""
    plain = Guarded(partial(TakeLast[Any], 1), node_of([1], "test"))
    assert not plain.needs_task()
    assert not plain.may_need_task()
    tasked = Guarded(partial(TakeLast[Any], 1), Tasked(Merge[Any], plain))
    assert tasked.needs_task()
    assert tasked.may_need_task()


def test_what_is_made_while_a_chain_runs_may_need_a_task() -> None:
    """Nobody knows before, so entering the chain makes a task group."""
    chain = stream([1]).concat_map(lambda number: [number])
    assert not chain._chain.node.needs_task()
    assert chain._chain.node.may_need_task()
    assert stream(lambda: [1])._chain.node.may_need_task()


def test_a_node_that_needs_a_task_is_not_opened_without_a_group() -> None:
    """The error says what to do."""
    with pytest.raises(RuntimeError, match="async with chain"):
        open_inside(Tasked(Merge[Any], node_of([1], "test")), Run(None))


def test_every_node_is_closed_whatever_the_others_raise() -> None:
    """The first error is raised when all are closed, and each is told whether it is for good."""

    async def main() -> None:
        first, second, third = Boom(), Closes(LookupError()), Closes()
        nodes = [Closes(first), second, third]
        with pytest.raises(Boom) as raised:
            await close_all(nodes, final=True)
        assert raised.value is first
        assert [node.closed for node in nodes] == [[True], [True], [True]]
        await close_all([third], final=False)
        assert third.closed == [True, False]

    on_both_loops(main)


def test_a_chain_is_named_after_its_last_operator() -> None:
    """Rules and engines included; that is what its ``repr`` shows."""
    assert repr(stream([1]).map(str)) == "<Stream map>"
    assert repr(stream([1]).skip(1)) == "<Stream skipfirst>"
    assert repr(stream([1]).merge([2])) == "<Stream merge>"
    assert name_of(partial(TakeLast[Any], 1)) == name_of(TakeLast) == "takelast"
