"""Where the servers are, and how a connection to one is made."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest
from nats.aio.client import Client

from evenflow.log._nats._faults import Lost
from evenflow.log._nats._servers import QuickClient, Servers, hang_up, masked, split
from tests.conformance.kit import PATIENCE
from tests.servers import free_port, nats

from .kit import log_on, needs_nats, on_asyncio, own_server, soon

pytestmark = needs_nats


def test_urls_are_split_and_their_words_are_the_logs() -> None:
    """Several in one text, or in a list; words of any of them."""
    assert split("nats://a:1,tls://b:2?name=shop") == (["nats://a:1", "tls://b:2"], {"name": "shop"})
    assert split(["nats://a:1", "nats://b:1"])[0] == ["nats://a:1", "nats://b:1"]
    for wrong in ("redis://a", "", "a:4222"):
        with pytest.raises(ValueError, match="nats://"):
            split(wrong)
    wrong_one: Any = [5]
    with pytest.raises(TypeError, match="str"):
        split(wrong_one)


def test_secrets_are_not_shown() -> None:
    """A password, a user, a token."""
    assert masked("nats://me:s3cret@host:4222") == "nats://***@host:4222"
    assert masked("nats://t0ken@host") == "nats://***@host"
    assert Servers(["nats://me:s3cret@a:1", "nats://b:1"], {}).shown == "nats://***@a:1, nats://b:1"


def test_options_that_are_ours_are_refused() -> None:
    """Each of them would undo a promise."""
    with pytest.raises(TypeError, match="allow_reconnect"):
        Servers(["nats://a"], {"allow_reconnect": True})
    assert Servers(["nats://a"], {"inbox_prefix": b"_MINE"}).inbox == "_MINE"


@pytest.mark.parametrize(
    "raw", ["a: 1\r\nce-b:x%20y\r\nc:  \r\nd: a: b\r\n\r\n", "", "nonsense\r\n", "ü-é\r\ne: ü\r\n"]
)
def test_headers_are_read_as_the_client_reads_them(raw: str) -> None:
    """With a space or none, empty, and with a colon in the value."""
    if hasattr(Client, "_parse_header_lines"):
        assert QuickClient._parse_header_lines(raw.encode()) == Client._parse_header_lines(raw.encode())


def test_a_client_with_other_insides_knows_the_version_of_its_server() -> None:
    """By what is public; answers then come by its own tasks."""
    client: Any = QuickClient()
    client._server_info = {"server_id": "S", "version": "2.12.3"}
    assert client.says["server_id"] == "S"
    del client._server_info
    assert client.says == {"version": "0.0.0"}
    client._current_server = SimpleNamespace(server_version="2.12.3")
    assert client.says == {"version": "2.12.3"}


@on_asyncio
async def test_the_next_server_is_tried() -> None:
    """One that refuses costs no time; where none takes it, the last reason is told."""
    dead = f"nats://127.0.0.1:{free_port()}"
    client = await Servers([dead, nats().url], {}).connect()
    await hang_up(client)
    with pytest.raises(Lost, match="cannot connect"):
        await Servers([dead], {}).connect()


@on_asyncio
async def test_closing_a_connection_to_a_server_that_stands_still_leaves_no_task() -> None:
    """Although nothing of what is to be sent can be sent any more."""
    before = asyncio.all_tasks()
    with own_server() as server:
        client = await Servers([server.url], {}).connect()

        async def hear(_: Any) -> None:
            """Hear nothing."""

        await client.subscribe("x", cb=hear)
        server.freeze()

        async def publish() -> None:
            for _ in range(40):
                await client.publish("y", bytes(1 << 19))

        publishing = asyncio.ensure_future(publish())
        await asyncio.sleep(0.1)
        await hang_up(client)
        publishing.cancel()
        await asyncio.wait([publishing])
        server.thaw()
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}


@on_asyncio
async def test_a_token_and_an_inbox_of_ones_own_are_passed_on() -> None:
    """A wrong token is an error at opening, without the token."""
    with own_server("authorization: {token: s3cret}") as server:
        async with log_on(server.url, token="s3cret", inbox_prefix="_INBOX_shop"):
            pass
        with pytest.raises(Exception, match="cannot be opened") as caught:
            await log_on(server.url, token="wr0ng").start()
        assert "wr0ng" not in str(caught.value)


@on_asyncio
async def test_a_task_of_the_client_that_has_failed_is_nobodys_error() -> None:
    """As when a connection is reset in the middle of a write: the loop logs nothing of it."""
    told = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def fail() -> None:
        raise ConnectionResetError("by peer")

    client: Any = SimpleNamespace(_flusher_task=asyncio.ensure_future(fail()))
    await asyncio.wait([client._flusher_task])
    await hang_up(client)
    del client
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert not told


@on_asyncio
async def test_messages_of_one_subscription_are_told_at_once_and_no_error_ends_the_connection() -> None:
    """With headers, a status, or none of both; those of other subscriptions come as ever, and an error is told."""
    told, heard, errors = list[Any](), list[Any](), list[Exception]()
    client: Any = await Servers([nats().url], {}).connect()

    def tell(subject: str, data: bytes, headers: Any) -> None:
        told.append((subject, data, headers))
        if data == b"bad":
            raise ValueError(subject)

    async def hear(message: Any) -> None:
        heard.append((message.subject, message.data, message.headers))

    async def note(error: Exception) -> None:
        errors.append(error)

    client._error_cb = note
    client.tell(await client.subscribe("check.told.*", cb=hear), tell)
    await client.subscribe("check.heard.*", cb=hear)
    for kind in ("told", "heard"):
        for number, (data, headers) in enumerate([(b"bad", None), (b"", {"a": "1"}), (b"x", None)]):
            await client.publish(f"check.{kind}.{number}", data, headers=headers)
    await soon(lambda: len(heard) == 3)
    await hang_up(client)
    assert [(subject.replace("told", "heard"), *rest) for subject, *rest in told] == heard
    assert told[1] == ("check.told.1", b"", {"a": "1"})
    assert [str(error) for error in errors] == ["check.told.0"]
    assert (client.stats["in_msgs"], client.stats["in_bytes"]) == (6, 8)


@on_asyncio
async def test_a_ping_that_is_cancelled_does_not_end_the_connection() -> None:
    """Its answer comes later, to nobody: the client goes on reading."""
    server = nats()
    assert server is not None
    client: Any = await Servers([server.url], {}).connect()
    ping = asyncio.ensure_future(client.flush())
    while not client._pongs:
        await asyncio.sleep(0)
    ping.cancel()
    await asyncio.wait([ping])
    async with asyncio.timeout(PATIENCE):
        while client._pongs:
            await asyncio.sleep(0)
    assert not client._reading_task.done()
    await client.jetstream().account_info()
    await hang_up(client)
