"""Guarded nodes: one reader at a time, an engine for each start, and everything closed behind it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.streams import stream
from evenflow.streams._guarded import Guarded, OneSource
from evenflow.streams._node import Node, Run
from evenflow.streams._source import node_of

from .drawing import on_both_loops
from .probes import Bench, Boom, Probe


class Numbered(OneSource[Any, Any]):
    """An engine that yields its own number with each event."""

    count = 0

    def __init__(self, run: Run, above: Node[Any]) -> None:
        super().__init__(run, above)
        Numbered.count += 1
        self.number = Numbered.count

    async def pull(self) -> Any:
        return self.number, await anext(self.source)


def test_each_start_has_an_engine_of_its_own() -> None:
    """So nothing of an earlier start is left over."""

    async def main() -> None:
        Numbered.count = 0
        node: Guarded[Any] = Guarded(Numbered, node_of("ab", "test"))
        assert await stream([])._then(node).repeat(2).to_list() == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]

    on_both_loops(main)


def test_a_second_reader_is_refused_and_the_first_reads_on() -> None:
    """Two tasks cannot wait in one engine."""

    async def main() -> None:
        bench = Bench(2, every=1.0)
        async with bench.source().take_last(1) as chain, anyio.create_task_group() as group:
            got: list[Any] = []

            async def read() -> None:
                got.append(await chain.receive())

            group.start_soon(read)
            await anyio.sleep(0.5)
            with pytest.raises(anyio.BusyResourceError):
                await chain.receive()
            await anyio.sleep(5)
            assert got == [1]

    on_both_loops(main)


def test_an_engine_that_fails_while_it_starts_leaves_no_source_open() -> None:
    """The error is the reader's, and the chain is closed."""

    class Refuses(Numbered):
        def __init__(self, run: Run, above: Node[Any]) -> None:
            super().__init__(run, above)
            raise Boom

    async def main() -> None:
        probe = Probe(3)
        chain = stream([])._then(Guarded(Refuses, node_of(probe, "test")))
        with pytest.raises(Boom):
            async with chain:
                await chain.receive()
        assert probe.closed

    on_both_loops(main)


def test_what_an_engine_has_made_is_closed_for_good_and_the_sources_too_if_that_fails() -> None:
    """An error in one closing keeps none of the others open."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError

    async def main() -> None:
        bench = Bench(3)
        with pytest.raises(LookupError):
            async with bench.source().concat_map(lambda _: stream(Fails(3))) as chain:
                await chain.receive()
        assert bench.all_closed()

    on_both_loops(main)
