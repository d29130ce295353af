"""After a fork the child's copy refuses, and leaves the parent's file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kit import run_process, select

FORK = """
from evenflow._errors import LogError


def refused(call):
    try:
        anyio.run(call)
    except LogError as error:
        return "fork" in str(error)
    return False


async def main():
    engine = SQLiteEngine(path)
    await engine.open()
    await append(engine, "before", id="one")
    await texts(engine)
    marks = engine.begin("billing", [1])
    with anyio.move_on_after(0.1):
        await engine.wait(engine.mark())
    child = os.fork()
    if not child:
        in_child(engine)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    for n in range(20):
        await append(engine, f"{n}")
    assert await texts(engine) == ["before", *(f"{n}" for n in range(20))]
    with pytest_is_not_needed():
        pulse = (await engine.pulses([engine.member]))[engine.member]
    assert pulse.alive and pulse.begun == {("billing", 1)}
    engine.settled(marks)
    assert wal.exists()
    await engine.close()
    say("ok")


from contextlib import nullcontext as pytest_is_not_needed
wal = Path(f"{path}-wal")
"""


@pytest.mark.parametrize(
    "child",
    [
        # it uses the parent's engine, in a loop of its own, which has no part in the parent's
        """
        import threading
        def in_child(engine):
            results = []
            def work():
                results.append(refused(lambda: append(engine, "child")))
                results.append(refused(lambda: texts(engine)))
                results.append(refused(lambda: engine.wait(0)))
                anyio.run(engine.close)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            os._exit(0 if results == [True] * 3 else 1)
        """,
        # it lets everything go, and ends as a process does: destructors and exit handlers run
        """
        import gc
        def in_child(engine):
            engine._opening = None
            del engine
            gc.collect()
            import atexit
            atexit._run_exitfuncs()
            sys.stdout.flush()
            import threading
            threading._shutdown()
            gc.collect()
            os._exit(0)
        """,
        # it opens the same file anew, which SQLite cannot do here
        """
        import threading
        def in_child(engine):
            results = []
            def work():
                results.append(refused(SQLiteEngine(path).open))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            os._exit(0 if results == [True] else 1)
        """,
    ],
    ids=["uses it", "lets it go", "opens it"],
)
def test_a_forked_child_refuses_and_harms_nothing(tmp_path: Path, child: str) -> None:
    """The parent goes on, with all its locks and its write-ahead log; nothing is damaged."""
    import textwrap

    said = run_process(FORK + textwrap.dedent(child) + "\nanyio.run(main)\n", tmp_path / "log.db")
    assert said == "ok\n"
    assert select(tmp_path / "log.db", "SELECT count(*) FROM evenflow_event") == [(21,)]
    assert select(tmp_path / "log.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_child_that_ends_on_its_own_harms_nothing(tmp_path: Path) -> None:
    """It returns from everything, and the interpreter takes it down with all its objects."""
    said = run_process(
        """
        def work():
            async def main():
                engine = SQLiteEngine(path)
                await engine.open()
                await append(engine, "before")
                await texts(engine)
                return engine
            import asyncio
            loop = asyncio.new_event_loop()
            engine = loop.run_until_complete(main())
            child = os.fork()
            if not child:
                return "child"
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0, status
            assert Path(f"{path}-wal").exists()  # empty once the log has been idle
            loop.run_until_complete(append(engine, "after"))
            assert loop.run_until_complete(texts(engine)) == ["before", "after"]
            loop.run_until_complete(engine.close())
            return "ok"

        said = work()
        if said == "ok":
            say(said)
        """,
        tmp_path / "log.db",
    )
    assert said == "ok\n"
    assert select(tmp_path / "log.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_child_may_open_a_log_that_was_not_open_when_it_was_forked(tmp_path: Path) -> None:
    """Closed before, or never opened: then parent and child are two processes like any others."""
    said = run_process(
        """
        async def use(text):
            engine = SQLiteEngine(path)
            await engine.open()
            await append(engine, text)
            found = await texts(engine)
            await engine.close()
            return found

        anyio.run(use, "before")
        child = os.fork()
        if not child:
            anyio.run(use, "child")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        say(anyio.run(use, "parent"))
        """,
        tmp_path / "log.db",
    )
    assert said == "['before', 'child', 'parent']\n"
