"""A service without a framework: clients send lines over TCP and get back their hashes, made slowly as for passwords.

    python examples/asyncio_service.py [PORT]

Each connection publishes its jobs and awaits each result with `first`; an observer does four jobs at a time.
A thread publishes the load of the machine, and an observer prints a warning when it is high.
SIGTERM or Ctrl-C ends the service cleanly: every accepted job is answered, then the connections are closed.
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
SALT = b"a real service has one for each text"


class HashAsked(Event):
    """A client wants the hash of this text."""

    job: int
    text: str


class Hashed(Event):
    """The hash of a job is ready."""

    job: int
    digest: str
    seconds: float


class LoadMeasured(Event):
    """How many processes used or waited for a core, on average over the last minute."""

    average: float


jobs = Subject(HashAsked, name="jobs")
news = Subject(Hashed, LoadMeasured, name="news")


# -- observers


@jobs.observer(HashAsked, concurrency=4, buffer=16)
async def hash_slowly(asked: HashAsked) -> None:
    """Do a job. While 16 jobs wait here, publishers wait too, and so do the clients: no queue grows without bound."""
    started = time.monotonic()
    digest = await asyncio.to_thread(scrypt, asked.text)
    await news.publish(Hashed(job=asked.job, digest=digest, seconds=time.monotonic() - started))


@news.observer(LoadMeasured, where=LoadMeasured.average > 2 * CORES)
def warn(load: LoadMeasured) -> None:
    """Print a warning; the condition lets only a high load through."""
    print(f"load {load.average:.1f} on {CORES} cores", flush=True)


def scrypt(text: str) -> str:
    """Work for some tens of milliseconds, without the interpreter lock."""
    return hashlib.scrypt(text.encode(), salt=SALT, n=2**14, r=8, p=1).hex()


# -- publishers


class Server:
    """Accepts connections; each line is a job, and its answer is a line."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client goes or the service ends."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            async for line in reader:
                job = next(self._numbers)
                # `first` listens from this call on, so the result cannot come too early
                result = news.first(Hashed, where=Hashed.job == job)
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
        """Close the connections, which now only wait for a next line."""
        connections = dict(self._connections)
        for writer in connections.values():
            writer.close()
        await asyncio.gather(*connections)


def measure_load(ended: threading.Event) -> None:
    """Publish the load once a second until the service ends; runs in a thread."""
    try:
        while not ended.wait(1.0):
            news.publish_from_thread(LoadMeasured(average=os.getloadavg()[0]))
    except SubjectClosed:
        pass


# -- the service


async def main(port: int = 0) -> None:
    """Run until SIGINT or SIGTERM comes."""
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
        # leaving `jobs` closed it and waited for its observer: every result is published on `news` now
        await news.drain()  # wait until each connection has read its result
        await connections.hang_up()
        ended.set()
    statistics = jobs.statistics()
    print(f"ended: {statistics.published} jobs, {statistics.observers[0].handled} done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:2])))
