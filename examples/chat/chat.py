"""A chat in the browser: rooms by condition, history by replay, and slow clients that are let go.

    uvicorn --app-dir examples/chat chat:app
    open http://127.0.0.1:8000/#garden in two windows

One subject carries what happens in all rooms. Each browser has one subscription, whose condition names its room: the
index finds it, so a message costs only the browsers in that room. A browser that comes back goes on after the last
thing it has seen, and a new one gets the last 50 things of its room.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Response, WebSocket
from pydantic import BaseModel, Field, StringConstraints
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from evenflow import Event, Subject, SubjectClosed
from evenflow.web import websocket

HERE = Path(__file__).parent
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
HISTORY = 50
"""Things of each room that a newcomer gets."""

BUFFER = 256
"""Things that may wait for one browser; one that is further behind is let go, and comes back."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30, pattern=r"^[\w .-]+$")]


class InRoom(Event):
    """Something that happens in a room."""

    room: str
    user: str
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Said(InRoom):
    """Somebody said something."""

    text: str


class Came(InRoom):
    """Somebody has come into the room."""


class Went(InRoom):
    """Somebody has left it."""


class Say(BaseModel):
    """What a browser sends. Who says it, and where, it may not say: the connection knows."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


chat = Subject(Said, Came, Went, name="chat", replay=HISTORY, replay_by=InRoom.room)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Run the chat as long as the service runs."""
    async with chat:
        yield


app = FastAPI(lifespan=lifespan)


@app.websocket("/rooms/{room}")
async def enter(socket: WebSocket, room: Name, user: Annotated[Name, Query()]) -> None:
    """Be in a room until the browser leaves, or is let go."""

    async def said(say: Say) -> None:
        await chat.publish(Said(room=room, user=user, text=say.text))

    await chat.publish(Came(room=room, user=user))
    try:
        await websocket(
            socket, chat, InRoom, where=InRoom.room == room, receive=said, since="start", buffer=BUFFER,
            rate=5.0, max_message=4_096,
        )  # fmt: skip
    finally:
        # without a wait: the server may be cancelling this, and nobody here holds a publisher
        with suppress(SubjectClosed):  # the service ends
            chat.publish_nowait(Went(room=room, user=user))


class Page(StaticFiles):
    """The files of a page; a browser runs, and asks, nothing but what comes from this host."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and with the policy."""
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = POLICY
        return response


app.mount("/", Page(directory=HERE / "page", html=True))
