"""The table of capabilities in reference/engines.md, made by running the conformance suite: `make docs-engines`.

A cell is what a log says of itself. Before it is written, every test that needs the capability has passed on that
engine, or, where the engine lacks it, every test that it is refused. What the suite cannot reach names its own tests.

    python docs/engines_table.py            run the suite, and write the table
    python docs/engines_table.py --check    run nothing: say whether the table is what the engines say now
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "src"):
    sys.path.insert(0, str(folder))

from evenflow.log import Capabilities, Capability, Log  # noqa: E402 -- they are found now
from evenflow.log.postgres import PostgresLog  # noqa: E402 -- the same
from evenflow.log.redis import RedisLog  # noqa: E402 -- the same
from evenflow.testing.conformance._suite import Suite, cases  # noqa: E402 -- the same

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "docs" / "reference" / "engines.md"
BEGIN, END = "<!-- made by `make docs-engines` -->\n", "<!-- end of what is made -->\n"


class Column(NamedTuple):
    """An engine: the module in tests/conformance, its two classes, and the log at its strictest setting."""

    title: str
    module: str
    log: str
    engine: str
    strict: Log | None = None
    setting: str = ""


COLUMNS = (
    Column("SQLite", "test_sqlite", "TestSQLiteLog", "TestSQLiteEngine"),
    Column("PostgreSQL", "test_postgres", "TestPostgresLog", "TestPostgresEngine", PostgresLog("postgresql://host")),
    Column(
        "Redis, Valkey", "test_redis", "TestRedisLog", "TestRedisEngine",
        RedisLog("redis://host", durability="power"), '`durability="power"`',
    ),
    Column("NATS JetStream", "test_nats", "TestNATSLog", "TestNATSEngine"),
)  # fmt: skip
"""A further engine is a further row here, and a file in tests/conformance."""

ELSEWHERE: Mapping[Capability, str] = {
    "durable_on_power_cut": "`tests/log/crash/test_crash.py::"
    "test_a_kill_loses_nothing_and_repeats_nothing_that_was_acknowledged`, `tests/log/redis/test_server.py::"
    "test_durability_on_a_power_cut_is_what_the_server_is_set_to`; nobody pulls a plug in a test",
    "own_rows": "`tests/log/test_transaction.py::test_own_rows_and_events_are_one_commit`, "
    "`tests/log/postgres/test_outbox.py::test_own_rows_are_written_with_events_in_one_commit`",
    "routed_by": "`tests/log/nats/test_routed.py::test_one_percent_of_history_takes_few_of_the_bytes` and those below "
    "it; that readers get the same, whether it does or not, the suite",
    "several_machines": "clients of one server, each by TCP; the tests have one machine",
    "counts_first_attempt": "`tests/log/test_consumer.py::"
    "test_a_handler_that_kills_its_process_becomes_a_dead_letter_and_its_neighbours_do_not`",
    "notices_dead_members": "`tests/log/test_deliveries.py::"
    "test_what_a_dead_process_had_goes_out_again_within_two_seconds`",
    "notices_lost_events": "no engine has it",
}
"""What the suite cannot show, and what does."""


def suites(column: Column) -> list[type[Suite]]:
    """The classes of tests of an engine."""
    module = import_module(f"tests.conformance.{column.module}")
    return [getattr(module, column.log), getattr(module, column.engine)]


def evidence(column: Column, capability: Capability) -> set[tuple[str, str]]:
    """The tests, by class and name, that show that the engine has a capability, or refuses it."""
    found: set[tuple[str, str]] = set()
    for suite in suites(column):
        for name, case in cases(suite).items():
            if capability in (case.needs if suite.capabilities.have(capability) else case.lacks):
                found.add((suite.__name__, name))
        if capability == "trio" and suite.capabilities.trio:
            found |= {(suite.__name__, name) for name in cases(suite)}  # each of them runs there
    return found


def table() -> str:
    """The table, from what the engines say and the suite asks now."""
    titles = [column.title for column in COLUMNS]
    lines = [
        f"| capability | what it means | {' | '.join(titles)} | shown by |",
        "|---|---|" + "---|" * (len(titles) + 1),
    ]
    for capability in get_args(Capability):
        row = [cell(column, capability) for column in COLUMNS]
        lines.append(f"| `{capability}` | {meanings()[capability]} | {' | '.join(row)} | {shown_by(capability)} |")
    return "\n".join(lines) + "\n"


def cell(column: Column, capability: Capability) -> str:
    """What stands in the table for one engine."""
    usual = suites(column)[0].capabilities.have(capability)
    strict = usual if column.strict is None else column.strict.capabilities.have(capability)
    return "yes" if usual else f"with {column.setting}" if strict else "no"


def shown_by(capability: Capability) -> str:
    """How it is known."""
    if capability in ELSEWHERE:
        return ELSEWHERE[capability]
    unseen = [column.title for column in COLUMNS if not evidence(column, capability)]
    if unseen:
        raise SystemExit(f"the suite has no test of {capability} for {', '.join(unseen)}, and ELSEWHERE names none")
    return "the suite"


def meanings() -> dict[str, str]:
    """What each capability means, from the docstring that users read."""
    lines = re.findall(r"^\s+(\w+): (.+)\.$", Capabilities.__doc__ or "", re.MULTILINE)
    return {name: text.replace("``", "`") for name, text in lines}


class Outcomes(NamedTuple):
    """What became of the tests."""

    passed: dict[tuple[str, str], int]
    """How often each has passed, by its class and name: on each loop, and with each parameter."""
    others: list[str]
    """Those that were skipped, or have failed."""

    @classmethod
    def read(cls, xml: Path) -> Outcomes:
        """Read pytest's own report."""
        found = cls(defaultdict(int), [])
        for test in ET.parse(xml).iter("testcase"):  # noqa: S314 -- pytest has just written it
            suite, name = test.attrib["classname"].rpartition(".")[2], test.attrib["name"]
            if any(child.tag in {"failure", "error", "skipped"} for child in test):
                found.others.append(f"{suite}::{name}")
            else:
                found.passed[suite, name.partition("[")[0]] += 1
        return found


def run() -> int:
    """Run the suite on each engine of the table, and write it if everything was shown."""
    files = [str(ROOT / "tests" / "conformance" / f"{column.module}.py") for column in COLUMNS]
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "--junitxml", str(xml)]
        code = subprocess.run([*command, *files], cwd=ROOT, check=False).returncode  # noqa: S603 -- pytest
        outcomes = Outcomes.read(xml) if xml.exists() else Outcomes({}, [])
    if code or outcomes.others:
        print(f"the table is not written; these have not passed: {', '.join(outcomes.others) or code}")
        return 1
    for column in COLUMNS:
        for capability in get_args(Capability):
            if missing := evidence(column, capability) - outcomes.passed.keys():
                print(f"the table is not written: {capability} of {column.title} was not shown by {missing}")
                return 1
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    said = f"\nWritten after {sum(outcomes.passed.values()):,} tests of the suite had passed on real servers.\n\n"
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{said}{END}{after}", encoding="utf-8")
    return 0


def check() -> int:
    """Say whether the table is that of today."""
    made = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    if table() not in made:
        print("the table of capabilities is not what the engines say now; write it with `make docs-engines`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv[1:] else run())
