"""One connection, which is made again whenever it is lost."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from evenflow.log._redis._address import Address
from evenflow.log._redis._faults import Lost, ResponseError
from evenflow.log._redis._line import Health, Line

from .kit import Proxy, on_asyncio, own_server, soon
from .server import free_port, shared


def line_to(url: str, told: list[bool] | None = None) -> Line:
    changes: list[bool] = [] if told is None else told
    return Line(Address(url), Health("log shop", changes.append))


@on_asyncio
async def test_replies_come_in_the_order_of_their_commands() -> None:
    """An error of the server is a reply, and not raised."""
    line = line_to(shared().url)
    assert not line.is_up
    with pytest.raises(Lost, match="not connected"):
        await line.exchange([("PING",)])
    await line.connect()
    first, error, last = await line.exchange([("ECHO", "a"), ("NONSENSE",), ("ECHO", "b")])
    assert (first, last) == (b"a", b"b")
    assert isinstance(error, ResponseError)
    await line.drop()
    assert not line.is_up


@on_asyncio
async def test_a_connection_that_took_too_long_is_never_read_again() -> None:
    """The late reply is nobody's."""
    with own_server() as server:
        line = line_to(server.url)
        await line.connect()
        with pytest.raises(Lost, match=r"no answer within 0\.05 s"):
            await line.exchange([("BLPOP", "nothing", 0)], 0.05)
        assert not line.is_up
        await line.bring_up()
        assert await line.exchange([("ECHO", "mine")]) == [b"mine"]
        with anyio.move_on_after(0.05):
            await line.exchange([("BLPOP", "nothing", 0)])
        assert not line.is_up
        await line.bring_up()
        assert line.made == 3
        await line.drop()


@on_asyncio
async def test_a_connection_that_the_server_has_closed_is_seen_without_asking() -> None:
    """And what is asked on it is lost."""
    with own_server() as server:
        async with Proxy(server).running() as proxy:
            line = line_to(proxy.url)
            await line.connect()
            assert not line.has_ended()
            proxy.cut()
            await soon(line.has_ended)
            with pytest.raises(Lost):
                await line.exchange([("PING",)])
            assert not line.has_ended()


@on_asyncio
async def test_a_server_that_is_away_is_looked_for_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Over all lines: away when the first is down, back when the last is up."""
    caplog.set_level(logging.WARNING)
    told: list[bool] = []
    health = Health("log shop", told.append)
    with own_server() as server:
        lines = [Line(Address(server.url), health) for _ in range(2)]
        for line in lines:
            await line.connect()
        server.kill()
        for line in lines:
            with pytest.raises(Lost):
                await line.exchange([("PING",)])
        async with anyio.create_task_group() as tasks:
            for line in lines:
                tasks.start_soon(line.bring_up)
            await anyio.sleep(0.1)
            await anyio.to_thread.run_sync(server.start)
        for line in lines:
            await line.drop()
    assert told == [True, True, False, True]
    assert [record.message.split(" is ")[1][:4] for record in caplog.records] == ["away", "back"]
    health.is_over()
    health.is_down(lines[0], "closed")
    assert told[4:] == [False]


@on_asyncio
async def test_a_password_is_needed_and_never_shown() -> None:
    """A wrong one is told as such; the right one works, and so does a database."""
    with own_server(requirepass="s3cret") as server:
        for url in (f"redis://127.0.0.1:{server.port}", f"redis://:wr0ng@127.0.0.1:{server.port}"):
            with pytest.raises(Lost) as caught:
                await line_to(url).connect()
            assert "s3cret" not in str(caught.value)
            assert "wr0ng" not in str(caught.value)
        line = line_to(f"redis://:s3cret@127.0.0.1:{server.port}/3")
        await line.connect()
        await line.exchange([("SET", "a", "1")])
        await line.drop()
        with server.client() as client:
            assert client.get("a") is None
            client.select(3)
            assert client.get("a") == "1"


@on_asyncio
async def test_a_socket_in_the_file_system_is_an_address() -> None:
    """``unix://``."""
    with TemporaryDirectory(dir="/tmp") as folder, own_server(unixsocket=os.fspath(Path(folder) / "s")):
        line = line_to(f"unix://{folder}/s")
        await line.connect()
        assert await line.exchange([("ECHO", "a")]) == [b"a"]
        await line.drop()
    with pytest.raises(Lost, match="cannot connect"):
        await line_to(f"redis://127.0.0.1:{free_port()}").connect()
