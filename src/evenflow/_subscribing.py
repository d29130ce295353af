"""Subscribing to a subject: what a subscriber wants, in which buffer, and what it gets first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from anyio import EndOfStream

from ._observers import place_of
from ._observing import Observing
from ._options import BUFFER, Key, SubscribeOptions, Where, checked_buffer, checked_key, checked_name
from ._subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

    from typing_extensions import TypeForm, Unpack

    from ._items import Gap
    from ._mailbox import Mailbox, Overflow
    from ._observers import Observer
    from ._routing import Interest

E = TypeVar("E")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
W = TypeVar("W")


class Subscribing(Observing[E], Generic[E]):
    """A subject's subscriptions, as they are made."""

    def __init__(self, types: tuple[type, ...], name: str | None, stall_after: float) -> None:
        super().__init__(types, name, stall_after)
        self._subscribed = 0
        """So many were made; it makes up their names."""

    @overload
    def subscribe(
        self, /, *, gaps: Literal[False] = False, **options: Unpack[SubscribeOptions[E]]
    ) -> Subscription[E]: ...
    @overload
    def subscribe(self, /, *, gaps: bool, **options: Unpack[SubscribeOptions[E]]) -> Subscription[E | Gap]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], /, *, gaps: Literal[False] = False, **options: Unpack[SubscribeOptions[T1]]
    ) -> Subscription[T1]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], /, *, gaps: bool, **options: Unpack[SubscribeOptions[T1]]
    ) -> Subscription[T1 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2]],
    ) -> Subscription[T1 | T2]: ...
    @overload
    def subscribe(
        self, a: TypeForm[T1], b: TypeForm[T2], /, *, gaps: bool, **options: Unpack[SubscribeOptions[T1 | T2]]
    ) -> Subscription[T1 | T2 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3]],
    ) -> Subscription[T1 | T2 | T3]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        /,
        *,
        gaps: bool,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3]],
    ) -> Subscription[T1 | T2 | T3 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        gaps: Literal[False] = False,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3 | T4]],
    ) -> Subscription[T1 | T2 | T3 | T4]: ...
    @overload
    def subscribe(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        gaps: bool,
        **options: Unpack[SubscribeOptions[T1 | T2 | T3 | T4]],
    ) -> Subscription[T1 | T2 | T3 | T4 | Gap]: ...
    @overload
    def subscribe(
        self,
        a: type[W],
        b: type[W],
        c: type[W],
        d: type[W],
        e: type[W],
        /,
        *more: type[W],
        gaps: bool = False,
        **options: Unpack[SubscribeOptions[W]],
    ) -> Subscription[W]: ...
    def subscribe(
        self,
        *wants: Any,
        where: Where[Any] = None,
        buffer: int = BUFFER,
        overflow: Overflow | None = None,
        conflate: Key[Any] | None = None,
        replay: bool = True,
        gaps: bool = False,
        name: str | None = None,
    ) -> Subscription[Any]:
        """Subscribe from this call on, entered or not.

        Gets every event that is one of the classes in ``wants`` (all, where none is named) and for which ``where``
        holds, in the order in which they are published, in a buffer of its own of ``buffer`` events.

        Args:
            where: a condition on fields, or a quick plain callable, which runs in the publisher's task.
            buffer: events held at the most.
            overflow: what a full buffer gives up: ``"block"`` (the publisher waits), ``"drop_oldest"``
                (the default with ``conflate``), ``"drop_newest"``, ``"disconnect"``.
            conflate: an event replaces a buffered one of the same key: a field, or a callable.
            replay: whether to get first what the subject keeps.
            gaps: whether a ``Gap`` stands where events were dropped.
            name: for logs, statistics and errors.

        Raises:
            TypeError, ValueError: an argument makes no sense, or nothing could ever be wanted.
            RuntimeError: called from another thread.
        """
        interest = self._router.interest(wants, where)
        place = _place(sys._getframe(1))
        return self._subscribe(interest, where, buffer, overflow, conflate, replay, gaps, name, place)

    def _subscribe(
        self,
        interest: Interest,
        where: Any,
        buffer: int,
        overflow: Overflow | None,
        conflate: Any,
        replay: bool,
        gaps: bool,
        name: str | None,
        place: tuple[str, int],
    ) -> Subscription[Any]:
        self.check_thread()
        key = checked_key(conflate, "conflate", interest.wants or self._types)
        shown = checked_name(name)
        box = self.new_box(
            capacity=checked_buffer(buffer),
            overflow=self._checked_overflow(overflow, conflated=key is not None),
            conflated=key is not None,
            gaps=bool(gaps),
        )
        self._subscribed += 1
        box.name = shown or f"{self._name}/{self._subscribed}"
        box.place = place
        subscription = Subscription[Any](self, box, where if interest.asks else None, key)
        kept = self._history.events() if replay and self._history is not None else []
        if not self._closed:
            self.add_box(box, interest)
        if kept:
            self._replay_to(box, interest, kept)
        if self._closed:
            box.finish(self._end or EndOfStream)
        return subscription

    def _replay_to(self, box: Mailbox, interest: Interest, kept: list[Any]) -> None:
        """Give it those of the kept events that it wants; what its `where` publishes meanwhile, it gets live."""
        try:
            box.give_replay([event for event in kept if self._router.wanted(interest, event, box)])
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- what `where` raises ends the subscription
            self.detach(box, error, discard=False)

    @overload
    def first(self, /, *, where: Where[E] = None) -> Coroutine[Any, Any, E]: ...
    @overload
    def first(self, a: TypeForm[T1], /, *, where: Where[T1] = None) -> Coroutine[Any, Any, T1]: ...
    @overload
    def first(
        self, a: TypeForm[T1], b: TypeForm[T2], /, *, where: Where[T1 | T2] = None
    ) -> Coroutine[Any, Any, T1 | T2]: ...
    @overload
    def first(
        self, a: TypeForm[T1], b: TypeForm[T2], c: TypeForm[T3], /, *, where: Where[T1 | T2 | T3] = None
    ) -> Coroutine[Any, Any, T1 | T2 | T3]: ...
    @overload
    def first(
        self,
        a: TypeForm[T1],
        b: TypeForm[T2],
        c: TypeForm[T3],
        d: TypeForm[T4],
        /,
        *,
        where: Where[T1 | T2 | T3 | T4] = None,
    ) -> Coroutine[Any, Any, T1 | T2 | T3 | T4]: ...
    def first(self, *wants: Any, where: Where[Any] = None) -> Coroutine[Any, Any, Any]:
        """The next event that is wanted, from this call on: call first, then do what brings it about, then await.

        Makes no publisher wait, and gets no replay. Cancelling it gives up.

        Raises:
            anyio.EndOfStream: the subject was closed without one.
        """
        interest = self._router.interest(wants, where)
        place = _place(sys._getframe(1))
        subscription = self._subscribe(interest, where, 1, "drop_newest", None, False, False, None, place)
        subscription.quiet()
        return _first(subscription)

    def subscribe_observer(self, observer: Observer, options: dict[str, Any]) -> Subscription[Any]:
        """The subscription that an observer reads."""
        return self._subscribe(
            observer.interest,
            options["where"],
            options["buffer"],
            options["overflow"],
            options["conflate"],
            False,
            False,
            f"{self._name}/{observer.name}",
            place_of(observer.handler),
        )


def _place(frame: FrameType) -> tuple[str, int]:
    return frame.f_code.co_filename, frame.f_lineno


async def _first(subscription: Subscription[W]) -> W:
    async with subscription:
        return await subscription.receive()
