"""Whether a publish that waits can ever go on.

A publish waits for the tasks that read a full subscription; a task that publishes waits for nothing else meanwhile.
So the tasks known to read, and the publishes they wait in, over all subjects, are a graph:

    task --waits in--> publish --needs room in--> subscription --read by--> task

Rule: a task waits for ever when, for one of the subscriptions that it needs, there are known readers that still run,
and every one of them waits for ever too. Who has not read yet, or has ended, is not known to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import Deadlock
from ._loops import task_has_ended, task_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._admission import Waiter
    from ._mailbox import Mailbox

WAITING: dict[object, Waiter] = {}
"""The publish that each task waits in, over all subjects."""


def forget_waiting(waiters: Iterable[Waiter]) -> None:
    """The loop of these publishes has ended: nobody waits."""
    ended = set(map(id, waiters))
    for task in [task for task, waiter in WAITING.items() if id(waiter) in ended]:
        del WAITING[task]


def readers(box: Mailbox) -> list[object]:
    """The tasks known to read this subscription that still run."""
    tasks = (reader() for reader in box.readers)
    return [task for task in tasks if task is not None and not task_has_ended(task)]


def refuse_deadlock(task: object) -> None:
    """Raise ``Deadlock`` if this task's publish can never go on."""
    stuck = _reachable(task)
    while True:
        free = [one for one in stuck if _stuck_at(one, stuck) is None]
        if not free:
            break
        stuck.difference_update(free)
    if task in stuck:
        _raise(task, stuck)


def _reachable(task: object) -> set[object]:
    """The tasks that wait in a publish and that this one, step by step, waits for."""
    seen: set[object] = set()
    ahead = [task]
    while ahead:
        one = ahead.pop()
        waiter = WAITING.get(one)
        if one in seen or waiter is None:
            continue
        seen.add(one)
        for box in list(waiter.missing):
            ahead.extend(readers(box))
    return seen


def _stuck_at(task: object, stuck: set[object]) -> Mailbox | None:
    """The subscription at which this task waits for ever, as far as is known."""
    waiter = WAITING.get(task)
    if waiter is None or waiter.granted:
        return None
    for box in list(waiter.missing):
        known = readers(box)
        if known and len(known) >= box.hands and all(reader in stuck for reader in known):
            return box
    return None


def _raise(task: object, stuck: set[object]) -> None:
    path: list[str] = []
    seen: set[object] = set()
    one = task
    while one not in seen:
        seen.add(one)
        box = _stuck_at(one, stuck)
        if box is None:  # a destructor has closed it meanwhile: the publish looks again by itself
            return
        reader = next((r for r in readers(box) if r == task), readers(box)[0])
        path.append(f"task {task_name(one)!r} publishes {WAITING[one].what}")
        path.append(f"{box.name} is full and is read by task {task_name(reader)!r}")
        one = reader
    raise Deadlock(
        "this publish would wait for ever: " + ", ".join(path) + "; read from another task, give that subscription"
        " another overflow= policy, or publish from a task of its own",
        path=tuple(path),
    )
