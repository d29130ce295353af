"""The stream of a log: made if there is none, and refused if it could not keep a log.

what is found                                  what is done
a server older than 2.12                       refused: it has no atomic batches
no JetStream                                   refused
limits that remove messages                    refused: they would remove events, ids and groups at their own choice
a setting that is missing                      refused, with what it must be; a stream that evenflow makes has all
a window for ids shorter than a publish takes  refused: a publish without an answer could be stored twice
durability="power" with one replica, no sync   cannot be seen from a client: see the docs
"""

from __future__ import annotations

import json
import logging
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from evenflow._errors import LogError
from evenflow.log._stored import Absent, Lineage

from ._faults import BUSY, NO_RESPONDERS, Busy, kind_of
from ._values import EXPECTED, ROLLUP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._line import Line
    from ._names import Names

_log = logging.getLogger("evenflow.log")

OLDEST: Final = (2, 12)
FORMAT: Final = 1
NANO: Final = 1_000_000_000
WINDOW: Final = 60.0
"""Seconds of the window for ids of a stream that evenflow makes, unless a publish may take longer."""
_MUST: Final = ("allow_direct", "allow_rollup_hdrs", "allow_atomic", "allow_msg_ttl")
NO_STREAM: Final = 10059
EXISTS: Final = 10058


class Shape(NamedTuple):
    """What a stream is made with."""

    replicas: int
    publish_timeout: float

    @property
    def window(self) -> float:
        """Seconds that the server must know an id of a message."""
        return max(WINDOW, 2 * self.publish_timeout)


class Api:
    """Asks the servers about the stream; ``domain`` is that of JetStream."""

    def __init__(self, line: Line, names: Names, domain: str | None) -> None:
        self.line = line
        self.prefix: str = "$JS.API." if domain is None else f"$JS.{domain}.API."
        self._stream = names.stream

    async def ask(self, what: str, body: object = None) -> dict[str, Any]:
        """Ask ``what``, such as ``STREAM.INFO``, of the stream; an error is in the answer.

        Raises:
            Busy: nobody can answer it now.
            Lost: there is no answer.
        """
        data = b"" if body is None else json.dumps(body).encode()
        (answer,) = await self.line.ask(f"{self.prefix}{what}.{self._stream}", data)
        if answer.headers and answer.headers.get("Status") == NO_RESPONDERS:
            raise Busy("JetStream does not answer")
        found: dict[str, Any] = json.loads(answer.data)
        if (error := found.get("error")) and kind_of(error) == BUSY:
            raise Busy(str(error.get("description")))
        return found


def check_server(name: str, version: str) -> None:
    """Refuse a server that cannot keep a log.

    Raises:
        LogError: it is too old.
    """
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise LogError(f"{name} is nats-server {version or 'of an unknown version'}: evenflow needs 2.12 or later")


def wanted(names: Names, shape: Shape) -> dict[str, Any]:
    """The settings of a stream that evenflow makes."""
    return {
        "name": names.stream,
        "subjects": names.stored,
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": shape.replicas,
        "duplicate_window": round(shape.window * NANO),
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "allow_atomic": True,
        "allow_msg_ttl": True,
        "republish": {"src": f"{names.prefix}.>", "dest": names.heard, "headers_only": True},
    }


async def ensure(api: Api, name: str, names: Names, shape: Shape, *, creates: bool = True) -> dict[str, Any]:
    """Look at the stream, or make it; returns what the server says of it.

    Raises:
        Absent: there is none, and none is to be made.
        LogError: it cannot keep a log, or cannot be made.
        Busy, Lost: the server cannot be asked now.
    """
    found = await api.ask("STREAM.INFO")
    if (error := found.get("error")) and error.get("err_code") == NO_STREAM:
        if not creates:
            raise Absent(name)
        made = await api.ask("STREAM.CREATE", wanted(names, shape))
        if (error := made.get("error")) and error.get("err_code") != EXISTS:
            raise LogError(f"{name} cannot be opened: the stream {names.stream} cannot be made: {error['description']}")
        found = await api.ask("STREAM.INFO")
    if error := found.get("error"):
        raise LogError(f"{name} cannot be opened: {error['description']}")
    check(name, names, shape, found["config"])
    return found


