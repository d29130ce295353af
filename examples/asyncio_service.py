"""A service without a framework: clients send lines over TCP and get them back hashed, slowly, as passwords should be.

    python examples/asyncio_service.py [PORT]

Each connection is a producer, which awaits its result with `first`; an observer does the work, four jobs at a time.
A thread publishes how loaded the machine is, and an observer warns.
SIGTERM, or Ctrl-C, ends it cleanly: what was asked for is answered, then the connections are closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import signal
import sys
import threading
import time

from anyio import EndOfStream

from evenflow import Event, Subject, SubjectClosed

HOST = "127.0.0.1"
CORES = os.cpu_count() or 1
SALT = b"a service would have one for each"


class HashAsked(Event):
    """A client wants this hashed."""

    job: int
    text: str


class Hashed(Event):
    """It is done."""

    job: int
    digest: str
    seconds: float


class LoadMeasured(Event):
    """How many tasks wanted a core over the last minute."""

    tasks: float


jobs = Subject(HashAsked, name="jobs")
news = Subject(Hashed, LoadMeasured, name="news")


# -- observers


@jobs.observer(HashAsked, concurrency=4, buffer=16)
async def hash_slowly(asked: HashAsked) -> None:
    """Work. While sixteen jobs wait for it, publishers wait too, and with them the clients: nothing piles up."""
    started = time.monotonic()
    digest = await asyncio.to_thread(scrypt, asked.text)
    await news.publish(Hashed(job=asked.job, digest=digest, seconds=time.monotonic() - started))


@news.observer(LoadMeasured, where=LoadMeasured.tasks > 2 * CORES)
def warn(load: LoadMeasured) -> None:
    """Be asked only about what is high."""
    print(f"load {load.tasks:.1f} on {CORES} cores", flush=True)


def scrypt(text: str) -> str:
    """Some tens of milliseconds of work that lets other threads run."""
    return hashlib.scrypt(text.encode(), salt=SALT, n=2**14, r=8, p=1).hex()


# -- producers


class Server:
    """Takes connections; each line is a job, and the answer to it is a line."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client goes or the service ends."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            async for line in reader:
                job = next(self._numbers)
                result = news.first(Hashed, where=Hashed.job == job)  # from this call on: it cannot come too early
                await jobs.publish(HashAsked(job=job, text=line.decode(errors="replace").rstrip("\n")))
                hashed = await result
                writer.write(f"{hashed.digest}\n".encode())
                await writer.drain()
        except (SubjectClosed, EndOfStream, ConnectionError):
            pass  # the service ends, or the client has gone
        finally:
            writer.close()
            del self._connections[task]

    async def hang_up(self) -> None:
        """End the connections that wait for their client's next line."""
        connections = dict(self._connections)
        for writer in connections.values():
            writer.close()
        await asyncio.gather(*connections)


def measure_load(ended: threading.Event) -> None:
    """In a thread of its own: once a second, until the service ends."""
    try:
        while not ended.wait(1.0):
            news.publish_from_thread(LoadMeasured(tasks=os.getloadavg()[0]))
    except SubjectClosed:
        pass


# -- the service


async def main(port: int = 0) -> None:
    """Run until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ended = threading.Event()
    connections = Server()
    async with news, asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(measure_load, ended))
        async with jobs:
            server = await asyncio.start_server(connections.serve, HOST, port)
            print(f"listening on {HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
            await stop.wait()
            server.close()
        # `jobs` was left: it is closed, and the observer has done all that it was owed, which went to `news`
        await news.drain()  # and each connection has taken its result
        await connections.hang_up()
        ended.set()
    statistics = jobs.statistics()
    print(f"ended: {statistics.published} jobs, {statistics.observers[0].handled} done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:2])))
