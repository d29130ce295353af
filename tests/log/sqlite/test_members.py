"""Members: who lives, and what each has begun, across processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite._members import NOBODY, OLD, Members, parse_marks

from .kit import both_real, opened, process

MEMBER = """
async def main():
    engine = SQLiteEngine(path)
    await engine.open()
    engine.begin("billing", [7])
    engine.settled(engine.begin("mail", [8]))
    engine.begin("billing", [9])
    say(engine.member)
    sys.stdin.readline()
    if len(sys.argv) > 2:
        child = os.fork()
        if not child:
            time.sleep(60)
        say(child)
        sys.stdin.readline()

anyio.run(main)
"""


@both_real
async def test_a_member_that_is_killed_is_dead_at_once_and_its_marks_stay(tmp_path: Path) -> None:
    """Nobody needs to wait for a timeout."""
    async with opened(tmp_path / "log.db") as engine:
        with process(MEMBER, tmp_path / "log.db") as other:
            assert other.stdout is not None
            member = other.stdout.readline().strip()
            for _ in range(3):
                pulse = (await engine.pulses([member]))[member]
                assert pulse.alive is True
                assert pulse.begun == {("billing", 7), ("billing", 9)}
                assert engine.clock() - 20 < pulse.at <= engine.clock()
            other.kill()
            other.wait()
            dead = (await engine.pulses([member]))[member]
            assert dead.alive is False
            assert (dead.begun, dead.at) == (pulse.begun, pulse.at)


@both_real
async def test_a_forked_child_does_not_keep_a_dead_member_alive(tmp_path: Path) -> None:
    """Its copy of the file has no lock."""
    async with opened(tmp_path / "log.db") as engine:
        with process(MEMBER, tmp_path / "log.db", "fork") as other:
            assert other.stdout is not None
            assert other.stdin is not None
            member = other.stdout.readline().strip()
            other.stdin.write("\n")
            other.stdin.flush()
            child = int(other.stdout.readline())
            try:
                assert (await engine.pulses([member]))[member].alive is True
                other.kill()
                other.wait()
                assert (await engine.pulses([member]))[member].alive is False
            finally:
                os.kill(child, 9)


def test_looking_at_a_member_of_this_process_leaves_its_lock_alone(tmp_path: Path) -> None:
    """Another process sees both alive afterwards."""
    one, other = Members(tmp_path / "log.db"), Members(tmp_path / "log.db")
    assert one.pulses([other.member])[other.member].alive
    assert other.pulses([one.member])[one.member].alive
    look = """
    from evenflow.log._sqlite._members import Members
    members = Members(path)
    say([members.pulses([name])[name].alive for name in sys.argv[2:]])
    """
    with process(look, tmp_path / "log.db", one.member, other.member, "nobody") as third:
        assert third.stdout is not None
        assert third.stdout.readline() == "[True, True, False]\n"
    other.close()
    assert one.pulses([other.member])[other.member] == NOBODY
    one.close()
    one.close()


def test_a_mark_of_a_closed_member_goes_nowhere(tmp_path: Path) -> None:
    """Its descriptor may be another file's by then."""
    one = Members(tmp_path / "log.db")
    marks = one.own.begin("billing", [1])
    one.close()
    (tmp_path / "other").write_bytes(b"x" * 4096)
    descriptor = os.open(tmp_path / "other", os.O_RDWR)
    one.own.settled(marks)
    one.own.beat()
    one.own.begin("billing", [2])
    assert os.pread(descriptor, 4096, 0) == b"x" * 4096
    os.close(descriptor)


def test_slots_are_used_again(tmp_path: Path) -> None:
    """The file grows with what is in hand, and not with what was."""
    one = Members(tmp_path / "log.db")
    for n in range(1, 1_000):
        one.own.settled(one.own.begin("billing", [n]))
    (path,) = (tmp_path / "log.db-evenflow-members").iterdir()
    assert path.stat().st_size < 1_000
    one.close()
    assert not path.exists()


