"""Who wants events of one class, kept up to date in place.

                             an event of a class A      how it is told
    wants A, no condition    Route.everyone             by the class, once
    wants A where ...        Route.choosy               Node.index, for each event
    wants a Protocol         Route.choosy               isinstance, once for an event and each such Protocol

What users wrote (callables, ``==``, ``isinstance`` hooks) may raise, and may subscribe and close meanwhile:
it is called on a snapshot, and what it raises is put down to the target it was asked for.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ._classes import always_one, never_one
from ._index import Index

if TYPE_CHECKING:
    from ._entries import Entry
    from ._interest import Interest


class Target(Protocol):
    """Who may want events; known by identity."""

    def ask(self, event: object, /) -> object:
        """What the subscription's own callable says of the event."""
        ...


T = TypeVar("T", bound=Target)


class Route(Generic[T]):
    """Who wants events of one class.

    Attributes:
        everyone: those that want every one of them; the same object for life, kept up to date in place.
        choosy: falsy while there is nobody else to look at; the same object for life.
            Each wanted class, and whether the event has to be asked if it is one.
    """

    __slots__ = ("choosy", "cls", "everyone")

    def __init__(self, cls: type, /) -> None:
        self.cls = cls
        self.everyone: dict[T, None] = {}
        self.choosy: dict[Node[T], bool] = {}

    def __repr__(self) -> str:
        return f"<Route of {self.cls.__name__}: {len(self.everyone)} want all, {len(self.choosy)} classes to look at>"

    def find(self, event: object, failures: list[tuple[T, BaseException]], /) -> list[T]:
        """Those of the choosy ones that want this event, each once.

        One whose callable or whose comparison raised, or returned what must be awaited, goes to ``failures`` instead.
        """
        found: dict[T, object] = {}
        asked: dict[Entry[T], None] = {}
        failed: dict[T, BaseException] = {}
        for node, ask_event in tuple(self.choosy.items()):
            if not ask_event:
                node.index.collect(event, found, asked)
            elif _is_one(event, node, failed):
                found.update(node.plain)
                node.index.collect(event, found, asked)
        for entry in asked:
            if entry.target not in found:
                _ask(entry, event, found, failed)
        everyone = self.everyone
        if failed:
            failures.extend(one for one in failed.items() if one[0] not in found and one[0] not in everyone)
        return [target for target in found if target not in everyone] if everyone else list(found)


class Node(Generic[T]):
    """One wanted class: who wants all its events, and who only some."""

    __slots__ = ("_routes", "cls", "index", "plain")

    def __init__(self, cls: type, /) -> None:
        self.cls = cls
        self.plain: dict[T, None] = {}
        self.index: Index[T] = Index()
        self._routes: dict[Route[T], bool] = {}

    def connect(self, route: Route[T], /) -> None:
        """Have events of that class look here, if they may be of this one."""
        if never_one(route.cls, self.cls):
            return
        ask_event = self._routes[route] = not always_one(route.cls, self.cls)
        if not ask_event:
            route.everyone.update(self.plain)
        self._tell(route, ask_event=ask_event)

    def add_plain(self, target: T, /) -> None:
        """Take in one that wants every event of this class."""
        self.plain[target] = None
        for route, ask_event in self._routes.items():
            if ask_event:
                route.choosy[self] = True
            else:
                route.everyone[target] = None

    def remove_plain(self, target: T, /) -> None:
        """Let one go that wants every event of this class."""
        self.plain.pop(target, None)
        for route, ask_event in self._routes.items():
            if ask_event:
                self._tell(route, ask_event=True)
            else:
                route.everyone.pop(target, None)

    def tell_routes(self) -> None:
        """Have the classes that look here look here, or no longer."""
        for route, ask_event in self._routes.items():
            self._tell(route, ask_event=ask_event)

    def _tell(self, route: Route[T], *, ask_event: bool) -> None:
        if self.index or (ask_event and self.plain):
            route.choosy[self] = ask_event
        else:
            route.choosy.pop(self, None)


def wanted(interest: Interest, event: object, target: Target, /) -> bool:
    """Whether this target wants this event, asked plainly; what it raises goes out.

    Raises:
        TypeError: its callable returned what must be awaited.
    """
    if interest.wants and not isinstance(event, interest.wants):
        return False
    if interest.condition is not None:
        return interest.condition(event)
    return not interest.asks or _plain_answer(target.ask(event))


def _plain_answer(answer: object) -> bool:
    if answer is True or answer is False:  # the usual one first: `isawaitable` takes 0.3 us
        return answer
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"where returned {answer!r}, which must be awaited; it has to answer True or False at once")
    return bool(answer)


def _ask(entry: Entry[T], event: object, found: dict[T, object], failed: dict[T, BaseException]) -> None:
    target = entry.target
    try:
        if wanted(entry.interest, event, target):
            found[target] = None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: ASYNC103, BLE001 -- whatever it is, it is that one's own
        failed[target] = error


def _is_one(event: object, node: Node[T], failed: dict[T, BaseException]) -> bool:
    """Whether the event is of a class that only ``isinstance`` can tell."""
    try:
        return isinstance(event, node.cls)
    except Exception as error:  # noqa: BLE001 -- a hook of the user's; everybody who wants that class has it
        failed.update(dict.fromkeys(node.plain, error))
        failed.update((entry.target, error) for entry in node.index.entries())
        return False
