"""curl reads a stream, and goes on where it was."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evenflow.web import sse
from tests.serving import serving

from .kit import Placed, orders

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")
BLOCK = re.compile(r'(?:retry: \d+\n)?id: (\S+)\nevent: Placed\ndata: {"n":(\d+),[^\n]*}')


@asynccontextmanager
async def curl(address: str, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A curl that passes on what comes as it comes; at the end of the block it has ended."""
    assert CURL is not None
    process = await asyncio.create_subprocess_exec(
        CURL, "--silent", "--no-buffer", "--noproxy", "*", *options, address, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def blocks(process: asyncio.subprocess.Process, count: int) -> list[tuple[str, int]]:
    """The ids and the numbers of the next events."""
    assert process.stdout is not None
    found = []
    for _ in range(count):
        text = (await process.stdout.readuntil(b"\n\n")).decode().removeprefix(": events\n").strip()
        match = BLOCK.fullmatch(text)
        assert match is not None, text
        found.append((match[1], int(match[2])))
    return found


async def rest(process: asyncio.subprocess.Process) -> str:
    """What comes until it ends, as it does by itself."""
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(limited())


def test_curl_goes_on_after_the_last_id_that_it_has_seen() -> None:
    """By the header or by the query nothing is missed or doubled; then comes the end, and 204 to whoever comes back."""
    subject = orders(replay=10)

    async def events(request: Request) -> Response:
        return sse(request, subject, Placed, since="start")

    async def publish(*numbers: int) -> None:
        for number in numbers:
            await subject.publish(Placed(n=number))

    async def talk() -> None:
        async with serving(Starlette(routes=[Route("/events", events)])) as host:
            address = f"{host}/events"
            await publish(1, 2)
            async with curl(address) as first:
                seen = await blocks(first, 2)
                await publish(3)
                seen += await blocks(first, 1)
            assert [number for _, number in seen] == [1, 2, 3]
            await publish(4, 5)
            at = seen[1][0]
            async with (
                curl(address, "--header", f"Last-Event-ID: {at}") as by_header,
                curl(f"{address}?lastEventId={at}") as by_query,
            ):
                for one in (by_header, by_query):
                    assert [number for _, number in await blocks(one, 3)] == [3, 4, 5]
                subject.close()
                for one in (by_header, by_query):
                    assert "event: evenflow.end\n" in await rest(one)
            code = ("--write-out", "%{http_code}")
            async with curl(address, "--header", "Last-Event-ID: evenflow.end", *code) as again:
                assert await rest(again) == "204"
            async with curl(f"{address}?lastEventId=nonsense", *code) as wrong:
                assert (await rest(wrong)).endswith('"detail":"lastEventId is no id of this stream"}400')

    run(talk)
