"""Who lives, and what each member has begun: one small file a member, without a commit.

Rule 1: a member lives as long as its file is locked with ``fcntl.lockf``: the kernel unlocks it when the process dies,
        however it dies, and a forked child does not have the lock.
Rule 2: the file is opened once in its own process (see ``_process``): closing a second descriptor would unlock it.
Rule 3: a mark is one ``pwrite`` of a slot of fixed size; a killed process leaves whole slots.

    bytes 0 to 7      when it was last heard of, on the lease clock
    bytes 8 to 255    host and process, for people
    from 256 on       slots of 256 bytes: the event's number (0: free), the length of the group's name, the name
"""

from __future__ import annotations

import math
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from evenflow._errors import LogError
from evenflow.log._engine import Pulse

from ._process import OncePerProcess, try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_SLOT: Final = 256
_BEAT: Final = struct.Struct("<d")
_MARK: Final = struct.Struct("<QH")
_FREE: Final = bytes(_MARK.size)
_LONGEST_NAME: Final = _SLOT - _MARK.size
OLD: Final = 86_400.0
"""Seconds after which the file of a dead member is removed: nobody has asked for it then."""
NOBODY: Final = Pulse(alive=False, at=-math.inf, begun=frozenset())


class Marks:
    """Where a member notes what it has begun, and that it lives: in memory, for a log that is in memory."""

    def __init__(self, member: str) -> None:
        self.member = member
        self._lock = Lock()
        self._begun: dict[int, tuple[str, int]] = {}
        self._free: list[int] = []
        self._slots = 0
        self._at = monotonic()
        self._open = True

    def begin(self, group: str, seq: int) -> Callable[[], None]:
        """Note that an event is handed to a handler; the result takes the note back, once."""
        if len(group.encode()) > _LONGEST_NAME:
            raise ValueError(f"the name of group {group[:20]}... is longer than {_LONGEST_NAME} bytes")
        with self._lock:
            slot = self._free.pop() if self._free else self._slots
            self._slots = max(self._slots, slot + 1)
            self._begun[slot] = (group, seq)
            self._write(slot, group, seq)

        def settled() -> None:
            with self._lock:
                if self._begun.pop(slot, None) is not None:
                    self._free.append(slot)
                    self._erase(slot)

        return settled

    def beat(self) -> None:
        """Note that it lives."""
        with self._lock:
            self._at = monotonic()
            self._write_beat()

    def pulse(self) -> Pulse:
        """What is known of it."""
        with self._lock:
            return Pulse(self._open, self._at, frozenset(self._begun.values()))

    def close(self) -> None:
        """It is a member no more."""
        with self._lock:
            self._open = False

    def _write(self, slot: int, group: str, seq: int) -> None:
        """Nobody else reads it."""

    def _erase(self, slot: int) -> None:
        """Nobody else reads it."""

    def _write_beat(self) -> None:
        """Nobody else reads it."""


class MemberFile(Marks):
    """The same in a file that other processes read, also after this one has died."""

    def __init__(self, path: Path, member: str) -> None:
        super().__init__(member)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try_lock(self._descriptor)
        who = f"{socket.gethostname()} {os.getpid()} {time():.3f}\n".encode()[: _SLOT - _BEAT.size]
        os.pwrite(self._descriptor, _BEAT.pack(monotonic()) + who.ljust(_SLOT - _BEAT.size), 0)

    def close(self) -> None:
        """Unlock the file; it stays as long as something was begun and not settled."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if not self._begun:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def _write(self, slot: int, group: str, seq: int) -> None:
        name = group.encode()
        if self._open:
            os.pwrite(self._descriptor, _MARK.pack(seq, len(name)) + name, _SLOT + slot * _SLOT)

    def _erase(self, slot: int) -> None:
        if self._open:
            os.pwrite(self._descriptor, _FREE, _SLOT + slot * _SLOT)

    def _write_beat(self) -> None:
        if self._open:
            os.pwrite(self._descriptor, _BEAT.pack(self._at), 0)


def parse_marks(content: bytes) -> tuple[float, frozenset[tuple[str, int]]]:
    """When a member was last heard of, and what it has begun, from its file."""
    if len(content) < _BEAT.size:  # it died before its first write
        return -math.inf, frozenset()
    begun: set[tuple[str, int]] = set()
    for start in range(_SLOT, len(content), _SLOT):
        slot = content[start : start + _SLOT]
        if len(slot) >= _MARK.size:
            seq, length = _MARK.unpack_from(slot)
            if seq:
                begun.add((slot[_MARK.size : _MARK.size + length].decode("utf-8", "replace"), seq))
    return _BEAT.unpack_from(content)[0], frozenset(begun)


_OWN: Final = OncePerProcess[MemberFile]()


class Members:
    """The members of a log: this opening, and those of other processes.

    Args:
        path: of the log; None for one in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.member: str = f"{os.getpid()}-{uuid4().hex[:16]}"
        self._folder = None if path is None else Path(os.path.realpath(f"{path}-evenflow-members"))
        self.own: Marks = Marks(self.member) if self._folder is None else self._make(self._folder)

    def _make(self, folder: Path) -> MemberFile:
        path = folder / self.member
        try:
            folder.mkdir(exist_ok=True)
            return _OWN.acquire(str(path), lambda: MemberFile(path, self.member))
        except OSError as error:
            raise LogError(
                f"{path} cannot be made ({error.strerror}), and without it nobody knows whether this process lives;"
                f" allow this user to write to {folder.parent}"
            ) from error

    def close(self) -> None:
        """This opening is a member no more."""
        if isinstance(self.own, MemberFile):
            path = str(self.own.path)
            if _OWN.find(path) is self.own:
                _OWN.release(path, MemberFile.close)
        else:
            self.own.close()

    def pulses(self, members: Collection[str]) -> dict[str, Pulse]:
        """What is known of these members."""
        return {member: self._pulse(member) for member in members}

    def _pulse(self, member: str) -> Pulse:
        if member == self.member:
            return self.own.pulse()
        if self._folder is None or os.sep in member or not member.strip("."):
            return NOBODY
        path = self._folder / member
        # a second descriptor of a file of this process would unlock it
        of_this_process = _OWN.find(str(path))
        return _read(path) if of_this_process is None else of_this_process.pulse()

    def remove_old(self) -> None:
        """Remove the files of members that have been dead for a day."""
        if self._folder is None:
            return
        for path in self._folder.iterdir():
            with suppress(OSError):
                is_old = time() - path.stat().st_mtime > OLD
                if is_old and _OWN.find(str(path)) is None and not _read(path).alive:
                    path.unlink()


def _read(path: Path) -> Pulse:
    """The pulse of a member of another process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return NOBODY
    try:
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        alive = not try_lock(descriptor)
        if not alive:
            # what it wrote between the two looks
            content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)
    at, begun = parse_marks(content)
    return Pulse(alive, at, begun)
