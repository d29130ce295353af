"""What an error of the server or of its client means.

         what has happened                                         what is done
LOST     the connection is gone, or no answer came                 connect anew, and send it again
BUSY     no leader now, or too much at once                        a pause, and it is sent again
CHANGED  a message has another sequence than was expected          it is looked at why
MADE     the id of the message is known                            it was made before
REFUSED  anything else: full, no rights, too large                 ``LogError``: nothing was done
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nats import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

FAULTS: Final = (errors.Error, OSError, TimeoutError, EOFError)
"""What a connection may raise."""

BUSY: Final = "busy"
CHANGED: Final = "changed"
MADE: Final = "made"
REFUSED: Final = "refused"

_CHANGED: Final = {10071, 10164}
_MADE: Final = {10201}
# a batch that was cut off or took too long, too many of them, no quorum, too many requests
_BUSY: Final = {10008, 10009, 10074, 10077, 10158, 10167, 10176, 10210, 10211}
_FULL: Final = {10002, 10023, 10028, 10047}
_UNAVAILABLE: Final = 503
END: Final = "204"
MISSING: Final = "404"
NO_RESPONDERS: Final = "503"


_STORED: Final = re.compile(rb'\{"stream":"[^"\\]*",\s?"seq":([0-9]+)\}')
"""Most answers to a publish; to read them as JSON takes five times as long."""


class Lost(Exception):
    """The connection is gone, or the server gave no answer; what was sent may have been done."""


class Busy(Exception):
    """The server cannot do it just now, and has not done it."""


class Reply(NamedTuple):
    """What the server has answered to a publish.

    Attributes:
        seq: the sequence of the last message that was stored.
        kind: of the error; empty without one.
        words: of the error.
        again: whether it says that the message was stored before.
    """

    seq: int
    kind: str = ""
    words: str = ""
    again: bool = False


def reply_of(data: bytes, headers: Mapping[str, str] | None) -> Reply:
    """An answer to a publish."""
    if headers is None and (stored := _STORED.fullmatch(data)) is not None:
        return Reply(int(stored[1]))
    if headers and headers.get("Status") == NO_RESPONDERS:
        return Reply(0, BUSY, "no stream takes it now")
    found: dict[str, Any] = json.loads(data)
    if (error := found.get("error")) is None:
        return Reply(int(found["seq"]), again=bool(found.get("duplicate")))
    return Reply(0, kind_of(error), str(error.get("description", error)))


def kind_of(error: Mapping[str, Any]) -> str:
    """What an error of the server means."""
    number = error.get("err_code")
    if number in _CHANGED:
        return CHANGED
    if number in _MADE:
        return MADE
    return BUSY if number in _BUSY or (error.get("code") == _UNAVAILABLE and number not in _FULL) else REFUSED


def words(error: BaseException) -> str:
    """An error in one line, for a message."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
