"""How a stream ends: the error, the closing, and a cancel in between."""

from __future__ import annotations

import anyio
import anyio.abc
import pytest

from evenflow.streams import stream
from evenflow.streams._ending import Caught, Ended

from .drawing import on_both_loops
from .probes import Boom, Probe


def test_an_error_while_closing_does_not_hide_the_error_of_the_stream() -> None:
    """It becomes a note on that error."""

    class Fails(Probe):
        async def aclose(self) -> None:
            raise LookupError("closing")

    async def main() -> None:
        boom = Boom()
        chain = stream(Fails(0, error=boom)).map(str)
        with pytest.raises(Boom) as raised:
            await chain.receive()
        assert "LookupError('closing')" in raised.value.__notes__[0]
        with pytest.raises(LookupError):
            await stream(Fails(0)).map(str).receive()

    on_both_loops(main)


def test_an_error_outlives_a_cancel_while_its_chain_is_closed() -> None:
    """The next read raises the error again."""

    class Slow(Probe):
        async def aclose(self) -> None:
            await anyio.sleep(5)

    async def main() -> None:
        for make in (lambda s: s.map(str), lambda s: s.batches(2)):
            chain = make(stream(Slow(0, error=Boom())))
            with anyio.move_on_after(1):
                await chain.receive()
            with pytest.raises(Boom):
                await chain.receive()
            with pytest.raises(anyio.EndOfStream):
                await chain.receive()

    on_both_loops(main)


def test_caught_keeps_an_exception_and_lets_a_cancel_through() -> None:
    """An error is kept to be raised elsewhere, and a cancel is not caught."""

    async def main() -> None:
        boom = Boom()
        with Caught() as caught:
            raise boom
        assert caught.error is boom
        with Caught() as caught:
            pass
        assert caught.error is None
        with anyio.move_on_after(1) as scope, Caught() as caught:
            await anyio.sleep(5)
        assert scope.cancelled_caught
        assert caught.error is None

    on_both_loops(main)


def test_what_has_ended_yields_its_error_or_the_end() -> None:
    """It does so at every read."""

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(Ended())
        boom = Ended(Boom())
        for _ in range(2):
            with pytest.raises(Boom):
                await anext(boom)

    on_both_loops(main)
