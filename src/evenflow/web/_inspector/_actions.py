"""Dead letters: what they are, and sending them out again or deleting them.

An action is a POST with a JSON body, sent by a page of this very host, and only where ``actions=True``.
"""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from starlette.responses import JSONResponse

from evenflow._errors import EvenflowError
from evenflow.log import Offset

from . import _words as words
from ._guard import is_same_origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from evenflow.log._dead_letters import DeadLetter
    from evenflow.log._groups import SubjectGroups
    from evenflow.log._opening import Opening

    from ._logs import LogLook

_log = logging.getLogger("evenflow.web")

MOST_LETTERS: Final = 200
"""Dead letters that are listed."""
MOST_BODY: Final = 65_536
"""Bytes of an action."""
MOST_OFFSETS: Final = 10_000


class Refused(Exception):
    """The request makes no sense, or may not be done; with a status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Actions:
    """The groups of the logs, to be asked and changed."""

    def __init__(self, logs: list[LogLook], *, actions: bool, contents: bool) -> None:
        self._logs = logs
        self._actions = actions
        self._contents = contents

    async def dead(self, request: Request) -> Response:
        """The dead letters of a group, the first of them."""
        try:
            opening, subject = self._find(request.query_params.get("subject"))
            letters = opening.groups_by_name(subject).dead_letters(_text(request.query_params.get("group")))
            async with letters:
                found = [self._shown(letter) async for letter in _first(letters)]
        except (Refused, EvenflowError, RuntimeError, ValueError) as error:
            return self._no(error)
        return JSONResponse({"letters": found, "most": MOST_LETTERS}, headers={"cache-control": "no-store"})

    def _shown(self, letter: DeadLetter[Any]) -> dict[str, Any]:
        shown = {
            "offset": str(letter.offset),
            "type": words.short(letter.type),
            "attempts": letter.attempts,
            "at": letter.at.timestamp(),
        }
        if self._contents:
            shown["error"] = words.short(letter.error)
            shown["data"] = words.short(letter.data.decode(errors="replace"), words.LONGEST_CONTENTS)
        return shown

    async def redrive(self, request: Request) -> Response:
        """Send dead letters out again."""
        return await self._act(request, "redrive")

    async def discard(self, request: Request) -> Response:
        """Delete dead letters."""
        return await self._act(request, "discard")

    async def _act(self, request: Request, what: Literal["redrive", "discard"]) -> Response:
        try:
            asked = await self._asked(request)
            opening, subject = self._find(asked.get("subject"))
            group = _text(asked.get("group"))
            groups, seqs = opening.groups_by_name(subject), opening.running.seqs(subject, _offsets(asked))
            done = await _do(groups, what, group, seqs)
        except (Refused, EvenflowError, RuntimeError, ValueError, TypeError) as error:
            return self._no(error)
        _log.info(
            "the inspector: %s %s dead letters of group %s of %s",
            what,
            done,
            group,
            subject,
            extra={"subject": subject, "group": group},
        )
        return JSONResponse({"done": done})

    async def _asked(self, request: Request) -> dict[str, Any]:
        if not self._actions:
            raise Refused(403, "nothing can be done here: the inspector was made without actions=True")
        if not is_same_origin(request):
            raise Refused(403, "an action is sent by the inspector's own page")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "an action is JSON")
        body = b""
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > MOST_BODY:
                    raise Refused(413, "that is too long")
        try:
            asked: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400, "that is no JSON") from None
        if not isinstance(asked, dict):
            raise Refused(400, "an action is a JSON object")
        return asked  # pyright: ignore[reportUnknownVariableType] -- JSON has names

    def _find(self, key: object) -> tuple[Opening, str]:
        """The log and the name of the subject whose row has this key."""
        for log in self._logs:
            for name in log.subjects_by_key(key):
                if (opening := log.opening()) is None:
                    raise Refused(409, "the log is not open")
                return opening, name
        raise Refused(404, "there is no such subject")

    def _no(self, error: Exception) -> Response:
        if isinstance(error, Refused):
            return JSONResponse({"error": str(error)}, error.status)
        why = words.error(error, contents=self._contents)[0]
        return JSONResponse({"error": why}, 409)


async def _do(groups: SubjectGroups, what: str, group: str, seqs: list[int] | Literal["all"]) -> int:
    if what == "redrive":
        return await groups.redrive(group, seqs)
    return await groups.discard(group, seqs)


def _text(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise Refused(400, "a group is named by its name")
    return given


def _offsets(asked: dict[str, Any]) -> list[Offset] | Literal["all"]:
    given = asked.get("offsets")
    if given == "all":
        return "all"
    if not isinstance(given, list):
        raise Refused(400, "offsets is a list of offsets, or all")
    try:
        return [Offset.parse(one) for one in islice(cast("list[str]", given), MOST_OFFSETS)]
    except (ValueError, TypeError):
        raise Refused(400, "one of the offsets is none") from None


async def _first(letters: AsyncIterator[DeadLetter[Any]]) -> AsyncIterator[DeadLetter[Any]]:
    left = MOST_LETTERS
    async for letter in letters:
        yield letter
        left -= 1
        if not left:
            return
