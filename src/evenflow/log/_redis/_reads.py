"""Reads: what is asked of the server and changes nothing, or may be done twice; and the pump that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from anyio import sleep

from evenflow._errors import LogError
from evenflow.log._request import Request

from ._faults import AWAY, NO_SCRIPT, Lost, kind_of, words
from ._pump import Pump
from ._scripts import SHA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._history import History

MOST_REQUESTS: Final = 64
"""How many are asked in one round."""
DIVERGED_PAUSE: Final = 0.05


class Diverged(Exception):
    """The server has another history than this process knows of."""


class Query(Request):
    """Commands, and what their replies mean.

    Args:
        commands: sent one after the other.
        parse: what is returned, made of their replies.
    """

    __slots__ = ("commands", "parse")

    def __init__(self, commands: Sequence[tuple[Any, ...]], parse: Callable[[list[Any]], Any]) -> None:
        super().__init__()
        self.commands = commands
        self.parse = parse


def script(script: str, key: str, *arguments: Any) -> tuple[Any, ...]:
    """The command that runs a script."""
    return ("EVALSHA", SHA[script], 1, key, *arguments)


class Reads(Pump):
    """Asks what can be asked again."""

    must_be_known = False
    high: int = 0
    """The highest number that was known when the questions on their way were sent."""

    def watch(self, history: History, diverged: Callable[[], object]) -> None:
        """Compare what the server has with this; ``diverged`` has the difference looked into."""
        self._history = history
        self._diverged = diverged

    def note(self, lineage: bytes | None, newest: bytes | None) -> int:
        """What an answer says of the history; returns the newest number.

        Raises:
            Diverged: it is another history.
        """
        if lineage is None or newest is None or lineage.decode() != self._history.lineage or int(newest) < self.high:
            raise Diverged
        self._history.note(int(newest))
        return int(newest)

    def _next_round(self) -> Sequence[Query]:
        return [self._queue.popleft() for _ in range(min(MOST_REQUESTS, len(self._queue)))]

    def nothing(self) -> Request:
        """A question of no consequence."""
        query = Query([("PING",)], lambda _: None)
        query.deadline = self._loop.now() + self._timeout
        return query

    async def send(self, requests: Sequence[Query]) -> None:
        """Ask these."""
        asked = [request for request in requests if not request.is_done]
        if not asked:
            return
        self.high = self._history.high
        replies = await self.line.exchange([command for request in asked for command in request.commands])
        start = 0
        for request in asked:
            end = start + len(request.commands)
            await self._answer(request, replies[start:end])
            start = end

    async def _answer(self, request: Query, replies: list[Any]) -> None:
        for error in (reply for reply in _flat(replies) if isinstance(reply, Exception)):
            if kind_of(error, self.line.address) in {AWAY, NO_SCRIPT}:
                raise await self.line.lose(error)
            request.fail(LogError(f"{self._name} gave an error: {words(error)}"))
            return
        try:
            request.succeed(request.parse(replies))
        except Diverged:
            self._diverged()
            await sleep(DIVERGED_PAUSE)  # noqa: ASYNC120 -- cancelled, that goes out
            raise Lost("the server has another history") from None
        except (ValueError, TypeError, IndexError, KeyError) as error:
            failed = LogError(f"{self._name} holds something else than evenflow has stored: {error!r}")
            failed.__cause__ = error
            request.fail(failed)


def _flat(replies: list[Any]) -> list[Any]:
    """The replies, and those of a transaction, which is the last one then."""
    last = replies[-1]
    return [*replies, *last] if isinstance(last, list) else replies
