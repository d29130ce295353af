"""Telling every stream that the process ends: our handler in front of the server's, and three real servers."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from evenflow._loop import running_loop
from evenflow.web import _shutdown
from evenflow.web._shutdown import ENDING, Shutdown, told_of_shutdown
from tests.limits import limit

from ..contract.kit import settle
from .kit import both, feed_of, orders

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {
    "uvicorn": "uvicorn tests.web.served:app --port {port} --log-level warning",
    "uvicorn with two workers": "uvicorn tests.web.served:app --port {port} --log-level warning --workers 2",
    "hypercorn": "hypercorn tests.web.served:app --bind 127.0.0.1:{port}",
    "hypercorn without workers": "hypercorn tests.web.served:app --bind 127.0.0.1:{port} --workers 0",
    "hypercorn on trio": "hypercorn tests.web.served:app --bind 127.0.0.1:{port} --worker-class trio",
    "granian": "granian tests.web.served:app --interface asgi --port {port} --log-level warning",
}


class Streams:
    """Something that is told."""

    def __init__(self) -> None:
        self.told = 0

    def stop(self) -> None:
        self.told += 1


@contextmanager
def handled_by(handler: object) -> Iterator[None]:
    """Have SIGTERM handled by this meanwhile."""
    before = signal.signal(signal.SIGTERM, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@both
async def test_the_streams_hear_of_a_signal_and_so_does_the_handler_before_ours() -> None:
    """While there are streams, and no longer."""
    heard: list[int] = []

    def servers(number: int, frame: object) -> None:
        heard.append(number)

    one, other = Streams(), Streams()
    with handled_by(servers):
        shutdown = Shutdown()
        loop = running_loop()
        shutdown.add(loop, 1, one.stop)
        shutdown.add(loop, 2, other.stop)
        assert signal.getsignal(signal.SIGTERM) != servers
        signal.raise_signal(signal.SIGTERM)
        await settle()
        assert (one.told, other.told, heard) == (1, 1, [signal.SIGTERM])
        shutdown.remove(loop, 1)
        assert signal.getsignal(signal.SIGTERM) != servers
        shutdown.remove(loop, 2)
        assert signal.getsignal(signal.SIGTERM) == servers


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
@both
async def test_where_nobody_handles_the_signal_it_means_what_it_meant(handler: object) -> None:
    """By default it ends the process; that must not change because a browser is connected."""
    with handled_by(handler):
        shutdown = Shutdown()
        shutdown.add(running_loop(), 1, Streams().stop)
        assert signal.getsignal(signal.SIGTERM) == handler
        shutdown.remove(running_loop(), 1)
        assert signal.getsignal(signal.SIGTERM) == handler


@both
async def test_a_handler_that_is_put_in_front_of_ours_may_call_ours() -> None:
    """Each is called once, however often a stream begins and ends; theirs stays."""
    heard: list[str] = []

    def servers(number: int, frame: object) -> None:
        heard.append("server")

    with handled_by(servers):
        shutdown, loop, streams = Shutdown(), running_loop(), Streams()
        shutdown.add(loop, 1, streams.stop)
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)

        def theirs(number: int, frame: object) -> None:
            heard.append("theirs")
            ours(number, frame)  # type: ignore[call-arg, arg-type]

        signal.signal(signal.SIGTERM, theirs)
        shutdown.add(loop, 2, streams.stop)
        signal.raise_signal(signal.SIGTERM)
        await settle()
        assert heard == ["theirs", "server"]
        assert streams.told == 2
        shutdown.remove(loop, 1)
        shutdown.remove(loop, 2)
        assert signal.getsignal(signal.SIGTERM) == theirs


@both
async def test_a_stream_that_begins_while_the_process_ends_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was kept alive must not hold up the server; ten seconds later it is another story."""
    now = [100.0]
    monkeypatch.setattr(_shutdown, "monotonic", lambda: now[0])
    shutdown, streams = Shutdown(), Streams()
    shutdown.tell_all()
    shutdown.add(running_loop(), 1, streams.stop)
    assert streams.told == 1
    now[0] += ENDING
    shutdown.add(running_loop(), 2, streams.stop)
    assert streams.told == 1
    shutdown.remove(running_loop(), 1)
    shutdown.remove(running_loop(), 2)


