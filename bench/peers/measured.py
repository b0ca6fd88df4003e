"""Runs peers on the plain stream, and checks what they leave in their sinks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode
from zlib import crc32

import psycopg
from confluent_kafka import Consumer, TopicPartition
from psycopg.conninfo import conninfo_to_dict

from bench.generate import create_topic
from bench.lab import PARTITIONS, Lab, Measured, printed, topic_of
from tests.services.cached import CACHE, in_place_of
from tests.services.cached import run as run_quietly

_HERE: Final = Path(__file__).parent
_TABLE: Final = """
create table peer (reference_type text, reference_name text, from_value text, value text, reached_at timestamptz,
                   origin_partition integer, origin_offset bigint, primary key (origin_partition, origin_offset))
"""


class Peer(NamedTuple):
    """`command` gets servers, input topic, number of records, and the sinks that it may write to."""

    command: Callable[[], list[str]]
    arguments: tuple[str, ...]
    topic: bool
    rows: bool
    java: bool = False


def _made_of(name: str, sources: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """A folder in the checkout's cache, made once of these files as they are."""
    state = crc32(b"".join(source.read_bytes() for source in sources))
    folder = CACHE / f"peers-{name}-{state:08x}"
    in_place_of(folder, make)
    return folder


def _streams() -> list[str]:
    """Kafka Streams."""
    pom = _HERE / "streams" / "pom.xml"

    def build(target: Path) -> None:
        maven = ["mvn", "-q", "-B", "-f", str(pom), f"-DbuildDirectory={target}"]
        run_quietly([*maven, "package", "dependency:copy-dependencies", f"-DoutputDirectory={target}/libs"])

    folder = _made_of("streams", [pom, *sorted(pom.parent.rglob("*.java"))], build)
    return ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
            f"{folder}/peers-1.jar:{folder}/libs/*", "peers.Streams"]  # fmt: skip


def _faststream() -> list[str]:
    """FastStream, in an environment of its own."""
    pins = _HERE / "faststream.txt"

    def install(target: Path) -> None:
        run_quietly([sys.executable, "-m", "venv", "--copies", str(target)])
        python = str(target / "bin" / "python")
        run_quietly([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(pins)])

    folder = _made_of("faststream", [pins], install)
    return [str(folder / "bin" / "python"), "-m", "bench.peers.faststream_rows"]


def _loop() -> list[str]:
    return [sys.executable, "-m", "bench.peers.loop"]


PEERS: Final[Mapping[str, Peer]] = {
    "Kafka Streams, 1 thread": Peer(_streams, ("exactly_once_v2", "1"), topic=True, rows=False, java=True),
    "Kafka Streams, 2 threads": Peer(_streams, ("exactly_once_v2", "2"), topic=True, rows=False, java=True),
    "Kafka Streams to PostgreSQL, 2 threads": Peer(_streams, ("at_least_once", "2"), topic=False, rows=True, java=True),
    "FastStream, tuned": Peer(_faststream, ("ahead",), topic=False, rows=True),
    "FastStream, fetching like the worker": Peer(_faststream, ("worker",), topic=False, rows=True),
    "a loop by hand": Peer(_loop, (), topic=True, rows=True),
}
"""What each guarantees stands in docs/performance.md."""


def measure(lab: Lab) -> Measured:
    """The job, and every peer, one after the other."""
    job = lab.alone("plain")
    figures = {f"job {figure}": value for figure, value in job.items()}
    for name in PEERS:
        figures |= _peer(lab, name)
        figures[f"job ÷ {name}"] = job["records/s"] / figures[f"{name} records/s"]
        figures[f"job ÷ {name}, second half"] = job["records/s"] / figures[f"{name}, second half records/s"]
    return figures


def _peer(lab: Lab, name: str) -> Measured:
    """One peer on the plain stream; ends the bench where its sinks hold anything but every milestone once."""
    peer = PEERS[name]
    dsn, topic = lab.postgres.create_database(), lab.new_name("peer")
    create_topic(lab.kafka.bootstrap_servers, topic, PARTITIONS)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE)
    database = _jdbc(dsn) if peer.java else dsn
    records = lab.records("plain")
    work = [lab.kafka.bootstrap_servers, topic_of("plain"), str(records), topic, database, *peer.arguments]
    said = json.loads(printed([*peer.command(), *work])[-1])
    expected = len(lab.expected("plain"))
    if peer.topic and (events := _events(lab.kafka.bootstrap_servers, topic)) != expected:
        sys.exit(f"{name}: {events} events, not {expected}")
    if peer.rows and (rows := _rows(dsn)) != expected:
        sys.exit(f"{name}: {rows} rows, not {expected}")
    lab.postgres.drop_database(dsn)
    return {
        f"{name} records/s": said["rate"],
        f"{name}, second half records/s": said["second_half"],
        f"{name} CPU s per million": said["cpu_s"] / records * 1e6,
        f"{name} peak MB": said["peak_mb"],
    }


def _jdbc(dsn: str) -> str:
    """The address for Java."""
    said = conninfo_to_dict(dsn)
    query = urlencode({"user": said["user"], "password": said.get("password") or "", "reWriteBatchedInserts": "true"})
    return f"jdbc:postgresql://{said['host']}:{said['port']}/{said['dbname']}?{query}"


def _rows(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from peer").fetchone()
    return int(row[0]) if row else 0


def _events(servers: str, topic: str) -> int:
    """How many committed events the topic holds."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": topic, "isolation.level": "read_committed",
         "enable.auto.commit": False, "enable.partition.eof": True}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    events = ended = 0
    while ended < PARTITIONS:
        for message in consumer.consume(10_000, 1.0):
            if message.error() is None:
                events += 1
            else:
                ended += 1
    consumer.close()
    return events
