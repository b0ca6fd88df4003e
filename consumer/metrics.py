"""All metrics, in one place. Labels are bounded: kinds, reasons, trackers, their fields, stages, topic, partition."""

from __future__ import annotations

import os
import time
from collections import Counter as Count
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from operator import attrgetter

from prometheus_client import Counter, Gauge, Histogram

from consumer.batch import Verdicts
from consumer.core.records import Batch, Partition

RECORDS = Counter("milestones_records", "Records that got a verdict or were passed over, by outcome.", ["outcome"])
REACHED = Counter("milestones_reached", "Milestones stored, by tracker.", ["tracker"])
PUBLISHED = Counter("milestones_published_events", "Events published: milestones and dead letters.")
DEAD_LETTERS = Counter(
    "milestones_dead_letters",
    "Records that could not be evaluated, by reason and column.",
    ["reason", "field"],
)
ABSENT = Counter("milestones_absent_columns", "Changes that lacked a tracked column.", ["document_type", "track_field"])
MISSED = Counter(
    "milestones_missed_changes",
    "Values read by snapshots that differ from what was known.",
    ["document_type", "track_field"],
)
RECOVERIES = Counter("milestones_recoveries", "Times the watermarks were read again, by cause.", ["cause"])
UNJUDGED = Counter(
    "milestones_rule_errors",
    "Changes of which a tracker's rule could not tell whether they meet it.",
    ["tracker", "reason"],
)
LOG_LINES_DROPPED = Counter("milestones_log_lines_dropped", "Lines that could not be written to stdout or stderr.")
SCHEMA_WAITS = Counter(
    "milestones_schema_waits", "Times a partition waited a second for the schema of its next record."
)
STAGE = Histogram(
    "milestones_batch_stage_seconds",
    "Time a batch spent in a stage.",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_RECORDS = Histogram(
    "milestones_batch_records",
    "Records in a batch.",
    buckets=(1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000),
)
STORED_OFFSET = Gauge(
    "milestones_stored_offset",
    "Watermark `stored`: below it every record has its verdict.",
    ["topic", "partition"],
    multiprocess_mode="mostrecent",
)
PUBLISHED_OFFSET = Gauge(
    "milestones_published_offset",
    "Watermark `published`: below it every event is visible.",
    ["topic", "partition"],
    multiprocess_mode="mostrecent",
)
LAG = Gauge(
    "milestones_lag_records",
    "Records between `published` and the end of the partition.",
    ["topic", "partition"],
    multiprocess_mode="mostrecent",
)
STUCK = Gauge(
    "milestones_partition_stuck_seconds",
    "Time since `published` moved, while something is behind it; 0 at the end of the partition.",
    ["topic", "partition"],
    multiprocess_mode="mostrecent",
)
NEWEST_RECORD_AGE = Gauge(
    "milestones_newest_record_age_seconds",
    "Age of the newest record when its batch was published.",
    ["topic", "partition"],
    multiprocess_mode="mostrecent",
)
READY = Gauge("milestones_worker_ready", "1 while a worker can store and publish.", multiprocess_mode="livemin")
ALIVE = Gauge(
    "milestones_worker_last_loop_timestamp_seconds",
    "When a worker last went round its loop.",
    multiprocess_mode="livemin",
)


_tracker = attrgetter("milestone_tracker")


def totals() -> dict[str, int]:
    """What this process came to since it began: milestones, dead letters, events."""
    counted = {"milestones": REACHED, "dead_letters": DEAD_LETTERS, "events": PUBLISHED}
    return {
        name: int(sum(s.value for family in counter.collect() for s in family.samples if s.name.endswith("_total")))
        for name, counter in counted.items()
    }


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Observes how long the body takes, as one stage of a batch."""
    start = time.perf_counter()
    try:
        yield
    finally:
        STAGE.labels(stage).observe(time.perf_counter() - start)


def observe_batch(batch: Batch, verdicts: Verdicts, published: int) -> None:
    """Counts what a batch came to, once it is stored and published."""
    BATCH_RECORDS.observe(batch.count)
    PUBLISHED.inc(published)
    for kind, count in verdicts.skipped.items():
        RECORDS.labels(kind).inc(count)
    for tracker, count in Count(map(_tracker, verdicts.milestones)).items():
        REACHED.labels(tracker).inc(count)
    if verdicts.milestones:
        RECORDS.labels("milestone").inc(len(verdicts.milestones))
    for letter in verdicts.dead_letters:
        DEAD_LETTERS.labels(letter.error_class, letter.field or "").inc()
    for (document_type, field), count in verdicts.absent.items():
        ABSENT.labels(document_type, field).inc(count)
    for (document_type, field), count in verdicts.missed.items():
        MISSED.labels(document_type, field).inc(count)
    for (tracker, reason), count in verdicts.unjudged.items():
        UNJUDGED.labels(tracker, reason).inc(count)
    now = time.time()
    for span in batch.spans.values():
        STORED_OFFSET.labels(span.topic, span.partition).set(span.stored_after)
        PUBLISHED_OFFSET.labels(span.topic, span.partition).set(span.published_after)
        if span.last is not None:
            age = now - span.last.timestamp / 1000
            NEWEST_RECORD_AGE.labels(span.topic, span.partition).set(max(age, 0.0))


def observe_lag(confirmed: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
    """How far what this worker published is behind the end of each partition."""
    for key, offset in confirmed.items():
        if ends.get(key, -1) >= 0:
            LAG.labels(*key).set(max(ends[key] - offset, 0))


def observe_stuck(seconds: Mapping[Partition, float]) -> None:
    """For how long each partition of this worker has stood still."""
    for key, stuck_s in seconds.items():
        STUCK.labels(*key).set(stuck_s)


def forget(partitions: Iterable[Partition]) -> None:
    """Stops reporting partitions that another worker has now. Several processes' newest report wins by itself."""
    several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
    for topic, number in partitions:
        # Whoever has it now may be on another machine: here it is not stuck for ever.
        STUCK.labels(topic, number).set(0)
        for gauge in () if several else (STORED_OFFSET, PUBLISHED_OFFSET, LAG, NEWEST_RECORD_AGE, STUCK):
            with suppress(KeyError):
                gauge.remove(topic, str(number))
