"""A pipeline of jobs that stops on SIGTERM, and loses none: what it could not finish is saved, and done next time.

    ... | python examples/job_pipeline.py [FILE]

Each line of the input is a job: a customer, a space, and how many seconds it takes.
Eight jobs run at the same time, but those of one customer one after another, in the order of the input.
After SIGTERM or Ctrl-C no line is read any more, and the jobs that were accepted have two seconds to end.
Those that were cut off are written to FILE, and are the first jobs of the next start.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import anyio

from evenflow import Event, Observer, Subject

PATIENCE = 2.0


class Job(Event):
    """Some work for a customer."""

    number: int
    customer: str
    seconds: float


class Pipeline:
    """Does jobs, and saves those that it cannot finish."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._jobs = Subject(Job, name="jobs")
        self._pending = deque(self._load())
        self._last = max((job.number for job in self._pending), default=0)
        self.worker: Observer = self._jobs.observe(self._work, concurrency=8, ordered_by=Job.customer, buffer=1_000)

    async def run(self, lines: AsyncIterator[str], stop: asyncio.Event, patience: float = PATIENCE) -> None:
        """Do what was saved, then what the lines say, until they end; after `stop`, for `patience` seconds."""
        limit = anyio.CancelScope()
        reading = asyncio.create_task(self._read(lines))
        stopping = asyncio.create_task(self._stop(stop, reading, limit, patience))
        try:
            with limit:
                async with self._jobs:
                    await asyncio.wait([reading])
                # here every job is done; at the deadline the jobs in hand are cancelled instead
        finally:
            stopping.cancel()
            self._save([*self.worker.unhandled, *self._pending])
        if not reading.cancelled():
            reading.result()  # a line that is no job is an error

    async def _stop(
        self, stop: asyncio.Event, reading: asyncio.Task[None], limit: anyio.CancelScope, patience: float
    ) -> None:
        await stop.wait()
        reading.cancel()
        limit.deadline = anyio.current_time() + patience

    async def _read(self, lines: AsyncIterator[str]) -> None:
        await self._publish()
        async for line in lines:
            customer, seconds = line.split()
            self._last += 1
            self._pending.append(Job(number=self._last, customer=customer, seconds=float(seconds)))
            await self._publish()

    async def _publish(self) -> None:
        """Publish what is pending; a publish that is cancelled has reached nobody, so its job stays pending."""
        while self._pending:
            await self._jobs.publish(self._pending[0])
            self._pending.popleft()

    async def _work(self, job: Job) -> None:
        await anyio.sleep(job.seconds)
        print(f"job {job.number} of {job.customer} is done", flush=True)

    def _load(self) -> list[Job]:
        """The jobs that were saved at the last stop."""
        if not self._file.exists():
            return []
        return [Job.model_validate_json(line) for line in self._file.read_text(encoding="utf-8").splitlines()]

    def _save(self, jobs: Iterable[Job]) -> None:
        """Replace the file at once, so that it is never half written."""
        new = self._file.with_suffix(".new")
        new.write_text("".join(f"{job.model_dump_json()}\n" for job in jobs), encoding="utf-8")
        new.replace(self._file)


async def lines_of_input() -> AsyncIterator[str]:
    """The lines of the standard input, which is a pipe."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        async for line in reader:
            yield line.decode()
    finally:
        transport.close()


async def main(file: str = "jobs.saved") -> None:
    """Run until the input ends, or a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pipeline = Pipeline(Path(file))
    await pipeline.run(lines_of_input(), stop)
    done = pipeline.worker.statistics()
    print(f"ended: {done.handled} done, {done.cancelled} cut off", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
