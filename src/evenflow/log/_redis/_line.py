"""One connection of the loop's, used by one task, which no user can cancel: what is sent is always answered or dropped.

Rule 1: a connection on which anything went wrong, or took too long, is dropped: no reply is ever read by the next one.
Rule 2: it is never connected in passing: only ``bring_up`` connects, loads the scripts, and looks at the server.
Rule 3: that the server is away is said once, and that it is back.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, fail_after, move_on_after, sleep

from ._address import packed
from ._faults import AWAY, FAULTS, NO_SCRIPT, Lost, ResponseError, kind_of, words
from ._scripts import SCRIPTS, SHA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._address import Address

    Command = tuple[Any, ...]

_log = logging.getLogger("evenflow.log")

CONNECT: Final = 5.0
"""Seconds that connecting may take."""
REPLY: Final = 5.0
"""Seconds that the server may take for an answer, before it counts as away."""
LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to connect."""


class Health:
    """Whether the server can be reached: it can while none of the lines is down.

    Args:
        name: of the log and its server, for logs.
        changed: is told each change.
    """

    def __init__(self, name: str, changed: Callable[[bool], object]) -> None:
        self.name = name
        self._changed = changed
        self._down: set[Line] = set()
        self._is_over = False

    def is_up(self, line: Line) -> None:
        """A line is connected."""
        was_down = bool(self._down)
        self._down.discard(line)
        if was_down and not self._down and not self._is_over:
            _log.warning("%s is back", self.name)
        if not self._down and not self._is_over:
            self._changed(True)

    def is_down(self, line: Line, why: str) -> None:
        """A line has lost its connection, or finds no server."""
        if not self._down and not self._is_over:
            _log.warning("%s is away, and is looked for until it is back: %s", self.name, why)
            self._changed(False)
        self._down.add(line)

    def is_over(self) -> None:
        """The log is being closed: nothing more is said."""
        if not self._is_over:
            self._is_over = True
            self._changed(False)


class Line:
    """A connection that is made again whenever it is lost.

    Attributes:
        made: how often it was connected.
    """

    def __init__(self, address: Address, health: Health) -> None:
        self.address = address
        self._health = health
        self._connection: Any = None
        self.made: int = 0

    @property
    def is_up(self) -> bool:
        """Whether it is connected, as far as is known."""
        return self._connection is not None

    def has_ended(self) -> bool:
        """Whether the server has closed it. Does not wait."""
        connection = self._connection
        if connection is None:
            return False
        reader = getattr(connection, "_reader", None)  # redis-py asks it only before it sends
        return reader is None or bool(reader.at_eof())

    async def bring_up(self) -> None:
        """Connect, however long it takes."""
        pause = 0.0
        while True:
            try:
                await self.connect()
            except Lost as lost:
                self._health.is_down(self, str(lost))
            else:
                return
            pause = min(LONGEST_PAUSE, max(0.02, 2 * pause))
            await sleep(pause)

    async def connect(self) -> None:
        """Connect once, and load the scripts.

        Raises:
            Lost: that failed.
        """
        await self.drop()
        connection = self.address.connection()
        try:
            with fail_after(CONNECT):
                await connection.connect()
        except FAULTS as error:
            await _hang_up(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise Lost(f"cannot connect to {self.address.shown}: {words(error)}") from error
        except BaseException:
            await _hang_up(connection)
            raise
        self._connection = connection
        for reply in await self.exchange([("SCRIPT", "LOAD", script) for script in SCRIPTS]):
            if isinstance(reply, Exception):
                await self.drop()
                raise Lost(f"{self.address.shown} takes no scripts: {words(reply)}") from reply
        self.made += 1
        self._health.is_up(self)

    async def exchange(self, commands: Sequence[Command], within: float = REPLY) -> list[Any]:
        """Send commands, and read their replies; one that is an error of the server is returned as it is.

        Raises:
            Lost: the connection is gone; what was sent may have been done.
        """
        connection = self._connection
        if connection is None or not connection.is_connected:
            raise Lost(f"{self.address.shown} is not connected")
        replies: list[Any] = []
        why: BaseException
        try:
            with fail_after(within):
                await connection.send_packed_command(packed(connection, commands), check_health=False)
                for _ in commands:
                    try:
                        replies.append(await connection.read_response(disable_decoding=True))
                    except ResponseError as error:
                        replies.append(error)
        except FAULTS as error:
            why = error
        except BaseException:
            await self.drop()
            raise
        else:
            return replies
        await self.drop()
        said = f"no answer within {within:g} s" if isinstance(why, TimeoutError) and not str(why) else words(why)
        lost = Lost(f"{self.address.shown}: {said}")
        self._health.is_down(self, str(lost))
        raise lost from why

    async def script(self, script: str, key: str, *arguments: Any) -> Any:
        """Run one script, and return its reply, which may be an error of the server.

        Raises:
            Lost: the connection is gone, or the server cannot run it just now.
        """
        (reply,) = await self.exchange([("EVALSHA", SHA[script], 1, key, *arguments)])
        if isinstance(reply, Exception) and kind_of(reply, self.address) in {AWAY, NO_SCRIPT}:
            raise await self.lose(reply)
        return reply

    async def lose(self, reply: Exception) -> Lost:
        """The server has said that it cannot be asked just now: drop the connection, and return what to raise."""
        await self.drop()
        lost = Lost(f"{self.address.shown}: {words(reply)}")
        self._health.is_down(self, str(lost))
        return lost

    async def drop(self) -> None:
        """Let go of the connection; what is still unread on it is nobody's."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _hang_up(connection)


async def _hang_up(connection: Any) -> None:
    with CancelScope(shield=True), suppress(*FAULTS), move_on_after(1.0):
        await connection.disconnect(nowait=True)
