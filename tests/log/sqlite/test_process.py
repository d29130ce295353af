"""What belongs to a process: files that it may open once only."""

from __future__ import annotations

import gc
import os
import weakref

from evenflow.log._sqlite._process import OncePerProcess, keep_for_ever, try_lock, unlock


def test_all_users_of_a_path_share_one_thing_and_the_last_one_closes_it() -> None:
    """Another path has another; afterwards it is made anew."""
    things: OncePerProcess[list[str]] = OncePerProcess()
    closed: list[list[str]] = []
    one, other = things.acquire("a", lambda: ["one"]), things.acquire("a", lambda: ["two"])
    assert one is other
    assert things.find("a") is one
    assert things.find("b") is None
    things.release("a", closed.append)
    assert closed == []
    things.release("a", closed.append)
    assert closed == [["one"]]
    assert things.acquire("a", lambda: ["three"]) == ["three"]


def test_a_forked_child_has_none_of_its_parents_things() -> None:
    """It knows that the parent has it, even if another thread was looking at that moment."""
    things: OncePerProcess[str] = OncePerProcess()
    things.acquire("a", lambda: "parents")
    assert not things.is_inherited("a")
    with things._guard:
        child = os.fork()
        if not child:
            own = things.find("a") is None and things.acquire("b", lambda: "own") == "own"
            os._exit(0 if own and things.is_inherited("a") and not things.is_inherited("b") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_lock_holds_for_other_processes(tmp_path) -> None:  # type: ignore[no-untyped-def]  # a fixture of pytest
    """Until it is unlocked."""
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)

    def others_can() -> bool:
        child = os.fork()
        if not child:
            os._exit(0 if try_lock(os.open(tmp_path / "file", os.O_RDWR)) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert try_lock(descriptor)
    assert not others_can()
    unlock(descriptor)
    assert others_can()
    os.close(descriptor)


def test_what_is_kept_for_ever_is_never_destroyed() -> None:
    """Whoever lets go of it."""

    class Thing:
        pass

    kept, other = Thing(), Thing()
    references = [weakref.ref(kept), weakref.ref(other)]
    keep_for_ever(kept)
    del kept, other
    gc.collect()
    assert [reference() is None for reference in references] == [False, True]
