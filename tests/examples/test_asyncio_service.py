"""The service without a framework, run in its own process with real connections."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator

import pytest

from tests.examples.running import EXAMPLES, Service, running
from tests.limits import limit

pytestmark = pytest.mark.asyncio


@pytest.fixture
def service() -> Iterator[Service]:
    with running(str(EXAMPLES / "asyncio_service.py"), announced=r"listening on 127\.0\.0\.1:(\d+)") as service:
        yield service


def scrypt(text: str) -> str:
    salt = b"a real service has one for each text"
    return hashlib.scrypt(text.encode(), salt=salt, n=2**14, r=8, p=1).hex()


async def ask(service: Service, *texts: str) -> list[str]:
    """Open one connection, send all these texts, and return the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.writelines(f"{text}\n".encode() for text in texts)
    answers = [(await reader.readline()).decode().strip() for _ in texts]
    writer.close()
    await writer.wait_closed()
    return answers


async def test_each_client_gets_the_answers_to_its_own_lines_in_order(service: Service) -> None:
    """With eight connections at once, more than the service works on at a time, no client gets another's answer."""
    asked = [(f"{client} first", f"{client} second") for client in range(8)]
    answers = await asyncio.gather(*(ask(service, *texts) for texts in asked))
    assert answers == [[scrypt(first), scrypt(second)] for first, second in asked]
    service.terminate()
    assert "ended: 16 jobs, 16 done" in service.said


@pytest.mark.timed
async def test_sigterm_answers_what_was_asked_closes_idle_connections_and_ends_within_two_seconds(
    service: Service,
) -> None:
    """A job that has begun is finished and answered; a client that sends nothing does not delay the end."""
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", service.port)
    busy, busy_writer = await asyncio.open_connection("127.0.0.1", service.port)
    idle_writer.write(b"once\n")
    assert (await idle.readline()).decode().strip() == scrypt("once")
    busy_writer.write(b"in hand\n")
    await busy_writer.drain()
    seconds = await asyncio.to_thread(service.terminate)
    answer = (await busy.readline()).decode().strip()
    assert seconds < limit(2), service.said
    assert answer in {scrypt("in hand"), ""}, "answered, or the signal came before the line"
    assert await busy.read() == await idle.read() == b""
    assert service.process.returncode == 0, service.said
    assert "ended: " in service.said
    assert "Traceback" not in service.said
    for writer in (idle_writer, busy_writer):
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_goes_while_its_job_is_done_hurts_nobody(service: Service) -> None:
    """The answer of a client that has gone is discarded, and the service continues."""
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"goes\n")
    await writer.drain()
    writer.transport.abort()
    assert await ask(service, "stays") == [scrypt("stays")]
    service.terminate()
    assert service.process.returncode == 0, service.said
    assert "Traceback" not in service.said
