"""What a server must be like: looked at when a log is opened.

what is found                       what is done
older than Redis 6.2                refused: it lacks the commands
a maxmemory-policy that evicts      refused: it would remove events, ids and groups at its own choice
a replica                           refused: it takes no writes
durability="power" and no fsync     refused: what is published would not survive a power cut
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from evenflow._errors import LogError
from evenflow.log._stored import Absent

from ._faults import AWAY, kind_of, words

if TYPE_CHECKING:
    from ._line import Line

_log = logging.getLogger("evenflow.log")

OLDEST: Final = (6, 2)


async def check(line: Line, name: str, durability: str, key: str, *, creates: bool = True) -> None:
    """Refuse a server that cannot keep a log.

    Raises:
        Absent: it has no log under this key, and none is to be made.
        LogError: it cannot; the message says what was found, and what to set.
        Lost: it could not be asked.
    """
    questions: list[tuple[str, ...]] = [("INFO",), ("EXISTS", key)]
    if durability == "power":
        questions.append(("CONFIG", "GET", "append*"))
    replies = await line.exchange(questions)
    for reply in replies[:2]:
        if isinstance(reply, Exception):
            if kind_of(reply, line.address) == AWAY:
                raise await line.lose(reply)
            raise LogError(f"{name} cannot be opened: {words(reply)}")
    info = _parsed(replies[0])
    _check_info(name, info)
    if durability == "power":
        _check_fsync(name, replies[2])
    if not creates and not replies[1]:
        raise Absent(name)


def _parsed(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines())
    return {field: value for field, colon, value in lines if colon}


def _check_info(name: str, info: dict[str, str]) -> None:
    version = info.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise LogError(f"{name} is Redis {version or 'of an unknown version'}: evenflow needs 6.2 or later, or Valkey")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise LogError(
            f"{name} has maxmemory-policy {policy}: it would remove events, ids and groups when its memory is full; set"
            " maxmemory-policy noeviction, or use a server of its own for the log"
        )
    if info.get("role", "master") not in {"master", "primary"}:
        raise LogError(f"{name} is a replica, which takes no writes; use the URL of its primary")
    if info.get("aof_enabled", "0") == "0":
        _log.info("%s keeps no append-only file: what is published may be gone after a restart of the server", name)


def _check_fsync(name: str, reply: Any) -> None:
    if isinstance(reply, Exception):
        raise LogError(
            f"{name} does not show its settings ({words(reply)}), so it is not known whether what is published survives"
            ' a power cut; use durability="server", and look yourself'
        )
    settings = dict(zip(reply[::2], reply[1::2], strict=True))
    found = {key: settings.get(key.encode(), b"?").decode() for key in ("appendonly", "appendfsync")}
    if found != {"appendonly": "yes", "appendfsync": "always"}:
        shown = ", ".join(f"{key} {value}" for key, value in found.items())
        raise LogError(
            f"{name} has {shown}: what is published would not survive a power cut; set appendonly yes and appendfsync"
            ' always, or use durability="server"'
        )
