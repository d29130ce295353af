"""What a user says of a group or a consumer, made into what the groups know: checked where it is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from evenflow._handlers import Role, check_handler, wants_of_handler

from ._backoff import DEFAULT, checked_backoff, delay
from ._consumer import Consumer
from ._delivery import Delivery
from ._group_signatures import ConsumerOptions, GroupOptions
from ._group_spec import GroupSpec, group_spec
from ._names import refuse_unknown
from ._offsets import checked_since

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow._routing import Router

    from ._consumer import ConsumerFailed

CONSUMER: Final = Role("a consumer", "register", "subject.consume('group', ", "@subject.consumer('group', OrderPlaced)")


def spec_of(
    router: Router[Any],
    carried: tuple[type, ...],
    group: str,
    wants: tuple[Any, ...],
    *,
    where: Any = None,
    since: Any = "start",
    retry_after: Any = DEFAULT,
    **options: Any,
) -> GroupSpec:
    """What a reader of a group asks for.

    Raises:
        TypeError, ValueError: an argument makes no sense.
    """
    refuse_unknown(
        "deliveries", options.keys() - GroupOptions.__optional_keys__, sorted(GroupOptions.__optional_keys__)
    )
    interest = router.interest(wants, where)
    wait = partial(delay, checked_backoff(retry_after))
    return group_spec(group, interest, carried, wait, since=checked_since(since), **options)


def consumer_of(
    router: Router[Any],
    carried: tuple[type, ...],
    group: str,
    handler: Callable[[Any], object],
    wants: tuple[Any, ...],
    failed: Callable[[ConsumerFailed], object],
    *,
    concurrency: int = 1,
    handle_timeout: float | None = None,
    **options: Any,
) -> Consumer:
    """A consumer; without wants the annotation of the handler's first parameter is read.

    Raises:
        TypeError, ValueError: an argument makes no sense, or the handler cannot be called with one event.
    """
    known = ConsumerOptions.__optional_keys__
    refuse_unknown("consume", options.keys() - known, sorted(known))
    takes_delivery = False
    annotated = _annotation(handler, needed=not wants)
    if annotated is Delivery or get_origin(annotated) is Delivery:
        takes_delivery = True
        annotated = next(iter(get_args(annotated)), None)
    if not wants and annotated not in (None, Any, object):
        wants = (annotated,)
    options.setdefault("name", None)
    if options["name"] is None:
        options["name"] = getattr(handler, "__qualname__", None) or repr(handler)
    return Consumer(
        spec_of(router, carried, group, wants, **options),
        handler,
        concurrency=concurrency,
        handle_timeout=handle_timeout,
        takes_delivery=takes_delivery,
        failed=failed,
    )


def _annotation(handler: Callable[[Any], object], *, needed: bool) -> Any:
    """What the handler's first parameter is annotated with; where that is not needed, None if it cannot be read."""
    check_handler(handler, CONSUMER)
    try:
        return wants_of_handler(handler, CONSUMER)
    except TypeError:
        if needed:
            raise
        return None
