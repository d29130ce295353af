"""`evenflow worker`: runs the consumers of a log until it is told to end.

The first signal ends it in peace: no event is fetched any more, what was not begun is given back, and handlers have
their grace. The second one cancels them at once; their events are given back, too.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import anyio

from ._names import Refused, named_log

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

    from evenflow.log import Log


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if not options.grace >= 0:
        raise Refused(f"--grace takes a number of seconds of at least 0, not {options.grace}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    log = named_log(options.log)
    consumers = [consumer for subject in log._subjects.values() for consumer in subject._consumers]
    groups = sorted({consumer.spec.group for consumer in consumers})
    wanted = groups if options.group is None else options.group
    if strangers := sorted(set(wanted) - set(groups)):
        raise Refused(f"{options.log} has no consumers of {', '.join(strangers)}; it has {', '.join(groups) or 'none'}")
    if not consumers:
        raise Refused(f"{options.log} has no consumers; add some with @subject.consumer('group') in that module")
    anyio.run(_work, log, wanted, options.grace)
    return 0


async def _work(log: Log, groups: Collection[str], grace: float) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            block = log.opened(consumers=groups, grace=grace)
            await block.__aenter__()
            print(f"{log.name}: running {', '.join(groups)}", flush=True)
            await anext(aiter(signals))
            print(f"{log.name}: ending, with {grace:g} s for what is being handled", flush=True)

            async def cancel_at_the_second() -> None:
                await anext(aiter(signals))
                print(f"{log.name}: ending at once", flush=True)
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel_at_the_second)
            try:
                await block.__aexit__(None, None, None)
            finally:
                tasks.cancel_scope.cancel()
    print(f"{log.name}: ended", flush=True)
