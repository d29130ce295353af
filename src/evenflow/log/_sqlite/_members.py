"""Who lives, and what each member has begun: one small file a member, without a commit.

Rule 1: a member lives as long as its file is locked with ``fcntl.lockf``: the kernel unlocks it when the process dies,
        however it dies, and a forked child does not have the lock.
Rule 2: the file is opened once in its own process (see ``_process``): closing a second descriptor would unlock it.
Rule 3: a mark is the event's number in a slot of its group's, and one ``pwrite`` writes all of a batch that are next to
        each other; a killed process leaves whole slots.

    bytes 0 to 7      when it was last heard of, on the lease clock
    bytes 8 to 255    host and process, for people
    from 256 on       blocks, each of one group: 256 bytes with its name, and 128 slots of 8 bytes, the events' numbers
                      (0: free)

The name stands there once, and not with each number: a mark takes a third of the time.
"""

from __future__ import annotations

import math
import os
import socket
import struct
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from evenflow._errors import LogError
from evenflow.log._stored import Pulse

from ._faults import log_error
from ._process import OncePerProcess, try_lock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_HEAD: Final = 256
"""Bytes before the first block, and those of a block before its slots."""
_SLOT: Final = 8
_SLOTS: Final = 128
_BLOCK: Final = _HEAD + _SLOT * _SLOTS
_BEAT: Final = struct.Struct("<d")
_SEQ: Final = struct.Struct("<Q")
_LENGTH: Final = struct.Struct("<H")
_LONGEST_NAME: Final = _HEAD - _LENGTH.size
OLD: Final = 86_400.0
"""Seconds after which the file of a dead member is removed: nobody has asked for it then."""
NOBODY: Final = Pulse(alive=False, at=-math.inf, begun=frozenset())


