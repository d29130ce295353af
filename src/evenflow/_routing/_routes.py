"""Which subscriptions want events of one class, kept up to date in place.

                             for an event of class A    what decides
    wants A, no condition    Route.everyone             the class, once
    wants A where ...        Route.conditional          Node.index, for each event
    wants a Protocol         Route.conditional          isinstance, once for each event and each such Protocol

Users' code (callables, ``==``, hooks of ``isinstance``) runs in ``Route.find``. What it raises is a failure of the
target that it was asked for. Nothing is added or removed meanwhile: the subject refuses or defers that.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

from ._classes import always_one, never_one
from ._index import Index

if TYPE_CHECKING:
    from ._entries import Entry
    from ._interest import Interest


class Target(Protocol):
    """What may want events; told apart by identity."""

    def ask(self, event: object, /) -> object:
        """What the subscription's own callable says about the event."""
        ...


T = TypeVar("T", bound=Target)


class Route(Generic[T]):
    """Which targets want events of one class.

    Attributes:
        everyone: the targets that want all events of this class; always the same dict, kept up to date.
        conditional: the wanted classes under which an event of this class must be looked up, and whether
            ``isinstance`` must be asked first; always the same dict, kept up to date, and empty for most classes.
    """

    __slots__ = ("__weakref__", "_name", "conditional", "everyone")

    def __init__(self, cls: type, /) -> None:
        self._name = cls.__name__
        self.everyone: dict[T, None] = {}
        self.conditional: dict[Node[T], bool] = {}

    def __repr__(self) -> str:
        return f"<Route of {self._name}: {len(self.everyone)} want all, {len(self.conditional)} classes to look up>"

    def find(self, event: object, failures: list[tuple[T, BaseException]], /) -> list[T]:
        """The targets beside ``everyone`` that want this event, each once.

        A target whose callable or comparison raises, or returns an awaitable, is added to ``failures`` instead.
        """
        found: dict[T, object] = {}
        asked: dict[Entry[T], None] = {}
        failed: dict[T, BaseException] = {}
        for node, ask_isinstance in self.conditional.items():
            if ask_isinstance:
                if not _is_one(event, node, failed):
                    continue
                found.update(node.unconditional)
            for table in node.index.tables.values():
                table.collect(event, found, asked)
            if node.index.asked:
                asked.update(node.index.asked)
        for entry in asked:
            if entry.target not in found:
                _ask(entry, event, found, failed)
        everyone = self.everyone
        if failed:
            failures.extend(one for one in failed.items() if one[0] not in found and one[0] not in everyone)
        return [target for target in found if target not in everyone] if everyone else list(found)


class Node(Generic[T]):
    """One wanted class: the targets that want all its events, and the index of those that want some."""

    __slots__ = ("_cls", "_routes", "index", "unconditional")

    def __init__(self, cls: type, /) -> None:
        self._cls = ref(cls)
        self.unconditional: dict[T, None] = {}
        self.index: Index[T] = Index()
        self._routes: WeakKeyDictionary[Route[T], bool] = WeakKeyDictionary()

    def connect(self, route: Route[T], cls: type, wanted_class: type, /) -> None:
        """Have events of the route's class looked up here, if they can be of the class that is wanted here."""
        if never_one(cls, wanted_class):
            return
        ask_isinstance = self._routes[route] = not always_one(cls, wanted_class)
        if not ask_isinstance:
            route.everyone.update(self.unconditional)
        self._tell(route, ask_isinstance=ask_isinstance)

    def wants(self, event: object, /) -> bool:
        """Whether the event is of this class."""
        cls = self._cls()  # whoever wants it keeps it alive
        return cls is not None and isinstance(event, cls)

    def add_unconditional(self, target: T, /) -> None:
        """Add a target that wants all events of this class."""
        self.unconditional[target] = None
        for route, ask_isinstance in list(self._routes.items()):
            if ask_isinstance:
                route.conditional[self] = True
            else:
                route.everyone[target] = None

    def remove_unconditional(self, target: T, /) -> None:
        """Remove a target that wants all events of this class."""
        self.unconditional.pop(target, None)
        for route, ask_isinstance in list(self._routes.items()):
            if ask_isinstance:
                self._tell(route, ask_isinstance=True)
            else:
                route.everyone.pop(target, None)

    def tell_routes(self) -> None:
        """Tell every connected route whether events must be looked up here."""
        for route, ask_isinstance in list(self._routes.items()):
            self._tell(route, ask_isinstance=ask_isinstance)

    def _tell(self, route: Route[T], *, ask_isinstance: bool) -> None:
        if self.index or (ask_isinstance and self.unconditional):
            route.conditional[self] = ask_isinstance
        else:
            route.conditional.pop(self, None)


def wanted(interest: Interest, event: object, target: Target, /) -> bool:
    """Whether this target wants this event, without the index; what users' code raises is not caught.

    Raises:
        TypeError: its callable returned an awaitable.
    """
    if interest.wants and not isinstance(event, interest.wants):
        return False
    if interest.condition is not None:
        return interest.condition(event)
    return not interest.asks or _plain_answer(target.ask(event))


def _plain_answer(answer: object) -> bool:
    # Nearly every answer is a bool, and `isawaitable` takes 0.3 us.
    if answer is True or answer is False:
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
    except BaseException as error:  # noqa: ASYNC103, BLE001 -- GeneratorExit too is a failure of this target alone
        failed[target] = error


def _is_one(event: object, node: Node[T], failed: dict[T, BaseException]) -> bool:
    """Whether the event is of a class for which ``isinstance`` must be asked."""
    try:
        return node.wants(event)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: ASYNC103, BLE001 -- what a hook of the user's raises fails all who want the class
        failed.update(dict.fromkeys(node.unconditional, error))
        failed.update((entry.target, error) for entry in node.index.entries())
        return False  # noqa: ASYNC104 -- no await is in here: it is no cancellation of this task
