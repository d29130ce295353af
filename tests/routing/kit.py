"""What the tests of routing share: classes of events, and a router whose targets have names."""

from __future__ import annotations

from abc import ABC
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from evenflow import Event
from evenflow._routing import Router


class Base(Event):
    key: int = 0


class A(Base):
    x: int = 0
    flag: bool = False


class B(Base):
    y: int = 0


class C(A):
    z: int = 0


class Both(A, B):
    pass


@runtime_checkable
class HasX(Protocol):
    x: int


@runtime_checkable
class HasHello(Protocol):
    def hello(self) -> str: ...


class NotTold(Protocol):
    x: int


class Polite(ABC):  # noqa: B024 -- to be registered with
    pass


class Moody(type(Event)):  # type: ignore[misc]
    """A metaclass whose ``isinstance`` looks at the event, and may raise."""

    error: type[BaseException] = ZeroDivisionError

    def __instancecheck__(cls, instance: object) -> bool:
        if getattr(instance, "key", 0) == 13:
            raise Moody.error
        return getattr(instance, "key", 0) == 7


class Lucky(Event, metaclass=Moody):
    pass


class Inner(BaseModel):
    n: int = 0


class Tick(Event):
    a: Any = 0
    b: Any = 0
    price: Any = 0
    size: Any = 0
    flag: bool = False
    inner: Inner | None = None


class Child(Tick):
    own: int = 0


class Target:
    """Something that wants events, with a callable of its own."""

    def __init__(self, name: str = "x", where: Any = lambda event: True) -> None:
        self.name = name
        self.where = where

    def __repr__(self) -> str:
        return self.name

    def ask(self, event: object, /) -> object:
        return self.where(event)


class NamedRouter:
    """A router whose targets have names."""

    def __init__(self, *types: type) -> None:
        self.router: Router[Target] = Router(types)
        self.targets: dict[str, Target] = {}

    def add(self, name: str, *wants: Any, where: Any = None) -> Target:
        target = self.targets[name] = Target(name, where)
        self.router.add(target, self.router.interest(wants, where))
        return target

    def remove(self, name: str) -> None:
        self.router.remove(self.targets.pop(name))

    def ask(self, event: object) -> tuple[list[str], list[tuple[str, BaseException]]]:
        """The names of the targets that want the event, and the failures by name."""
        route = self.router.route(type(event))
        failures: list[tuple[Target, BaseException]] = []
        found = [target.name for target in (*route.everyone, *route.find(event, failures))]
        assert len(set(found)) == len(found)
        return sorted(found), [(target.name, error) for target, error in failures]

    def got(self, event: object) -> list[str]:
        found, failed = self.ask(event)
        assert failed == []
        return found


class Contrary:
    """Equals everything, and says otherwise by its hash."""

    def __eq__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 99
