"""A deployment whose source writes a topic for each table, as Debezium does by default."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException, TopicPartition

from consumer.core.records import Partition
from tests.processes.readings import ends
from tests.processes.truth import Change
from tests.processes.workers import ROOT, Deployment
from tests.services import KafkaService


class TableTopics(Deployment):
    """Topics `<beginning>.<table>`; what is published stands under the same beginning, so that a pattern matches it."""

    def __init__(self, kafka: KafkaService, dsn: str, beginning: str, folder: Path) -> None:
        super().__init__(kafka, dsn, beginning, folder)
        self.config["output"]["dead_letter_topic"] = f"{beginning}.dead-letter"
        self.config["input"] = {"create_topics": True}

    def read_list(self, *document_types: str) -> None:
        """Names the topics of these types."""
        self.config["input"]["topics"] = [self.topic_of(one) for one in document_types]

    def read_pattern(self) -> None:
        """Everything under the beginning, and Kafka's own topics: what must not be read is matched, too."""
        self.config["input"]["pattern"] = f"^{self.topic}.*|__.*"

    def topic_of(self, document_type: str) -> str:
        """The topic of a type's table."""
        return f"{self.topic}.tab{document_type.replace(' ', '_')}"

    def create_topics(self, partitions: int, *document_types: str) -> None:
        """The topics of these types, each with this many partitions, which tell their ends."""
        for one in document_types:
            topic = self.topic_of(one)
            self.kafka.create_topic(topic, partitions, {"retention.ms": "-1"})
            self.wait(partial(self.tells_its_ends, topic), f"{topic} tells its ends")

    def feed_tables(self, stream: Iterable[Change]) -> None:
        """Sends each change to the topic of its table, in the partition of its document."""
        widths: dict[str, int] = {}
        producer = self.producer()
        for change in stream:
            topic = self.topic_of(change.document_type)
            if topic not in widths:
                widths[topic] = len(ends(self.kafka.bootstrap_servers, topic))
            producer.produce(topic, change.value, change.key, change.partition(widths[topic]), headers=change.headers)
        assert producer.flush(60) == 0

    def positions(self) -> dict[Partition, int]:
        """The watermark `stored` of every partition that has one."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute("select topic, partition, next_offset from stream_position").fetchall()
        return {Partition(topic, number): offset for topic, number, offset in rows}

    def wait_until_tables_are_published(self, *document_types: str) -> None:
        """Until both watermarks of the topics of these types are at the ends that they have now."""
        goal = {
            Partition(self.topic_of(one), number): end
            for one in document_types
            for number, end in ends(self.kafka.bootstrap_servers, self.topic_of(one)).items()
        }
        self.wait(lambda: self._are_published(goal), f"{goal} are published")

    def _are_published(self, goal: Mapping[Partition, int]) -> bool:
        stored = self.positions()
        if any(stored.get(key, 0) < end for key, end in goal.items()):
            return False
        try:
            answers = self.reader().committed([TopicPartition(*key) for key in goal], timeout=5.0)
        except KafkaException:
            return False
        # Where there is nothing to read, nothing is committed.
        return all(max(answer.offset, 0) >= goal[Partition(answer.topic, answer.partition)] for answer in answers)

    def wait_for_sharing(self, members: int, partitions: int) -> None:
        """Until so many members share so many partitions of all topics, and each of them has some."""

        def shared() -> bool:
            try:
                answer = self.admin.describe_consumer_groups([self.group], request_timeout=10.0)[self.group].result(
                    10.0
                )
            except KafkaException:
                return False  # The group's coordinator begins.
            held = [len(member.assignment.topic_partitions) for member in answer.members]
            return len(held) == members and all(held) and sum(held) == partitions

        self.wait(shared, f"{members} members share {partitions} partitions")

    def status(self) -> dict[str, str]:
        """How far each partition is behind, as `milestones status` tells it."""
        command = [sys.executable, "-m", "consumer", "status", "--config", str(self.write_config())]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env={"COLUMNS": "200"})
        lines = [line.split() for line in done.stdout.splitlines()[1:]]
        return {words[0]: words[4] for words in lines}
