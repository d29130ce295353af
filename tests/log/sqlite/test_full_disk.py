"""A full disk, seen by whoever uses a log: a real limit on the size of files, while a process publishes and consumes."""

from __future__ import annotations

from pathlib import Path

from .kit import run_process, select

PROGRAM = """
import logging, resource
from evenflow import Event
from evenflow.log import Delivery, LogError, SQLiteLog

_, HARD = resource.getrlimit(resource.RLIMIT_FSIZE)
said = []


class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (HARD if size is None else size, HARD))


class Made(Event):
    n: int
    text: str = ""


async def until(condition):
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.01)


async def main():
    log = SQLiteLog(path)
    subject = log.subject("made", Made)
    confirmed, refused, uncertain, handled, seen = [], [], [], [], []
    is_full = anyio.Event()

    @subject.consumer("handled", concurrency=4)
    async def handle(made: Made):
        await is_full.wait()
        handled.append(made.n)

    async def publish(n, text=""):
        with anyio.fail_after(30):
            try:
                await subject.publish(Made(n=n, text=text), id=str(n))
            except LogError as error:
                (refused if error.stored is False else uncertain).append(n)
                return False
        confirmed.append(n)
        return True

    async def read(subscription):
        async for made in subscription:
            seen.append(made.n)

    async with log, subject.subscribe() as subscription, subject.deliveries("pulled") as deliveries:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, subscription)
            await publish(0)
            pulled = await deliveries.receive()
            limit(2_000_000)
            n = 1
            while len(refused) + len(uncertain) < 3:
                await publish(n, "x" * 50_000)
                n += 1
            assert len(confirmed) > 10, confirmed
            limit(4_096)
            is_full.set()
            for n in range(1_000, 1_004):
                assert not await publish(n)
            try:
                await pulled.ack()
            except LogError:
                pass
            else:
                raise AssertionError("an ack was confirmed on a full disk")
            await until(lambda: any("tries again" in text for text in said))
            assert [record.event.n async for record in subject.read()] == confirmed, "what is stored can be read"
            limit(None)
            await until_published(publish, 2_000)
            await pulled.ack()
            again = refused + uncertain
            for n in again:
                assert await publish(n), "published again with its id"
            wanted = {0, 2_000, *confirmed}
            await until(lambda: set(handled) >= wanted and set(seen) >= wanted)
            while any(group.due or group.in_hand for group in await subject.groups() if group.name == "handled"):
                await anyio.sleep(0.01)
            stored = [record.event.n async for record in subject.read()]
            tasks.cancel_scope.cancel()
    assert sorted(stored) == sorted(wanted), "each is stored once"
    assert seen == stored, "a live reader has had each of them, in order"
    assert sorted(handled) == sorted(wanted), "each was handled once"
    say(len(again), len(stored), len(handled))


async def until_published(publish, n):
    with anyio.fail_after(30):
        while not await publish(n):
            pass


logging.getLogger("evenflow").addHandler(Said())
anyio.run(main, backend=sys.argv[2])
"""


def test_a_full_disk_is_told_to_whoever_it_concerns_and_the_log_goes_on_by_itself(tmp_path: Path) -> None:
    """Publishing and acknowledging fail with LogError and reading does not; then the same process goes on, with all."""
    for backend in ("asyncio", "trio"):
        path = tmp_path / f"{backend}.db"
        again, stored, handled = map(int, run_process(PROGRAM, path, backend).split())
        assert again >= 7
        assert stored == handled
        assert select(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_log_that_cannot_be_made_on_a_full_disk_says_so_and_opens_once_there_is_room(tmp_path: Path) -> None:
    """Opening fails with LogError, and leaves nothing that has to be cleaned up."""
    said = run_process(
        """
        import resource
        from evenflow import Event
        from evenflow.log import LogError, SQLiteLog


        class Made(Event):
            n: int


        async def main():
            log = SQLiteLog(path)
            subject = log.subject("made", Made)
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
            try:
                async with log:
                    raise AssertionError("it was opened on a full disk")
            except LogError as error:
                assert error.stored is False, error
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            async with log:
                await subject.publish(Made(n=1))
                assert [record.event.n async for record in subject.read()] == [1]
            say("ok")


        anyio.run(main)
        """,
        tmp_path / "log.db",
    )
    assert said == "ok\n"
    assert select(tmp_path / "log.db", "PRAGMA integrity_check") == [("ok",)]
