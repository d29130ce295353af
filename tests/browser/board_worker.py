"""The order board, with the worker's process in each answer, so that a test knows who answers whom."""

from __future__ import annotations

import os

from board import app as board
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["x-worker"] = str(os.getpid())
        await send(message)

    await board(scope, receive, told)
