"""Who lives, and what each member has begun."""

from __future__ import annotations

import sys

import anyio
import pytest

from evenflow.log._begun import Run
from evenflow.log._heard import ServerClock
from evenflow.log._redis import RedisEngine
from evenflow.log._redis._address import Address
from evenflow.log._redis._members import Members, _mark, _packed, _parsed
from evenflow.log._redis._names import Names
from evenflow.log._stored import Pulse
from evenflow.log.redis import RedisLog
from tests.conformance.kit import PATIENCE

from .kit import Placed, on_asyncio, own_server, soon
from .server import fresh_name, shared

DIES = """
import anyio, os, signal, sys
from evenflow.log._redis import RedisEngine

async def main():
    engine = RedisEngine(sys.argv[1], sys.argv[2])
    await engine.open()
    while engine._opened().members._marks is None:
        await anyio.sleep(0.01)
    print(engine.member, flush=True)
    engine.begin("billing", [7])
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


@on_asyncio
async def test_a_mark_survives_a_process_that_dies_the_moment_after() -> None:
    """It is handed to the system before the handler is called, and nobody waits for an answer."""
    name = fresh_name()
    engine = RedisEngine(shared().url, name)
    await engine.open()
    done = await anyio.run_process([sys.executable, "-c", DIES, shared().url, name], check=False)
    member = done.stdout.decode().strip()
    assert member, done.stderr.decode()

    async def is_known() -> bool:
        return (await engine.pulses([member]))[member].begun == {("billing", 7)}

    await soon(is_known)
    await engine.close()


def test_a_mark_is_read_as_it_was_written() -> None:
    """Whatever the group is called; and a command is what the server's protocol says."""
    for group in ("billing", "übung/a b", "7 7"):
        assert _parsed(_mark(Run(group, (2**60,)))) == [(group, 2**60)]
        for seqs in ((1, 2, 3), (7, 9), (3, 4, 9, 10, 11, 20), (5, 4, 3), (2, 2)):
            assert _parsed(_mark(Run(group, seqs))) == [(group, seq) for seq in seqs]
    assert _mark(Run("billing", (7, 8, 9, 12))) == b"7-9,12 billing"
    assert _packed(b"SADD", b"key", [b"1 a"]) == b"*3\r\n$4\r\nSADD\r\n$3\r\nkey\r\n$3\r\n1 a\r\n"


def test_what_the_server_says_of_a_member_is_read() -> None:
    """Its age is in microseconds; it has closed, or is unknown, or it is this one."""
    members = Members(Address("redis://localhost"), Names("shop"), "me", ServerClock(0.0), lambda: False)
    members.begin("a", [3, 4])
    at = 1_000.0
    assert members._pulse("other", [b"1", b"2000000", b"0", [b"1-2 a", b"7 b"]], at) == Pulse(
        alive=True, at=998.0, begun=frozenset({("a", 1), ("a", 2), ("b", 7)})
    )
    assert members._pulse("other", [b"1", b"2000000", b"1", []], at).alive is False
    assert members._pulse("nobody", [], at).alive is False
    assert members._pulse("me", [b"1", b"9000000", b"0", []], at) == Pulse(
        alive=True, at=at, begun=frozenset({("a", 3), ("a", 4)})
    )


@on_asyncio
async def test_marks_that_could_not_be_sent_are_sent_once_the_server_is_back() -> None:
    """All that are still open, and no others."""
    with own_server() as server:
        engine = RedisEngine(server.url, "shop")
        await engine.open()
        key = f"evenflow:{{shop}}:begun:{engine.member}"

        def begun() -> set[str]:
            with server.client() as client:
                return set(client.smembers(key))

        settle = engine.begin("a", [1])
        await soon(lambda: begun() == {"1 a"})
        server.kill()
        engine.settled(settle)
        engine.begin("b", [2])
        await anyio.to_thread.run_sync(server.start)
        await soon(lambda: begun() == {"2 b"})
        await engine.close()


@on_asyncio
async def test_a_mark_is_at_the_server_as_long_as_one_of_its_events_is_begun() -> None:
    """Many together are one; in part settled they are one each; and one that is begun twice is settled twice."""
    with own_server() as server:
        engine = RedisEngine(server.url, "shop")
        await engine.open()
        members = engine._opened().members
        await soon(lambda: members._marks)
        with server.client() as client:

            async def has(*marks: str) -> None:
                engine.beat()
                await soon(lambda: set(client.smembers(f"evenflow:{{shop}}:begun:{engine.member}")) == set(marks))

            many, again = engine.begin("a", [1, 2, 3]), engine.begin("a", [3])
            await has("1-3 a", "3 a")
            engine.settled(many[:1])
            await has("2 a", "3 a")
            engine.settled([*many[2:], *many[1:2]])
            await has("3 a")
            engine.settled(again)
            engine.settled(engine.begin("a", [4]))
            await has()
            engine.settled(engine.begin("a", [5, 6])[:1])
            await has("6 a")
        await engine.close()


@on_asyncio
async def test_a_connection_for_marks_that_the_server_closes_is_made_again() -> None:
    """A server with a ``timeout`` closes what is idle, and a mark must not be what notices it."""
    with own_server() as server:
        engine = RedisEngine(server.url, "shop")
        await engine.open()
        key = f"evenflow:{{shop}}:begun:{engine.member}"
        members = engine._opened().members
        await soon(lambda: members._marks)
        closed = members._marks
        with server.client() as client:
            for other in client.client_list():
                if other["cmd"] != "client|list":
                    client.client_kill_filter(_id=other["id"])
            await soon(lambda: members._marks not in {None, closed})
            engine.begin("a", [1])
            await soon(lambda: set(client.smembers(key)) == {"1 a"})
        await engine.close()


@pytest.mark.parametrize("acks", [True, False])
@on_asyncio
async def test_a_member_that_is_killed_leaves_what_it_had_to_the_others(acks: bool) -> None:
    """After ``ack_wait``; what it had begun counts as an attempt."""
    with own_server() as server:
        log = RedisLog(server.url, name="shop")
        orders = log.subject("orders", Placed)
        async with log:
            for n in range(3):
                await orders.publish(Placed(by=0, n=n))
            program = CONSUMES.replace("ACKS", str(acks))
            done = await anyio.run_process([sys.executable, "-c", program, server.url], check=False)
            assert done.returncode == -9, done.stderr.decode()
            async with orders.deliveries("g", Placed, ack_wait=1.0) as deliveries:
                with anyio.fail_after(PATIENCE):  # noqa: ASYNC100 -- `soon` has them
                    found = [await deliveries.receive() for _ in range(2 if acks else 3)]
            assert {delivery.event.n: delivery.attempt for delivery in found} == (
                {1: 2, 2: 1} if acks else {0: 2, 1: 1, 2: 1}
            )


CONSUMES = """
import anyio, os, signal, sys
from evenflow import Event
from evenflow.log.redis import RedisLog

class Placed(Event):
    by: int
    n: int
    text: str = ""

async def main():
    log = RedisLog(sys.argv[1], name="shop")
    orders = log.subject("orders", Placed)
    async with log, orders.deliveries("g", Placed, ack_wait=1.0) as deliveries:
        await anyio.sleep(0.5)
        first = await deliveries.receive()
        if ACKS:
            await first.ack()
            await deliveries.receive()
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""
