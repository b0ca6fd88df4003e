"""What Kafka's facts mean for this configuration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from consumer.core.facts import ClusterFacts, TopicFacts
from consumer.core.inputs import Inputs
from consumer.core.positions import Owner, StoredPosition, start_of
from consumer.core.records import Partition
from consumer.diagnosis.findings import Finding, counted, fine
from consumer.diagnosis.kinds import finding
from consumer.errors import Fatal

_DAY_MS = 86_400_000
_OURS = "cooperative-sticky"
_MANY = 5


class Wanted(msgspec.Struct, frozen=True):
    """What config.yaml says of Kafka; `retention_ms` by topic, `workers` as they are to be started."""

    inputs: Inputs
    output: str
    dead_letters: str
    create_topics: bool
    transactional_prefix: str
    retention_ms: dict[str, int]
    workers: int


def cluster_findings(facts: ClusterFacts, wanted: Wanted) -> Iterator[Finding]:
    """About the broker, topics, rights and the group."""
    about = f"{counted(facts.brokers, 'broker')}, cluster {facts.cluster_id}"
    yield fine("broker", "broker", f"{about}, Kafka {facts.release} or later" if facts.release else about)
    if any(topic.topic_id in ("", "AAAAAAAAAAAAAAAAAAAAAA") for topic in facts.topics.values()):
        yield finding("broker-old", "broker", "topics have no ids")
    if facts.transactions_refused is not None:
        fix = {"prefix": wanted.transactional_prefix}
        yield finding("transactions-refused", "broker", facts.transactions_refused, **fix)
    inputs = [facts.topics[name] for name in wanted.inputs.among(facts.topics)]
    yield from _missing(facts, wanted)
    for topic in inputs:
        yield from _input(topic)
    widest = max((topic.partitions for topic in inputs), default=0)
    for name in (wanted.output, wanted.dead_letters):
        if name in facts.topics:
            yield from _output(facts.topics[name], widest, wanted)
    yield from _sizes(inputs, facts.topics.get(wanted.dead_letters))
    yield from _replicas(facts)
    yield from _group(facts, sum(topic.partitions for topic in inputs), wanted)


def _missing(facts: ClusterFacts, wanted: Wanted) -> Iterator[Finding]:
    if wanted.inputs.pattern is not None and not wanted.inputs.among(facts.topics):
        yield finding("pattern-unmatched", "input.pattern", f"no topic matches {wanted.inputs.pattern}")
    for name in (*wanted.inputs.names, wanted.output, wanted.dead_letters):
        if name not in facts.topics:
            code = "topic-to-be-made" if wanted.create_topics else "topic-missing"
            yield finding(code, f"topic {name}", "it does not exist", topic=name)
            if wanted.create_topics:
                yield from _allowed(facts.operations, {"CREATE"}, "the cluster")


def _allowed(operations: frozenset[str] | None, needed: set[str], resource: str) -> Iterator[Finding]:
    lacking = ", ".join(sorted(needed - operations)) if operations is not None else ""
    if lacking:
        found = f"this user may not {lacking}"
        yield finding("not-allowed", resource, found, operations=lacking, resource=resource)


def _input(topic: TopicFacts) -> Iterator[Finding]:
    place = f"topic {topic.name}"
    yield fine("input", place, f"{counted(topic.partitions, 'partition')}, replication factor {topic.replication}")
    yield from _allowed(topic.operations, {"READ", "DESCRIBE"}, place)
    config = topic.config or {}
    if "compact" in config.get("cleanup.policy", ""):
        yield finding("input-compacted", place, f"cleanup.policy is {config['cleanup.policy']}", topic=topic.name)
    retention_ms = int(config.get("retention.ms", "-1"))
    if 0 <= retention_ms < _DAY_MS:
        yield finding("input-retention", place, f"retention.ms is {retention_ms:,}", topic=topic.name)


def _output(topic: TopicFacts, widest: int, wanted: Wanted) -> Iterator[Finding]:
    place = f"topic {topic.name}"
    yield from _allowed(topic.operations, {"WRITE", "DESCRIBE"}, place)
    if topic.partitions < widest:
        found = f"{counted(topic.partitions, 'partition')}, the widest input topic has {widest}"
        yield finding("output-narrow", place, found, topic=topic.name, partitions=widest)
    config = topic.config or {}
    if "compact" in config.get("cleanup.policy", ""):
        yield finding("output-compacted", place, f"cleanup.policy is {config['cleanup.policy']}", topic=topic.name)
    said, kept = wanted.retention_ms.get(topic.name), config.get("retention.ms")
    if kept is not None and said is not None and int(kept) != said:
        found = f"retention.ms is {int(kept):,}, in config.yaml {said:,}"
        yield finding("output-retention", place, found, wanted=said, topic=topic.name)


def _sizes(inputs: Sequence[TopicFacts], letters: TopicFacts | None) -> Iterator[Finding]:
    """A dead letter is the whole record: where it does not fit, its partition cannot go on."""
    largest = max((int((topic.config or {}).get("max.message.bytes", "0")) for topic in inputs), default=0)
    limit = None if letters is None or letters.config is None else letters.config.get("max.message.bytes")
    if letters is not None and limit is not None and int(limit) < largest:
        found = f"max.message.bytes is {int(limit):,}, of the input {largest:,}"
        yield finding("dead-letter-size", f"topic {letters.name}", found, topic=letters.name, bytes=largest)


def _replicas(facts: ClusterFacts) -> Iterator[Finding]:
    single = sorted(topic.name for topic in facts.topics.values() if topic.replication == 1)
    if single:
        told = _first(single)
        yield finding("replication", "topics", f"replication factor 1: {told}")
    for topic in facts.topics.values():
        if topic.lagging:
            found = f"{topic.lagging} of {topic.partitions} partitions have replicas out of sync"
            yield finding("replicas-lag", f"topic {topic.name}", found, topic=topic.name)


def _group(facts: ClusterFacts, partitions: int, wanted: Wanted) -> Iterator[Finding]:
    if partitions and wanted.workers > partitions:
        found = f"{counted(wanted.workers, 'worker')} for {counted(partitions, 'partition')}"
        yield finding("workers-idle", "workers", found, partitions=partitions)
    group = facts.group
    place = f"group {group.name}"
    yield from _allowed(group.operations, {"READ"}, place)
    if not group.state:
        return
    known = {key: offset for key, offset in facts.committed.items() if offset is not None and key in facts.ends}
    behind = sum(max(facts.ends[key].high - offset, 0) for key, offset in known.items())
    fresh = sum(end.high - end.low for key, end in facts.ends.items() if key not in known)
    told = f"{counted(behind + fresh, 'record')} behind the end"
    if not group.members:
        yield finding("group-empty", place, f"no member; {told}")
    elif group.assignor and group.assignor != _OURS:
        yield finding("group-foreign", place, f"its {group.members} members share partitions by {group.assignor}")
    else:
        yield fine("group", place, f"{counted(group.members, 'member')}, {group.state.lower()}; {told}")


def position_findings(facts: ClusterFacts, group: str, stored: Mapping[Partition, StoredPosition]) -> Iterator[Finding]:
    """What `run` would say of the positions, without running: one message for all partitions that have it."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for key, row in sorted(stored.items()):
        topic, ends = facts.topics.get(key.topic), facts.ends.get(key)
        if topic is None or ends is None:
            continue
        where = f"{key.topic}-{key.partition}"
        try:
            start_of(Owner(topic.name, topic.topic_id, group), key.partition, row, facts.committed.get(key), ends)
        except Fatal as error:
            told[str(error).removeprefix(f"{where}: ")].append(where)
    for message, places in told.items():
        yield finding("run-would-stop", _first(places, 1), message)


def _first(names: Sequence[str], shown: int = _MANY) -> str:
    """The first of these, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")
