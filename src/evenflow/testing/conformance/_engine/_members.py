"""Who lives, and what each member has begun."""

from __future__ import annotations

from evenflow.log._engine import Engine
from evenflow.testing.conformance._engine._kit import EngineMaker, on_every_engine, on_every_shared_engine, opened
from evenflow.testing.conformance._kit import until


async def has_begun(engine: Engine, member: str, what: set[tuple[str, int]]) -> bool:
    return (await engine.pulses([member]))[member].begun == what


@on_every_engine
async def test_an_open_engine_lives_and_one_that_nobody_knows_does_not(make: EngineMaker) -> None:
    """It was heard of when it was opened, and when it said so."""
    async with opened(make) as engine:
        pulses = await engine.pulses([engine.member, "nobody", "../etc", ""])
        assert pulses[engine.member].alive is True
        assert pulses[engine.member].at <= engine.clock()
        assert [pulses[name].alive for name in ("nobody", "../etc", "")] == [False] * 3
        assert pulses["nobody"].begun == frozenset()
        before = engine.clock()
        engine.beat()
        assert (await engine.pulses([engine.member]))[engine.member].at >= before
    engine.beat()


@on_every_engine
async def test_what_was_begun_is_known_until_it_is_settled(make: EngineMaker) -> None:
    """Each by its group and number; settling it twice does nothing."""
    async with opened(make) as engine:
        billing, mail = engine.begin("billing", [1, 2]), engine.begin("mail", [2])
        engine.settled(billing[:1])
        engine.settled(billing[:1])
        again = engine.begin("übung/" + "x" * 60, [2**60])
        begun = (await engine.pulses([engine.member]))[engine.member].begun
        assert begun == {("billing", 2), ("mail", 2), ("übung/" + "x" * 60, 2**60)}
        for marks in (billing, mail, again):
            engine.settled(marks)
        assert (await engine.pulses([engine.member]))[engine.member].begun == frozenset()


@on_every_shared_engine
async def test_openings_know_of_one_another(make: EngineMaker) -> None:
    """What one has begun the other sees; once it is closed it lives no more, and what it had begun is still known."""
    async with opened(make) as one:
        async with opened(make) as other:
            other.begin("billing", [7])
            other.beat()
            await until(lambda: has_begun(one, other.member, {("billing", 7)}))
            # a server cannot see the process: it is alive as long as it says so
            assert (await one.pulses([other.member]))[other.member].alive in {True, None}
        pulse = (await one.pulses([other.member]))[other.member]
        assert (pulse.alive, set(pulse.begun)) == (False, {("billing", 7)})
        assert (await one.pulses([one.member]))[one.member].alive