class Marks:
    """Where a member notes what it has begun, and that it lives: in memory, for a log that is in memory."""

    def __init__(self, member: str) -> None:
        self.member = member
        self._lock = Lock()
        self._begun: dict[int, int] = {}
        """The number of the event in each slot that is taken; a slot is its place in the file."""
        self._free: dict[str, list[int]] = {}
        """The free slots of each group."""
        self._blocks: list[str] = []
        """The group of each block."""
        self._at = monotonic()
        self._open = True

    def begin(self, group: str, seqs: Sequence[int]) -> Sequence[int]:
        """Note that events are handed to a handler; returns the slot of each.

        Raises:
            LogError: it cannot be noted.
        """
        number = len(seqs)
        with self._lock:
            try:
                free = self._free.get(group)
                while free is None or len(free) < number:
                    free = self._add_block(group)
                slots = free[-number:]
                slots.sort()
                self._write(slots, seqs)
            except OSError as error:
                raise log_error(error, "noting what was begun in the file of", self.member) from error
            del free[-number:]
            self._begun.update(zip(slots, seqs, strict=True))
        return slots

    def _add_block(self, group: str) -> list[int]:
        """More slots for a group; returns all that are free."""
        name = group.encode()
        if len(name) > _LONGEST_NAME:
            raise ValueError(f"the name of group {group[:20]}... is longer than {_LONGEST_NAME} bytes")
        start = _HEAD + len(self._blocks) * _BLOCK
        self._write_name(start, name)
        self._blocks.append(group)
        slots = range(start + _HEAD, start + _BLOCK, _SLOT)
        free = self._free.setdefault(group, [])
        free[:0] = reversed(slots)  # the last is taken first
        return free

    def settled(self, slots: Sequence[int]) -> None:
        """Take notes back; one that is taken back already stays free."""
        with self._lock:
            taken = self._begun
            begun = [slot for slot in slots if taken.pop(slot, None) is not None]
            if begun:
                begun.sort()
                for start, stop in _runs(begun):
                    run = begun[start:stop]
                    self._free[self._group_of(run[0])] += reversed(run)
                    self._erase(run[0], len(run))

    def _group_of(self, slot: int) -> str:
        return self._blocks[(slot - _HEAD) // _BLOCK]

    def beat(self) -> None:
        """Note that it lives."""
        with self._lock:
            self._at = monotonic()
            self._write_beat()

    def pulse(self) -> Pulse:
        """What is known of it."""
        with self._lock:
            return Pulse(
                self._open, self._at, frozenset((self._group_of(slot), seq) for slot, seq in self._begun.items())
            )

    def close(self) -> None:
        """It is a member no more."""
        with self._lock:
            self._open = False

    def _write_name(self, start: int, name: bytes) -> None:
        """Nobody else reads it."""

    def _write(self, slots: Sequence[int], seqs: Sequence[int]) -> None:
        """Nobody else reads it."""

    def _erase(self, first: int, number: int) -> None:
        """Nobody else reads it."""

    def _write_beat(self) -> None:
        """Nobody else reads it."""


class MemberFile(Marks):
    """The same in a file that other processes read, also after this one has died."""

    def __init__(self, path: Path, member: str) -> None:
        super().__init__(member)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        who = f"{socket.gethostname()} {os.getpid()} {time():.3f}\n".encode()[: _HEAD - _BEAT.size]
        try:
            try_lock(self._descriptor)
            os.pwrite(self._descriptor, _BEAT.pack(monotonic()) + who.ljust(_HEAD - _BEAT.size), 0)
        except OSError:
            os.close(self._descriptor)
            with suppress(OSError):
                path.unlink()
            raise

    def close(self) -> None:
        """Unlock the file; it stays as long as something was begun and not settled."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if not self._begun:
                with suppress(OSError):  # then it is found to be dead, and removed in a day
                    self.path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def _write_name(self, start: int, name: bytes) -> None:
        if self._open:
            os.pwrite(self._descriptor, _LENGTH.pack(len(name)) + name, start)

    def _write(self, slots: Sequence[int], seqs: Sequence[int]) -> None:
        if self._open:
            if len(seqs) == 1:
                os.pwrite(self._descriptor, _SEQ.pack(seqs[0]), slots[0])
                return
            for start, stop in _runs(slots):
                os.pwrite(self._descriptor, struct.pack(f"<{stop - start}Q", *seqs[start:stop]), slots[start])

    def _erase(self, first: int, number: int) -> None:
        if self._open:
            with suppress(OSError):  # it is settled in the log, and the mark is only looked at for what is not
                os.pwrite(self._descriptor, bytes(_SLOT * number), first)

    def _write_beat(self) -> None:
        if self._open:
            with suppress(OSError):  # the lock on the file says that it lives; silent for long, it loses its pages
                os.pwrite(self._descriptor, _BEAT.pack(self._at), 0)


def _runs(slots: Sequence[int]) -> Sequence[tuple[int, int]]:
    """Where slots that are next to each other begin and end: one write for each run, and not one for each mark."""
    if slots[-1] - slots[0] == _SLOT * (len(slots) - 1):  # they are sorted, and nearly always one run
        return ((0, len(slots)),)
    ends = [place for place, (one, other) in enumerate(pairwise(slots), 1) if other != one + _SLOT]
    return list(zip([0, *ends], [*ends, len(slots)], strict=True))


def parse_marks(content: bytes) -> tuple[float, frozenset[tuple[str, int]]]:
    """When a member was last heard of, and what it has begun, from its file."""
    if len(content) < _BEAT.size:  # it died before its first write
        return -math.inf, frozenset()
    begun: set[tuple[str, int]] = set()
    for start in range(_HEAD, len(content) - _HEAD, _BLOCK):
        (length,) = _LENGTH.unpack_from(content, start)
        name = content[start + _LENGTH.size : start + _LENGTH.size + length].decode("utf-8", "replace")
        slots = content[start + _HEAD : start + _BLOCK]
        seqs = struct.unpack_from(f"<{len(slots) // _SLOT}Q", slots)
        begun.update((name, seq) for seq in seqs if seq)
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
