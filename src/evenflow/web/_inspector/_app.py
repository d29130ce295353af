"""The application: a page, its files, a stream, and, where asked for, contents and actions; all behind the guard."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ._actions import Actions
from ._guard import Guard
from ._hub import Hub
from ._stream import LiveFrames
from ._tail import LiveTail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from evenflow._mailbox import Mailbox

    from ._guard import Authorize
    from ._sources import Source

KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def build(
    sources: Sequence[Source],
    authorize: Authorize | None,
    *,
    actions: bool,
    contents: bool,
    title: str,
) -> Starlette:
    """The application."""
    hub = Hub(sources, contents=contents)
    inside = Inside(hub, actions=actions, contents=contents, title=title)
    app = Starlette(routes=inside.routes(), middleware=[Middleware(Guard, authorize=authorize)])
    app.state.hub = hub
    return app


class Inside:
    """What whoever may look can ask for."""

    def __init__(self, hub: Hub, *, actions: bool, contents: bool, title: str) -> None:
        self._hub = hub
        self._contents = contents
        self._about = {"title": title, "actions": actions, "contents": contents}
        self._actions = Actions(hub.logs, actions=actions, contents=contents)
        self._files = read_files()

    def routes(self) -> list[Route]:
        """The addresses, all below the one where the application is mounted."""
        return [
            Route("/", self._file("index.html")),
            *(Route(f"/static/{name}", self._file(name)) for name in self._files if name != "index.html"),
            Route("/about", self._tell),
            Route("/live", self._live),
            Route("/tail", self._tail),
            Route("/dead", self._actions.dead),
            Route("/redrive", self._actions.redrive, methods=["POST"]),
            Route("/discard", self._actions.discard, methods=["POST"]),
        ]

    def _file(self, name: str) -> Any:
        body = self._files[name]
        kind = KINDS[name[name.rindex(".") :]]

        async def answer(_: Request) -> Response:
            return Response(body, media_type=kind, headers={"cache-control": "no-cache"})

        return answer

    async def _tell(self, _: Request) -> Response:
        return JSONResponse(self._about, headers={"cache-control": "no-store"})

    async def _live(self, _: Request) -> Any:
        return LiveFrames(self._hub)

    async def _tail(self, request: Request) -> Any:
        if not self._contents:
            return PlainTextResponse("no event is shown here: the inspector was made without contents=True\n", 403)
        source, hidden = self._source(request.query_params.get("subject"))
        if source is None:
            return PlainTextResponse("there is no such subject here\n", 404)
        return LiveTail(source, hidden)

    def _source(self, key: object) -> tuple[Any, set[Mailbox]]:
        for look in self._hub.memory:
            if look.key == key:
                return look.source, look.hidden
        for log in self._hub.logs:
            if (subject := log.source(key)) is not None:
                return subject, log.hidden
        return None, set()


def read_files() -> dict[str, bytes]:
    """The page's own files, by their path below ``static``."""
    found: dict[str, bytes] = {}
    ahead = [("", files("evenflow.web._inspector").joinpath("static"))]
    while ahead:
        path, folder = ahead.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                ahead.append((f"{path}{entry.name}/", entry))
            elif entry.name.endswith(tuple(KINDS)):
                found[path + entry.name] = entry.read_bytes()
    return found
