"""Where a log must not lie, and whether its file is still the same one.

A write-ahead log needs memory that its processes share, and locks that work: file systems over a network, and folders
that a virtual machine shares with its host, have neither, and damage the file within minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from evenflow._errors import LogError

MEMORY: Final = ":memory:"
UNSAFE: Final = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "glusterfs",
    "lustre", "beegfs", "gpfs", "ocfs2", "gfs2", "davfs", "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs",
    "fakeowner", "osxfs", "grpcfuse", "fuse.sshfs", "fuse.vmhgfs-fuse", "fuse.grpcfuse", "fuse.osxfs", "fuse.s3fs",
    "fuse.rclone", "fuse.gcsfuse", "fuse.goofys", "fuse.glusterfs", "fuse.ceph", "fuse.davfs2", "fuse.smbnetfs",
    "fuse.portal", "fuse.drivefs", "fuse.onedriver", "fuse.juicefs", "fuse.seaweedfs", "fuse.mount-s3",
    "fuse.blobfuse",
})  # fmt: skip

_NEWS: Final = 1.0
"""Seconds after which what was written to the write-ahead log has been committed."""


def file_system_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that a path lies on, from the text of ``/proc/self/mountinfo``."""
    text, found, length = os.path.realpath(path), None, -1
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5 or not after:  # noqa: PLR2004 -- the fifth field is the mount point
            continue
        point = fields[4].replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", "\\")
        inside = point in ("/", text) or text.startswith(point + "/")
        # of two mounts at one point the later one covers the earlier
        if inside and len(point) >= length:
            found, length = after.split(" ", 1)[0], len(point)
    return found


def check_file_system(path: Path) -> None:
    """Refuse a file system on which SQLite's locks or shared memory do not work.

    Raises:
        LogError: it is one of these.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux: nobody says what lies where
        return
    kind = file_system_of(path.parent, mounts)
    if kind in UNSAFE:
        raise LogError(
            f"{path} lies on {kind}, a network or shared-folder file system, on which SQLite's write-ahead log is"
            " damaged; put the log on a local disk (in a container: a volume, no bind mount of the host's folder), use"
            " an engine with a server, or, if only one process ever opens it and losing it is no harm, pass"
            " unsafe_filesystem=True"
        )


def check_directory(path: Path) -> None:
    """Refuse a directory in which the log's files cannot be made.

    Raises:
        LogError: the message says why.
    """
    parent = path.parent
    if not parent.is_dir():
        raise LogError(f"{path} cannot be opened: the directory {parent} does not exist; make it first")
    if path.is_dir():
        raise LogError(f"{path} is a directory; a log is a file, such as {path / 'log.db'}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise LogError(
            f"{path} cannot be opened: the directory {parent} is read-only for this user, and SQLite needs to make"
            " files beside the log; allow this user to write to it, or put the log elsewhere"
        )


class FileIdentity:
    """The file that was opened, which must stay where it is.

    It is never opened here: closing it would drop SQLite's locks on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)  # to make it of the path for each commit takes as long as the look
        self._known = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._name)  # noqa: PTH116 -- each commit looks, and this takes half the time
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def check(self) -> None:
        """See whether it is still there.

        Raises:
            LogError: it was moved, deleted or replaced.
        """
        try:
            found = self._look()
        except OSError:  # whoever reads or writes is told
            return
        if found != self._known:
            happened = "was moved or deleted" if found is None else "was replaced by another file"
            raise LogError(
                f"{self._path} {happened} while it was open: what would be written is not found there any more; close"
                " the log and open it again, and use log.backup() for copies"
            )


def wal_bytes(path: Path) -> int:
    """How long the write-ahead log is."""
    with suppress(OSError):
        return os.stat(f"{path}-wal").st_size  # noqa: PTH116 -- each commit looks
    return 0


class WalGlance:
    """Whether somebody may have written to a log lately, by a glance at its write-ahead log from outside.

    Whoever commits writes there first. A commit is seen only later, once the disk has stored it: so what was written is
    news for as long as that takes at most. One whose disk takes longer is missed; whoever asks must look now and then.
    """

    def __init__(self, path: Path) -> None:
        self._name = f"{path}-wal"
        self._known: tuple[int, int, int] | None = None
        self._old_at = 0.0

    def may_be_news(self, now: float) -> bool:
        """Whether it was written to within the last second, on a clock that nobody steps."""
        found: tuple[int, int, int] | None = None
        with suppress(OSError):
            stat = os.stat(self._name)  # noqa: PTH116 -- this takes half the time
            found = stat.st_mtime_ns, stat.st_size, stat.st_ino
        if found != self._known:
            self._known, self._old_at = found, now + _NEWS
        return now < self._old_at


def sync_directory(directory: Path) -> None:
    """Have the names in a directory survive a power cut."""
    with suppress(OSError):  # not every file system can
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def boot_id() -> str:
    """What tells one run of this machine from the next; empty where the machine does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, timeout=5, check=True
            )
            return told.stdout.decode("ascii", "replace").strip()
    return ""