@both
async def test_outside_the_main_thread_no_handler_is_touched() -> None:
    """Python allows it in the main thread alone; such a server has no signals either."""
    with handled_by(lambda number, frame: None):
        before = signal.getsignal(signal.SIGTERM)

        async def read() -> None:
            async with feed_of(orders()):
                assert signal.getsignal(signal.SIGTERM) == before

        thread = threading.Thread(target=anyio.run, args=(read,))
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) == before


@both
async def test_it_keeps_no_stream_alive() -> None:
    """One that is dropped is not told any more."""
    streams = Streams()
    gone = weakref.ref(streams)
    with told_of_shutdown(streams.stop):
        del streams
        gc.collect()
        assert gone() is None
        _shutdown._SHUTDOWN._tell(running_loop())
    assert running_loop() not in _shutdown._SHUTDOWN._streams


@both
async def test_a_feed_ends_when_the_process_does() -> None:
    """The reader that waits wakes, and the handler of before is there again."""
    try:
        with handled_by(lambda number, frame: None):
            before = signal.getsignal(signal.SIGTERM)
            async with feed_of(orders()) as feed, anyio.create_task_group() as tasks:
                tasks.start_soon(feed.read)
                await settle()
                signal.raise_signal(signal.SIGTERM)
            assert feed.why == "shutdown"
            assert signal.getsignal(signal.SIGTERM) == before
    finally:
        _shutdown._SHUTDOWN._at = -ENDING  # the process goes on after all


def test_a_worker_of_hypercorn_looks_at_the_event_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent sends it no signal; the thread that looks goes with the last stream."""
    event = threading.Event()
    monkeypatch.setattr(_shutdown, "_event_of_hypercorn", lambda: event)

    async def main() -> None:
        shutdown, streams = Shutdown(), Streams()
        shutdown.add(running_loop(), 1, streams.stop)
        event.set()
        with anyio.fail_after(30):
            while not streams.told:
                await anyio.lowlevel.checkpoint()
        shutdown.remove(running_loop(), 1)

    anyio.run(main)
    for thread in threading.enumerate():
        if thread.name == "evenflow.web":
            thread.join(60)
            assert not thread.is_alive()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server on a free port, until it listens."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", *command.format(port=port).split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    ) as process:
        try:
            assert process.stdout is not None
            while "ready" not in (line := process.stdout.readline()):
                assert line, "the server ended before it listened"
            yield process, port
        finally:
            process.kill()


def connection(port: int) -> socket.socket:
    """A connection, as soon as the server takes one."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=100)
        except ConnectionRefusedError:
            assert time.monotonic() < give_up


def connect(port: int, path: str) -> socket.socket:
    """A client that has read the beginning of the stream."""
    client = connection(port)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    text = b""
    while b": events" not in text or (path == "/events" and b"data:" not in text):
        chunk = client.recv(65_536)
        assert chunk, text
        text += chunk
    return client


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_under_a_real_server_every_stream_ends_within_a_second_and_the_process_within_two(server: str) -> None:
    """A busy and a silent stream under SIGTERM, without a handler of the application's."""
    with (
        serving(SERVERS[server]) as (process, port),
        connect(port, "/events") as busy,
        connect(port, "/silent") as quiet,
    ):
        at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for client in (quiet, busy):
            text = b""
            while chunk := client.recv(65_536):
                text += chunk
                if text.endswith(b"0\r\n\r\n"):  # the end of a chunked answer
                    break
            assert time.monotonic() - at < limit(1)
            assert text.endswith(b"0\r\n\r\n")
            assert b"evenflow.end" not in text
            client.close()
        process.wait(30)
        assert time.monotonic() - at < limit(2)


def settled(port: int) -> None:
    """Wait until each stream waits for its client, and takes no more of its source."""
    before, now = -1, -2
    while before != now or now < 10:
        time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/taken", timeout=30) as answer:
            before, now = now, int(answer.read())


UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.parametrize("upgrade", ["", UPGRADE], ids=["SSE", "WebSocket"])
def test_a_client_that_reads_nothing_does_not_hold_uvicorn(upgrade: str) -> None:
    """Without `--timeout-graceful-shutdown`: the connection is cut off, half a second after SIGTERM."""
    with serving(SERVERS["uvicorn"]) as (process, port), connection(port) as client:
        client.sendall(f"GET /heavy HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode())
        settled(port)
        at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert time.monotonic() - at < limit(4)
