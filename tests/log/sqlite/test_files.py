"""Where a log must not lie, and whether its file is the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite import _files
from evenflow.log._sqlite._files import FileIdentity, WalGlance, boot_id, file_system_of, wal_bytes

from .kit import SQLiteEngine, both_real, names, opened

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:30 / /mnt/team rw shared:2 - nfs4 server:/team rw,vers=4.2
31 22 0:31 / /mnt/team/local rw - xfs /dev/vdb rw
32 22 0:32 / /media/my\\040disk rw master:3 - fuse.sshfs me@there: rw
33 22 0:33 / /srv rw - ext4 /dev/vdc rw
34 22 0:34 / /srv rw - virtiofs host rw
not a line
"""


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/home/me", "ext4"),
        ("/mnt/team", "nfs4"),
        ("/mnt/team/a/b", "nfs4"),
        ("/mnt/teamwork", "ext4"),
        ("/mnt/team/local/a", "xfs"),
        ("/media/my disk/a", "fuse.sshfs"),
        ("/srv/a", "virtiofs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    """Whatever its name; a folder whose name only begins like it is another."""
    assert file_system_of(Path(path), MOUNTS) == kind


def file_system_here(folder: Path) -> str | None:
    return file_system_of(folder, Path("/proc/self/mountinfo").read_text())


@both_real
async def test_a_network_file_system_is_refused_by_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made there; whoever knows better may open it."""
    here = file_system_here(tmp_path)
    monkeypatch.setattr(_files, "UNSAFE", {here})
    with pytest.raises(LogError, match=f"lies on {here}, a network or shared-folder"):
        await SQLiteEngine(tmp_path / "log.db").open()
    assert names(tmp_path) == []
    async with opened(tmp_path / "log.db", unsafe_filesystem=True):
        assert wal_bytes(tmp_path / "log.db") >= 0


@both_real
async def test_a_place_where_no_file_can_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """No directory, a directory, and one in which nobody may write."""
    with pytest.raises(LogError, match="does not exist; make it first"):
        await SQLiteEngine(tmp_path / "none" / "log.db").open()
    with pytest.raises(LogError, match="is a directory"):
        await SQLiteEngine(tmp_path).open()
    with pytest.raises(LogError, match="allow this user"):
        await SQLiteEngine("/proc/self/log.db").open()


def test_a_read_only_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before SQLite says that it is 'unable to open database file'."""
    monkeypatch.setattr(_files.os, "access", lambda *_: False)
    with pytest.raises(LogError, match="read-only for this user"):
        _files.check_directory(tmp_path / "log.db")


def test_a_file_that_was_replaced_is_another(tmp_path: Path) -> None:
    """Also one of the same name."""
    path = tmp_path / "log.db"
    path.touch()
    identity = FileIdentity(path)
    identity.check()
    path.rename(tmp_path / "old.db")
    with pytest.raises(LogError, match="was moved or deleted"):
        identity.check()
    path.touch()
    with pytest.raises(LogError, match="replaced"):
        identity.check()
    (tmp_path / "old.db").replace(path)
    identity.check()


def test_the_boot_has_a_name_that_stays() -> None:
    """On Linux the kernel's own."""
    assert boot_id() == boot_id()
    assert len(boot_id()) > 10


def test_a_glance_shows_what_was_written_a_moment_ago(tmp_path: Path) -> None:
    """For a second after each write to the write-ahead log; no file is no news."""
    glance = WalGlance(tmp_path / "log.db")
    wal = tmp_path / "log.db-wal"
    assert not glance.may_be_news(10.0)
    wal.write_bytes(b"a")
    assert [glance.may_be_news(now) for now in (11.0, 11.9, 12.1, 13.0)] == [True, True, False, False]
    os.utime(wal, ns=(1, 1))  # as many bytes, at another time
    assert [glance.may_be_news(now) for now in (13.1, 14.0, 14.2)] == [True, True, False]
    with wal.open("ab") as file:
        file.write(b"b")
    os.utime(wal, ns=(1, 1))  # at the same time, but longer
    assert [glance.may_be_news(now) for now in (15.0, 16.1)] == [True, False]
    wal.unlink()
    assert [glance.may_be_news(now) for now in (17.0, 18.1)] == [True, False]
