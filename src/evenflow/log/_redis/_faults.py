"""What an error of the server means.

         what has happened                                        what is done
AWAY     it is starting, or is a replica, or another has the log  connect anew, and send it again
NOSCRIPT it has forgotten our scripts                             load them, and send it again
FULL     its memory is full, and nothing was done                 what appends is refused, the rest is sent again
REFUSED  it takes no writes now, or not from this user            ``LogError``: nothing was done
BROKEN   a script has failed in its middle                        ``Uncertain``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError as NotConnected,
    RedisError,
    ResponseError,
    TimeoutError as TookTooLong,
)

if TYPE_CHECKING:
    from ._address import Address

__all__ = ["BROKEN", "FAULTS", "FULL", "NO_SCRIPT", "REFUSED", "Lost", "ResponseError", "kind_of", "words"]

FAULTS: Final = (RedisError, OSError, TimeoutError, EOFError)
"""What a connection may raise."""

AWAY: Final = "away"
NO_SCRIPT: Final = "no script"
FULL: Final = "full"
REFUSED: Final = "refused"
BROKEN: Final = "broken"

_AWAY: Final = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MOVED", "ASK", "UNBLOCKED")
_REFUSED: Final = ("MISCONF", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS")
# redis-py takes the first word of a message away where it has a class for it
_WITHOUT_WORD: Final = {
    "BusyLoadingError": "LOADING",
    "ReadOnlyError": "READONLY",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "TryAgainError": "TRYAGAIN",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
}


class Lost(Exception):
    """The connection is gone, or the server cannot be asked just now; what was sent may have been done."""


def word_of(error: BaseException) -> str:
    """The word that an error of the server begins with."""
    text = str(error)
    return _WITHOUT_WORD.get(type(error).__name__) or text.partition(" ")[0]


def kind_of(error: BaseException, address: Address) -> str:
    """What a reply that is an error means."""
    word = word_of(error)
    if word == "MOVED":
        _move(address, error)
    if word in _AWAY or (isinstance(error, NotConnected | TookTooLong) and not _is_access(error)):
        return AWAY
    if word == "NOSCRIPT":
        return NO_SCRIPT
    if word == "OOM" or "maxmemory" in str(error):
        return FULL
    return REFUSED if word in _REFUSED else BROKEN


def _is_access(error: BaseException) -> bool:
    return isinstance(error, AuthenticationError | AuthorizationError)


def _move(address: Address, error: BaseException) -> None:
    """Note which server of a cluster has the log: the message ends with ``slot host:port``."""
    host, colon, port = str(error).rpartition(" ")[2].rpartition(":")
    if colon and port.isdigit():
        address.move(host, int(port))


def words(error: BaseException) -> str:
    """An error in one line, for a message."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
