"""Kafka as a doctor sees it: versions, topics, settings, rights and the group. Nobody is disturbed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from consumer.core.facts import ClusterFacts, GroupFacts, TopicFacts
from consumer.core.inputs import Inputs
from consumer.core.positions import LogEnds
from consumer.core.records import Partition
from consumer.errors import Fatal, MilestonesError, Transient
from consumer.kafka.sampling import Newest, newest
from consumer.kafka.settings import client_settings, made, producer_settings
from consumer.kafka.topics import Topics, answer_of

_TIMEOUT_S = 10.0
_PATIENCE_S = 5.0
_SAMPLE_TIMEOUT_S = 30.0
_SETTINGS = frozenset({"cleanup.policy", "retention.ms", "max.message.bytes"})

_FETCH = re.compile(r"ApiKey Fetch \(1\) Versions \d+\.\.(\d+)")
_RELEASES = {18: "4.1", 17: "3.9", 16: "3.7", 15: "3.5", 14: "3.5", 13: "3.1", 12: "2.7", 11: "2.3"}
"""The first Kafka with this version of Fetch, from the table of its protocol (kafka.apache.org/protocol)."""


class Cluster:
    """Asks one cluster.

    Args:
        outputs: topics that are written.
        transactional_id: one to try a transaction with, which writes nothing; None asks for none.

    Raises:
        ConfigError: the client refuses a property.
    """

    def __init__(
        self, kafka: Mapping[str, object], inputs: Inputs, outputs: Sequence[str], transactional_id: str | None
    ) -> None:
        self._kafka, self._inputs, self._outputs = kafka, inputs, outputs
        self._group, self._transactional_id = str(kafka["group.id"]), transactional_id
        self._heard = _Heard()
        # The client tells what a broker understands in a line of its log and nowhere else.
        settings = {**client_settings(kafka), "debug": "feature", "log_level": 7, "logger": self._heard.logger}
        self._admin = made(AdminClient, settings)
        self._topics = Topics(kafka)

    def facts(self) -> ClusterFacts:
        """What the cluster is and has. A topic that was made just now has a leader in a moment, and is waited for.

        Raises:
            PublishDown: no broker answers.
            Fatal: the broker refuses this user.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._facts()
            except Transient:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)

    def _facts(self) -> ClusterFacts:
        present = self._topics.partitions()
        about = answer_of(self._admin.describe_cluster(include_authorized_operations=True, request_timeout=_TIMEOUT_S))
        self._admin.poll(0.5)
        inputs = self._inputs.among(present)
        topics = self._described([*inputs, *(name for name in self._outputs if name in present)])
        places = [Partition(name, number) for name in inputs for number in range(present[name])]
        return ClusterFacts(
            about.cluster_id, len(about.nodes), self._heard.release, _names(about.authorized_operations), topics,
            self._described_group(), self._topics.ends(places) if places else {}, self._committed(places),
            None if self._transactional_id is None else self._refused(self._transactional_id),
        )  # fmt: skip

    def newest(self, ends: Mapping[Partition, LogEnds], count: int) -> Newest:
        """The newest `count` records up to these ends; raises as `sampling.newest` does."""
        return newest(self._kafka, ends, count, _SAMPLE_TIMEOUT_S)

    def _described(self, names: Collection[str]) -> dict[str, TopicFacts]:
        if not names:
            return {}
        asked = TopicCollection(list(names))
        answers = self._admin.describe_topics(asked, include_authorized_operations=True, request_timeout=_TIMEOUT_S)
        configs = self._configs(names)
        return {name: _topic(name, answer_of(answer), configs.get(name)) for name, answer in answers.items()}

    def _configs(self, names: Collection[str]) -> dict[str, Mapping[str, str] | None]:
        """Settings of topics; None for those that this user may not see."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(resources, request_timeout=_TIMEOUT_S)
        return {resource.name: _config(answer) for resource, answer in answers.items()}

    def _described_group(self) -> GroupFacts:
        """Its state is empty where this user may not see it."""
        asked = self._admin.describe_consumer_groups(
            [self._group], include_authorized_operations=True, request_timeout=_TIMEOUT_S
        )[self._group]
        try:
            about = answer_of(asked)
        except Fatal:
            return GroupFacts(self._group, "", 0, operations=frozenset())
        operations = _names(about.authorized_operations)
        return GroupFacts(self._group, about.state.name, len(about.members), about.partition_assignor or "", operations)

    def _committed(self, places: Sequence[Partition]) -> dict[Partition, int | None]:
        """Empty where this user may not see it: that is a finding by itself."""
        if not places:
            return {}
        try:
            return self._topics.committed(self._group, places)
        except Fatal:
            return {}

    def _refused(self, transactional_id: str) -> str | None:
        """Why a producer of this id cannot begin a transaction; None where it can."""
        settings = {**producer_settings(self._kafka, transactional_id), "log_level": 0}
        try:
            made(Producer, settings).init_transactions(_TIMEOUT_S)
        except KafkaException as error:
            return str(error.args[0].str())
        return None


class _Heard:
    """Listens to the client's log for what a broker understands."""

    def __init__(self) -> None:
        self._fetch = 0
        self.logger = logging.Logger("milestones.doctor")  # noqa: LOG001 - nobody else's, and never configured
        self.logger.addHandler(_Handler(self))

    def line(self, text: str) -> None:
        """Takes one line."""
        found = _FETCH.search(text)
        if found is not None:
            self._fetch = int(found[1])

    @property
    def release(self) -> str:
        """The least that the broker can be, as `4.1`; empty if it was not heard."""
        return next((name for version, name in _RELEASES.items() if version <= self._fetch), "")


class _Handler(logging.Handler):
    def __init__(self, heard: _Heard) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.line(record.getMessage())


def _topic(name: str, about: Any, config: Mapping[str, str] | None) -> TopicFacts:
    partitions = about.partitions
    return TopicFacts(
        name,
        str(about.topic_id),
        len(partitions),
        min((len(partition.replicas) for partition in partitions), default=0),
        sum(len(partition.isr) < len(partition.replicas) for partition in partitions),
        _names(about.authorized_operations),
        config,
    )


def _config(answer: Future[Any]) -> Mapping[str, str] | None:
    try:
        entries = answer_of(answer)
    except MilestonesError:
        return None
    return {name: str(entry.value) for name, entry in entries.items() if name in _SETTINGS and entry.value is not None}


def _names(operations: Iterable[Any] | None) -> frozenset[str] | None:
    """Kafka's names of what may be done; None where a broker that is too old did not tell."""
    return None if operations is None else frozenset(operation.name for operation in operations)
