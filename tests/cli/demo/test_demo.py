"""The demo as a user runs it: another process, with and without a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "evenflow.cli", "demo"]
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal the controlling one, so that Ctrl-C reaches the process, and becomes the demo."""
NO_WISHES = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
"""The environment without the variables that force colours on a pipe."""
ROW = re.compile(r"^  (?P<name>\w+) .*?(?P<numbers>[\d,]+ = .*)$", re.MULTILINE)


def run(*options: str, tampered: str = "") -> subprocess.CompletedProcess[str]:
    """Run the demo without a terminal; ``tampered`` is run first, to break it."""
    script = f"import sys\n{tampered}\nfrom evenflow.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=NO_WISHES)


def ledger(said: str) -> dict[str, list[int]]:
    """The rows of the ledger that was printed: wanted, delivered, replaced, dropped, and what was not read, if any."""
    return {
        row["name"]: [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", row["numbers"])]
        for row in ROW.finditer(said)
    }


def number_after(words: str, said: str) -> int:
    found = re.search(rf"{words} +([\d,]*\d)", " ".join(said.split()))
    assert found is not None, said
    return int(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run of two seconds without a terminal, and its archive."""
    out = tmp_path_factory.mktemp("demo") / "archive.jsonl"
    out.write_text("an older line\n")
    return run("--seconds", "2", "--out", str(out)), out


Plain = tuple[subprocess.CompletedProcess[str], Path]


def test_a_run_makes_a_publisher_wait_replaces_and_shows_a_gap(plain: Plain) -> None:
    """The archive makes publishers wait, the table is conflated, and the analyst misses events."""
    done, _ = plain
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"archive  waits for the disk: publishers waited (once|twice|[\d,]+ times)", done.stdout)
    assert re.search(r"analyst  thinks for long: [1-9][\d,]* old events were dropped", done.stdout)
    assert re.search(r"screen   shows only the newest: [1-9][\d,]* older values were replaced", done.stdout)
    rows = ledger(done.stdout)
    assert list(rows) == ["screen", "archive", "analyst", "alarm", "census"]
    assert rows["screen"][2] > 0
    assert rows["analyst"][3] > 0
    assert rows["archive"][1] == rows["archive"][0] > 0
    assert "Every event is accounted for:" in done.stdout


def test_it_says_what_happens_before_it_happens_and_where_to_go_after(plain: Plain) -> None:
    """Somebody who has never heard of evenflow reads one sentence, then each reader and what its slowness leads to."""
    said = plain[0].stdout
    before, _, rest = said.partition("  1.")
    assert " ".join(before.split()).startswith("evenflow hands the events of a program to any number of readers, each")
    for words in (
        "screen shows the latest values",
        "archive must have every event safely on the disk: while its buffer is full, the publishers wait",
        "analyst thinks for milliseconds about each event",
        "alarm is called only for",
        "census is called only for",
    ):
        assert words in " ".join(before.split())
    assert "Each line adds up" in rest
    assert rest.index("How each reader is made:") < rest.index("Next:") < rest.index("docs/tutorial/1-first-event.md")


def test_where_to_go_next_can_be_gone_to(plain: Plain) -> None:
    """The page exists, and so does what the lines of Python name."""
    said = plain[0].stdout
    root = Path(__file__).parents[3]
    assert all((root / page).exists() for page in re.findall(r"docs/\S+", said))
    written = (root / "src" / "evenflow" / "cli" / "demo" / "_run.py").read_text(encoding="utf-8")
    for words in ("conflate=Noticed.source", 'overflow="drop_oldest", gaps=True', "(CoreLoad.percent >= TOO_HIGH) |"):
        assert words in written
        assert words.replace("TOO_HIGH", "90") in said


def test_the_printed_sums_can_be_added_up_by_hand(plain: Plain) -> None:
    """Each row adds up, and the subscriptions wanted what `publish` returned."""
    said = plain[0].stdout
    rows = ledger(said)
    for name, (wanted, *places) in rows.items():
        assert wanted == sum(places), name
    assert number_after("the publishers counted", said) == sum(row[0] for row in rows.values())
    assert number_after("and the readers", said) == sum(row[0] for row in rows.values())
    assert number_after("gaps that it was told of add up to", said) == rows["analyst"][3]
    assert number_after("and its file has", said) == rows["archive"][1]


def test_the_archive_holds_a_json_line_for_each_event_after_what_was_there(plain: Plain) -> None:
    """`--out` adds to a file, which has a line for each event that the ledger says was delivered."""
    done, out = plain
    older, *lines = out.read_text().splitlines()
    assert older == "an older line"
    events = [json.loads(line) for line in lines]
    assert len(events) == ledger(done.stdout)["archive"][1]
    assert {"CoreLoad", "MemoryUse", "ProcessCount"} <= {event["event"] for event in events}
    assert all(0 <= event["percent"] <= 100 for event in events if event["event"] == "CoreLoad")


def test_without_a_terminal_it_prints_plain_lines(plain: Plain) -> None:
    """A log has no colours and no cursor movements, and nothing is written to stderr."""
    done, _ = plain
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert re.search(r"^  1\.\d s  \d+ cores? \d+ % busy, memory", done.stdout, re.MULTILINE)
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "census" not in line), done.stdout
    assert done.stderr == ""


def test_a_sum_that_does_not_hold_is_said_and_is_exit_code_1() -> None:
    """Books that are wrong by one are found out."""
    done = run(
        "--seconds",
        "0.2",
        tampered=(
            "from evenflow.cli.demo._publishers import Books\n"
            "enter = Books.enter\n"
            "Books.enter = lambda self, wanted: enter(self, wanted + (self.published == 0))"
        ),
    )
    assert done.returncode == 1
    assert re.search(r"A sum does not hold: publish returned [\d,]+ in all, and [\d,]+ were wanted\.", done.stdout)


def test_a_run_in_which_nothing_was_ever_full_is_exit_code_1() -> None:
    """A demo of backpressure in which nobody had to wait does not call itself a success."""
    done = run(
        "--seconds",
        "0.2",
        tampered=(
            "from evenflow.cli.demo import _run\n"
            "_run.ARCHIVE_BUFFER = _run.ANALYST_BUFFER = 100_000"
        ),
    )  # fmt: skip
    assert done.returncode == 1
    assert "no buffer was ever full" in done.stdout


def test_an_archive_that_the_disk_refuses_ends_alone_and_is_exit_code_1(tmp_path: Path) -> None:
    """If the disk is full, the demo says so, and all other readers go on to the end."""
    done = run(
        "--seconds",
        "1.5",
        "--out",
        str(tmp_path / "archive.jsonl"),
        tampered="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, 1_024))",
    )
    assert done.returncode == 1
    assert "The archive stopped: [Errno 27]" in done.stdout
    rows = ledger(done.stdout)
    assert rows["analyst"][0] > rows["archive"][0] > 0
    assert done.stderr == ""


def test_a_run_on_a_log_goes_on_where_the_one_before_was_killed(tmp_path: Path) -> None:
    """With `--log`, what a killed run had stored is there, and each event of it is counted by one run or the other."""
    file = tmp_path / "demo.db"
    with subprocess.Popen(
        [*DEMO, "--seconds", "inf", "--log", str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = ""
        while not re.match(r" +[\d.]+ s  ", line := process.stdout.readline()):
            first += line
        process.kill()
    assert "is a new log" in " ".join(first.split())

    done = run("--seconds", "1.5", "--log", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    stored = re.search(r"has ([\d,]+) events of one earlier run; the last one began .* and was killed\.", said)
    assert stored is not None, said
    assert int(stored[1].replace(",", "")) > 0
    assert "Every event is accounted for:" in said
    this_run = number_after("and its log has", said)
    assert this_run == ledger(done.stdout)["archive"][1]
    of_before = number_after("events out of the log,", said)
    assert number_after("historian counted", said) == this_run + of_before

    again = " ".join(run("--seconds", "0.5", "--log", str(file)).stdout.split())
    assert number_after("demo.db has", again) == int(stored[1].replace(",", "")) + this_run
    assert re.search(r"events of 2 earlier runs; .* and ended\. All of them were counted", again)


def test_what_is_no_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A file of somebody else is not written to."""
    file = tmp_path / "notes.txt"
    file.write_text("something of mine\n" * 100)
    done = run("--log", str(file))
    assert done.returncode == 2
    assert "is not a database" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text() == "something of mine\n" * 100


def test_a_log_that_the_disk_refuses_ends_alone_and_is_exit_code_1(tmp_path: Path) -> None:
    """The other readers go on, and the demo says what the log said."""
    done = run(
        "--seconds",
        "1.5",
        "--log",
        str(tmp_path / "demo.db"),
        tampered="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The archive stopped: " in done.stdout
    rows = ledger(done.stdout)
    assert rows["analyst"][0] > rows["archive"][0] > 0


def test_it_ends_when_nobody_reads_what_it_prints() -> None:
    """`evenflow demo | head -1` ends without a traceback."""
    with subprocess.Popen(
        [*DEMO, "--seconds", "inf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "\n"
        assert "evenflow hands the events of a program" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=100) == 141
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_ledger(number: signal.Signals) -> None:
    """After Ctrl-C or SIGTERM, readers still take what is in their buffers, and the sums hold."""
    with subprocess.Popen([*DEMO, "--seconds", "inf"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = ""
        while not re.match(r" +[\d.]+ s  ", line := process.stdout.readline()):
            first += line
        process.send_signal(number)
        said = first + line + process.stdout.read()
    assert process.returncode == 0, said
    assert "Every event is accounted for:" in said
    assert "Traceback" not in said


def test_on_a_terminal_it_draws_in_place_and_ctrl_c_gives_the_terminal_back_with_the_ledger() -> None:
    """A user sees a picture that moves, presses Ctrl-C, and then has the ledger and a cursor."""
    with a_terminal() as (master, slave):
        command = [sys.executable, "-c", ON_A_TERMINAL, *DEMO, "--seconds", "inf"]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "34"}
        with subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
        ) as process:
            os.close(slave)
            seen = read_until(master, "old events were dropped")
            os.write(master, b"\x03")
            seen += read_until(master, None)
    assert process.returncode == 0, seen
    assert "Ctrl-C ends it" in seen
    assert "newer value replaces an older one" in " ".join(seen.split())
    assert "One source, five readers, each at its own pace" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1, "the cursor was hidden, and is back"
    after = seen[seen.index("\x1b[?25h") :]
    assert "newer replaces" in after
    assert "Every event is accounted for:" in after
    assert "How each reader is made:" in after
    assert "Traceback" not in seen


@contextmanager
def a_terminal() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 34, 110, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)


def read_until(master: int, words: str | None) -> str:
    """What was written to the terminal, up to these words, or to the end."""
    seen = b""
    while words is None or words.encode() not in seen:
        try:
            more = os.read(master, 65_536)
        except OSError:  # how Linux says that nobody holds the other end any more
            more = b""
        if not more:
            assert words is None, seen.decode()
            break
        seen += more
    return seen.decode()