def check(name: str, names: Names, shape: Shape, config: dict[str, Any]) -> None:
    """Refuse a stream that could not keep a log.

    Raises:
        LogError: it cannot; the message says what to set.
    """
    wrong = [f"{setting} must be true" for setting in _MUST if not config.get(setting)]
    wrong += [f"its subjects must have {subject}" for subject in names.stored if not _has(config, subject)]
    wrong += [
        f"{setting} must not be set, and is {config[setting]}: it removes what groups still need"
        for setting in ("max_age", "max_msgs", "max_msgs_per_subject")
        if config.get(setting, 0) > 0
    ]
    wrong += _other_faults(names, shape, config)
    if wrong:
        raise LogError(f"{name} cannot be opened: the stream {names.stream} cannot keep a log: {'; '.join(wrong)}")
    if config.get("storage") != "file":
        _log.info("%s keeps its messages in memory: what is published is gone after a restart of the server", name)


def _other_faults(names: Names, shape: Shape, config: dict[str, Any]) -> list[str]:
    wrong: list[str] = []
    if config.get("max_bytes", -1) > 0 and config.get("discard") != "new":
        wrong.append("discard must be new where max_bytes is set")
    if config.get("retention") != "limits":
        wrong.append(f"retention must be limits, not {config.get('retention')}")
    if config.get("deny_purge") or config.get("sealed"):
        wrong.append("it must not be sealed, and must allow to purge")
    if config.get("duplicate_window", 0) < shape.publish_timeout * NANO:
        wrong.append(f"duplicate_window must be at least publish_timeout, {shape.publish_timeout:g} s")
    said: dict[str, Any] = config.get("republish") or {}
    if said.get("src") != f"{names.prefix}.>" or said.get("dest") != names.heard or not said.get("headers_only"):
        wrong.append(f"it must republish {names.prefix}.> at {names.heard}, headers only")
    return wrong


def _has(config: dict[str, Any], subject: str) -> bool:
    return any(_covers(pattern, subject) for pattern in config.get("subjects", ()))


def _covers(pattern: str, subject: str) -> bool:
    """Whether a pattern of a stream has all that another one has."""
    if pattern in {subject, ">"}:
        return True
    ours, theirs = pattern.split("."), subject.split(".")
    for place, part in enumerate(ours):
        if part == ">":
            return len(theirs) > place
        if place >= len(theirs) or (part not in {"*", theirs[place]}) or (part == "*" and theirs[place] == ">"):
            return False
    return len(ours) == len(theirs)


class History:
    """What this process knows of the log's history.

    Attributes:
        lineages: its lines, the oldest first.
        high: the highest sequence that is known.
        newest: the highest number of an event that is known.
    """

    def __init__(self) -> None:
        self.lineages: Sequence[Lineage] = ()
        self.high: int = 0
        self.newest: int = 0

    def note(self, seq: int, *, event: bool = False) -> None:
        """A message with this sequence is stored."""
        if seq > self.high:
            self.high = seq
        if event and seq > self.newest:
            self.newest = seq

    def learn(self, name: str, data: bytes) -> None:
        """This is what the log says of itself.

        Raises:
            LogError: it was written by a later evenflow.
        """
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise LogError(
                f"{name} was written by a later evenflow: its format is {found['format']}, and this one reads {FORMAT};"
                " install that version"
            )
        self.lineages = tuple(Lineage(line["id"], line["after"]) for line in found["lines"])


def first_line() -> tuple[bytes, dict[str, str]]:
    """What a new log says of itself, unless another process has said it before."""
    data = json.dumps({"format": FORMAT, "lines": [{"id": token_hex(8), "after": 0}]}).encode()
    return data, {ROLLUP: "sub", EXPECTED: "0"}
