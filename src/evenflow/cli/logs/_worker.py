"""`evenflow worker`: runs the consumers of a log until it is told to end.

The first signal ends it in peace: no event is fetched any more, what was not begun is given back, and handlers have
their grace. The second one cancels them at once; their events are given back, too. The exit code is that of the first.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from evenflow.cli._address import masked
from evenflow.cli._help import ENDED_BY, FAILED

from ._names import Refused, named_log

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection

    from evenflow.log import Log

NAMED: Final = ("subject", "subscription", "group")
"""The fields that log records of evenflow carry."""


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if not options.grace >= 0:
        raise Refused(f"--grace takes a number of seconds of at least 0, not {options.grace}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.json:
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_AsJSON())
    log = named_log(options.log)
    consumers = [consumer for subject in log._subjects.values() for consumer in subject._consumers]
    groups = sorted({consumer._spec.group for consumer in consumers})
    wanted = groups if options.group is None else options.group
    if strangers := sorted(set(wanted) - set(groups)):
        raise Refused(f"{options.log} has no consumers of {', '.join(strangers)}; it has {', '.join(groups) or 'none'}")
    if not consumers:
        raise Refused(f"{options.log} has no consumers; add some with @subject.consumer('group') in that module")
    return anyio.run(_work, log, wanted, options.grace, _says(log.name, as_json=options.json))


class _AsJSON(logging.Formatter):
    """A log record as one JSON object on a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object: what evenflow says of itself has the subject, the subscription and the group, too."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        said = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        said |= {name: str(found) for name in NAMED if (found := getattr(record, name, None)) is not None}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


def _says(name: str, *, as_json: bool) -> Callable[..., None]:
    """What prints what happens to the worker."""

    def say(state: str, text: str, **more: object) -> None:
        print(json.dumps({"log": name, "state": state, **more}) if as_json else f"{name}: {text}", flush=True)

    return say


async def _work(log: Log, groups: Collection[str], grace: float, say: Callable[..., None]) -> int:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        block = log.opened(consumers=groups, grace=grace)
        try:
            await block.__aenter__()
        except ValueError as error:  # the group of a consumer is another
            print(f"evenflow: {masked(str(error))}", file=sys.stderr)
            return FAILED
        say("running", f"running {', '.join(groups)}", groups=list(groups))
        told = await anext(aiter(signals))
        say("ending", f"ending, with {grace:g} s for what is being handled", grace=grace)
        async with anyio.create_task_group() as tasks:

            async def cancel_at_the_second() -> None:
                await anext(aiter(signals))
                say("ending", "ending at once", grace=0)
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel_at_the_second)
            try:
                await block.__aexit__(None, None, None)
            finally:
                tasks.cancel_scope.cancel()
    say("ended", "ended")
    return ENDED_BY[told]