def test_a_batch_is_noted_wherever_its_slots_are(tmp_path: Path) -> None:
    """Also where those that are free are not next to each other."""
    one = Members(tmp_path / "log.db")
    (path,) = (tmp_path / "log.db-evenflow-members").iterdir()
    marks = one.own.begin("billing", range(1, 10))
    one.own.settled([marks[place] for place in (5, 1, 2)])
    more = one.own.begin("billing", [20, 21, 22, 23])
    assert len({*marks, *more}) == 10
    one.own.settled([marks[0], marks[0]])
    begun = {("billing", n) for n in (4, 5, 7, 8, 9)} | {("billing", n) for n in range(20, 24)}
    assert parse_marks(path.read_bytes())[1] == one.own.pulse().begun == begun
    assert path.stat().st_size <= 256 * 11
    one.close()


def test_a_group_has_as_many_slots_as_it_needs(tmp_path: Path) -> None:
    """More than a block of its file, beside another group; and they are used again."""
    one = Members(tmp_path / "log.db")
    (path,) = (tmp_path / "log.db-evenflow-members").iterdir()
    marks = [*one.own.begin("billing", range(1, 301)), *one.own.begin("mail", [7])]
    marks += one.own.begin("billing", range(301, 402))
    begun = {("billing", n) for n in range(1, 402)} | {("mail", 7)}
    assert parse_marks(path.read_bytes())[1] == one.own.pulse().begun == begun
    size = path.stat().st_size
    one.own.settled(marks)
    assert parse_marks(path.read_bytes())[1] == one.own.pulse().begun == set()
    assert len(set(one.own.begin("billing", range(401)))) == 401
    assert path.stat().st_size == size
    one.close()


def test_files_of_members_that_died_long_ago_are_removed(tmp_path: Path) -> None:
    """Not those of the living, and not those of whoever died just now."""
    folder = tmp_path / "log.db-evenflow-members"
    one = Members(tmp_path / "log.db")
    long_ago = (folder / one.member).stat().st_mtime - OLD - 1
    for name in ("old", "new", one.member):
        (folder / name).touch()
        if name != "new":
            os.utime(folder / name, (long_ago, long_ago))
    other = Members(tmp_path / "log.db")
    other.remove_old()
    assert {path.name for path in folder.iterdir()} == {"new", one.member, other.member}
    one.close()
    other.close()


def test_the_file_of_a_member_that_lives_is_kept_however_old(tmp_path: Path) -> None:
    """In another process, which has not said that it lives for a day."""
    with process(MEMBER, tmp_path / "log.db") as other:
        assert other.stdout is not None
        path = tmp_path / "log.db-evenflow-members" / other.stdout.readline().strip()
        os.utime(path, (1, 1))
        one = Members(tmp_path / "log.db")
        one.remove_old()
        assert path.exists()
        other.kill()
        other.wait()
        one.remove_old()
        assert not path.exists()
        one.close()


def test_a_name_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Rather than cut, for two groups could be one then."""
    one = Members(tmp_path / "log.db")
    with pytest.raises(ValueError, match="longer"):
        one.own.begin("x" * 300, [1])
    one.close()


def test_a_file_that_was_cut_short_has_begun_what_is_whole() -> None:
    """A process may die before its first write."""
    assert parse_marks(b"") == (float("-inf"), frozenset())
    assert parse_marks(b"\0" * 8) == (0.0, frozenset())
    block = ((3).to_bytes(2, "little") + b"abc").ljust(256, b"\0") + (5).to_bytes(8, "little")
    assert parse_marks(b"\0" * 256 + block) == (0.0, {("abc", 5)})
    for length in (1, 3, 200, 256, 263):
        assert parse_marks(b"\0" * 256 + block[:length]) == (0.0, frozenset())


def test_a_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """Here a file lies in its place."""
    (tmp_path / "log.db-evenflow-members").touch()
    with pytest.raises(LogError, match="knows whether this process lives"):
        Members(tmp_path / "log.db")
