"""Which opening of a log is the present one, and who may use it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anyio.lowlevel import current_token

from evenflow._errors import Unsupported

if TYPE_CHECKING:
    from ._capabilities import Capabilities, Capability
    from ._engine import Engine
    from ._opening import Opening


class Openings:
    """The openings of one log, one after the other.

    Attributes:
        name: the log's.
        capabilities: what its engine can do.
        engine_name: what the engine is called in errors.
    """

    def __init__(self, name: str, capabilities: Capabilities, engine_name: str) -> None:
        self.name = name
        self.capabilities = capabilities
        self.engine_name = engine_name
        self._opening: Opening | None = None
        self._process = 0
        self._opener = 0
        """The process that opens it just now."""

    @property
    def is_open(self) -> bool:
        """Whether it is open in this process."""
        return self._opening is not None and self._process == os.getpid()

    def refuse_strange_loop(self) -> None:
        """Refuse trio's loop where the engine does not know it, before anything is opened.

        Raises:
            Unsupported: this loop is trio's.
        """
        if not self.capabilities.trio and not hasattr(current_token().native_token, "call_soon_threadsafe"):
            raise Unsupported(
                f"log {self.name} runs on asyncio only, and this loop is trio's: {self.engine_name} does not know trio",
                missing=("trio",),
            )

    def claim(self) -> None:
        """It is being opened, by one alone, until ``begin`` or ``end``.

        Raises:
            RuntimeError: it is open already, or somebody else opens it just now.
        """
        if self.is_open or self._opener == os.getpid():
            state = "is open already" if self.is_open else "is being opened already"
            raise RuntimeError(f"log {self.name} {state}, and lives once at a time; close it first")
        self._opener = os.getpid()

    def begin(self, opening: Opening) -> None:
        """It is open from now on."""
        self._opening, self._process, self._opener = opening, os.getpid(), 0

    def end(self) -> None:
        """It is closed, or was not opened."""
        self._opening, self._opener = None, 0

    async def close(self, opening: Opening, grace: float | None) -> None:
        """Close an opening, or wait for whoever closes it; one that is closed, or a forked child's copy, is left alone.

        Raises:
            Deadlock: called from inside a handler of its own; then nothing has changed.
            RuntimeError: it was opened in another loop or thread; on trio, in another task; then too.
        """
        if self.present() is not opening:
            return
        self._here().check_close()
        if opening.running.is_closing:
            await opening.wait_closed(grace)
            return
        try:
            await opening.close(grace)
        finally:
            self.end()
            opening.note_closed()

    def present(self) -> Opening | None:
        """The present opening of this process, if there is one."""
        return self._opening if self.is_open else None

    def open(self) -> Opening:
        """The present opening, for whoever is in its loop.

        Raises:
            RuntimeError: it is not open, or all but closed, or was opened in another process or loop.
        """
        opening = self._here()
        if opening.is_over:
            raise RuntimeError(f"log {self.name} is being closed: its handlers have ended, and nothing more is begun")
        return opening

    def _here(self) -> Opening:
        opening = self._opening
        if opening is None:
            raise RuntimeError(
                f"log {self.name} is not open: use it inside `async with log:`, or between `await log.start()` and"
                " `await log.aclose()`"
            )
        if self._process != os.getpid():
            raise RuntimeError(
                f"log {self.name} was opened in another process, of which this one is a fork: open it here anew,"
                " `async with log:`"
            )
        if not opening.running.loop.is_here():
            raise RuntimeError(
                f"log {self.name} was opened in another loop or thread; from a thread use publish_from_thread, and"
                " close it where it was opened"
            )
        return opening

    def open_for(self, need: Capability) -> Engine:
        """The engine of the present opening, for what not every engine can.

        Raises:
            Unsupported: this one cannot.
            RuntimeError: as for ``open``.
        """
        self.require(need)
        return self.open().engine

    def open_for_threads(self) -> Opening:
        """The present opening, for whoever is in another thread.

        Raises:
            RuntimeError: it is not open, or was opened in another process.
        """
        opening = self.present()
        if opening is None:
            raise RuntimeError(f"log {self.name} is not open here, so there is no loop to publish in; open it first")
        return opening

    def require(self, *needs: Capability) -> None:
        """Refuse the engine if it lacks any of these.

        Raises:
            Unsupported: the message names all that is missing.
        """
        missing = [str(need) for need in needs if not self.capabilities.have(need)]
        if missing:
            raise Unsupported(
                f"{self.engine_name} cannot do what is required of it: {', '.join(missing)};"
                " ask its `capabilities` for what it can do",
                missing=missing,
            )
