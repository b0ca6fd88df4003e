"""One database, its connector and its workload: everything that happens before the milestones' consumer reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tests.debezium import documents, oracle
from tests.debezium.connectors import Config
from tests.debezium.documents import Dialect
from tests.debezium.recording import record
from tests.debezium.sources import Source
from tests.debezium.workload import Workload
from tests.services import ConnectService, KafkaService
from tests.services.service import wait_until

_SNAPSHOT = "snapshot-is-done"
# Longer than a chunk takes to be read and sent, whatever else the machine does.
_QUIET_S = 4.0
# Debezium 3.2's connectors, once killed, cannot read their own note of a table with a space that is still to be read.
_TABLES = ("tabTask",)


class ChangeStream:
    """A source whose connector writes all documents to the topic `<name>.document-changes`."""

    def __init__(self, name: str, source: Source, dialect: Dialect, within: str, seed: int) -> None:
        """`within`: the database or schema that tables are named in."""
        self.name, self.source, self._dialect, self._within = name, source, dialect, within
        self._workload = Workload(dialect, seed)
        self._sent = 0
        source.run(documents.create(dialect))
        # ByLogicalTableRouter writes a column's DEFAULT for NULL, whatever the converter is told.
        source.run([dialect.sql("ALTER TABLE «tabSales Order» ALTER COLUMN status DROP DEFAULT")])
        source.run(self._workload.documents(20))
        source.run(oracle.create(dialect))
        source.mark(_SNAPSHOT)

    @property
    def topic(self) -> str:
        """Where the documents' changes go."""
        return f"{self.name}.document-changes"

    def start(self, kafka: KafkaService, connect: ConnectService, settings: Config) -> None:
        """Let a connector with these settings read; what it found there, before any change, is in Kafka."""
        connect.add({self.name: {**self._settings(), **settings}})
        record(kafka, connect, self.name, _SNAPSHOT.encode())

    def _settings(self) -> Config:
        return {
            **self.source.config(self.name),
            "table.exclude.list": f"{self._within}.{oracle.LOG}",
            "transforms": "router",
            "transforms.router.type": "io.debezium.transforms.ByLogicalTableRouter",
            "transforms.router.topic.regex": r"([^.]+)\.([^.]+)\.tab(.*)",
            "transforms.router.topic.replacement": "$1.document-changes",
            # A connector that goes on in the midst of a transaction counts its changes from 1 again: identities must
            # not be made of these numbers.
            "provide.transaction.metadata": "true",
            "signal.enabled.channels": "source",
            "signal.data.collection": f"{self._within}.{documents.SIGNALS}",
            "incremental.snapshot.chunk.size": "4",
        }

    def work(self, transactions: int) -> None:
        """So many transactions, one after the other."""
        self.source.run(self._workload.transactions(transactions))

    def add_column(self) -> None:
        """DDL on a table that is read."""
        self.source.run([self._dialect.sql("ALTER TABLE «tabTask» ADD COLUMN colour varchar(20)")])

    def drop_column(self) -> None:
        """DDL on a table that is read; the column stands before those that are tracked."""
        self.source.run([self._dialect.sql("ALTER TABLE «tabSales Order» DROP COLUMN customer")])

    def work_during_a_snapshot(self) -> None:
        """An incremental snapshot, asked for by signal, and changes for as long as it reads."""
        self.source.run([documents.snapshot_signal(self._dialect, self._within, *_TABLES)])
        closed = 4 * len(_TABLES)
        wait_until(lambda: self._work_until_windows(closed), timeout_s=120, what="the snapshot has closed its windows")

    def wait_until_the_snapshot_is_over(self, kafka: KafkaService, connect: ConnectService) -> None:
        """Until the connector has read all of it and noted so: killed before, it would read on at its next start, and
        by the columns that it knew; after a column was added meanwhile it ends instead, for ever (DBZ-4350)."""
        seen, since = self._windows(), time.monotonic()
        while time.monotonic() - since < _QUIET_S:
            time.sleep(0.5)
            if (windows := self._windows()) != seen:
                seen, since = windows, time.monotonic()
        self.wait_until_sent(kafka, connect)
        began = time.time()
        self.work(2)
        wait_until(lambda: connect.noted_at() > began, timeout_s=60, what="the connector has noted its position")

    def _work_until_windows(self, closed: int) -> bool:
        self.work(4)
        return self._windows() >= closed

    def _windows(self) -> int:
        ((windows,),) = self.source.ask(
            f"SELECT count(*) FROM {documents.SIGNALS} WHERE type = 'snapshot-window-close'"  # noqa: S608
        )
        return int(windows)

    def wait_until_sent(self, kafka: KafkaService, connect: ConnectService) -> None:
        """Until all that happened so far is in Kafka."""
        self._sent += 1
        word = f"so-far-{self._sent:04}-is-sent"
        self.source.mark(word)
        record(kafka, connect, self.name, word.encode())


Step = Callable[[], None]


def steps(stream: ChangeStream, kafka: KafkaService, connect: ConnectService) -> Sequence[Step]:
    """What happens while the connector reads, in order: it is killed in the midst of it, and started again."""
    return [
        lambda: stream.work(60),
        stream.work_during_a_snapshot,
        lambda: stream.work(150),
        lambda: stream.wait_until_the_snapshot_is_over(kafka, connect),
        lambda: stream.work(60),
        connect.kill,
        lambda: stream.work(60),
        stream.add_column,
        lambda: stream.work(40),
        connect.start,
        lambda: stream.work(60),
        # PostgreSQL's connector asks for the columns of now, and ends at a change of a column that is gone.
        lambda: stream.wait_until_sent(kafka, connect),
        stream.drop_column,
        lambda: stream.work(60),
    ]
