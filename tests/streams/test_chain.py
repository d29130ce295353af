"""A chain while it is read: started, entered, handed over, closed."""

from __future__ import annotations

import gc
import weakref

import anyio
import anyio.abc
import pytest

from evenflow.streams import stream
from evenflow.testing import marbles

from .drawing import on_both_loops
from .probes import Bench, Boom, Probe


def test_reading_after_the_end_gives_the_end_and_after_closing_an_error() -> None:
    """``EndOfStream`` and ``ClosedResourceError`` keep the meaning that anyio gives them."""

    async def main() -> None:
        for chain in (stream([1]), stream([1]).map(str), stream([1]).merge([])):
            async with chain:
                await chain.receive()
                for _ in range(2):
                    with pytest.raises(anyio.EndOfStream):
                        await chain.receive()
                assert [event async for event in chain] == []
            for _ in range(2):
                with pytest.raises(anyio.ClosedResourceError):
                    await chain.receive()
            with pytest.raises(anyio.ClosedResourceError):
                async with chain:
                    pass
            with pytest.raises(anyio.ClosedResourceError):
                aiter(chain)
            assert "closed" in repr(chain)

    on_both_loops(main)


def test_a_chain_goes_on_under_an_operator_where_it_was_read_to() -> None:
    """A reader may take the first events itself, and give the rest to an operator."""

    async def main() -> None:
        for chain in (stream(range(4)), stream(range(4)).map(int)):
            assert await chain.receive() == 0
            assert await anext(chain) == 1
            assert await chain.map(str).to_list() == ["2", "3"]
            with pytest.raises(RuntimeError, match="source of map"):
                await chain.receive()

    on_both_loops(main)


def test_dropping_a_chain_frees_its_source_at_once() -> None:
    """There is no reference cycle: after a ``break`` out of a bare ``async for`` nothing keeps the source alive."""

    async def main() -> None:
        gc.disable()
        try:
            for make in (
                lambda s: s,
                lambda s: s.map(str).filter(bool).scan(lambda a, x: x, 0),
                lambda s: s.concat([1]).catch(lambda e: []).batches(),
                lambda s: s.group_by(str),
            ):
                probe = Probe(5)
                alive = weakref.ref(probe)
                chain = make(stream(probe))
                if not chain._chain.node.needs_task():
                    async for _ in chain:
                        break
                del probe, chain
                assert alive() is None
        finally:
            gc.enable()

    on_both_loops(main)


def test_the_body_of_the_async_with_may_raise_what_it_likes() -> None:
    """An exception group, a cancel of an outer scope and an error while closing are neither wrapped nor lost."""

    async def main() -> None:
        group = ExceptionGroup("of the body", [Boom()])
        with pytest.raises(ExceptionGroup) as raised:
            async with marbles("-a").merge(marbles("-")):
                raise group
        assert raised.value is group
        with anyio.CancelScope() as scope:
            async with marbles("-a").merge(marbles("-")):
                scope.cancel()
                await anyio.sleep(1)
        assert scope.cancelled_caught

        class Fails(Probe):
            async def aclose(self) -> None:
                raise LookupError("closing")

        with pytest.raises(LookupError, match="closing"):
            async with stream(Fails(5)).merge(marbles("-")):
                pass
        bench = Bench(5)
        with pytest.raises(LookupError, match="closing"):
            async with stream(Fails(5)).concat(bench.source()) as chain:
                await chain.receive()
        assert bench.all_closed()

    on_both_loops(main)


def test_an_error_while_closing_does_not_hide_the_error_of_the_body() -> None:
    """It becomes a note on that error, whether the chain has tasks or not."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError("closing")

    async def main() -> None:
        for make in (lambda s: s.map(str), lambda s: s.merge([])):
            boom = Boom()
            with pytest.raises(Boom) as raised:
                async with make(stream(Fails(5))):
                    raise boom
            assert raised.value is boom
            assert "LookupError('closing')" in boom.__notes__[0]

    on_both_loops(main)


def test_leaving_a_chain_closes_it_though_an_operator_has_taken_it_over() -> None:
    """Whoever entered the chain closes it, and the operator behind it then meets the end."""

    async def main() -> None:
        for make in (lambda s: s.map(int), lambda s: s.merge([])):
            bench = Bench(5, every=1.0)
            async with make(bench.source()) as chain:
                assert await chain.receive() == 0
                rest = chain.map(str)
            assert bench.all_closed()
            await rest.aclose()

    on_both_loops(main)
