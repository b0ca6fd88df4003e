"""Faults 21, 41, 42, 45 and 57: what a worker refuses to go on with, and what it says."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.faults.trial import Trial
from tests.faults.world import World
from tests.services.kafka.local import LocalKafka


def _set(trial: Trial, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for answer in trial.admin.incremental_alter_configs([resource]).values():
        answer.result(10.0)


_UNFIT = (
    (
        "insert into schema_migration (version, name, checksum) values (9999, 'later', '')",
        "delete from schema_migration where version = 9999",
        "update the program",
    ),
    (
        "create table put_aside as select * from schema_migration; delete from schema_migration where version = 3",
        "insert into schema_migration select * from put_aside where version = 3; drop table put_aside",
        "milestones migrate",
    ),
    (
        "alter table schema_migration rename to put_aside",
        "alter table put_aside rename to schema_migration",
        "milestones migrate",
    ),
)


def _execute(trial: Trial, statement: str) -> None:
    with psycopg.connect(trial.dsn, autocommit=True) as connection:
        connection.execute(statement)


@pytest.mark.fault("21", "schema missing, older or newer than the program")
def test_a_schema_that_is_not_this_programs_is_refused_with_the_way_out(trial: Trial) -> None:
    trial.begin()
    trial.work()
    trial.wait_for_progress()
    trial.drain()
    for unfit, fit_again, words in _UNFIT:
        _execute(trial, unfit)
        refused = trial.work()
        assert refused.ended() == 1
        assert words in refused.log
        _execute(trial, fit_again)
    trial.work()
    trial.wait_for_progress()
    trial.settle()


@pytest.mark.fault("41", "dead-letter topic deleted in mid run")
def test_a_dead_letter_topic_that_is_deleted_stops_the_worker_and_nothing_is_lost(trial: Trial) -> None:
    trial.begin()
    worker = trial.work()
    trial.wait_for_progress()
    trial.kafka.delete_topic(f"{trial.topic}.dead-letter")
    source = trial.producer()
    source.produce(trial.topic, b"no change at all", b"{}", 0)
    assert source.flush(10.0) == 0
    assert worker.ended() == 1, worker.log
    assert f"{trial.topic}.dead-letter" in worker.log
    trial.work()
    trial.wait_for_progress()
    trial.settle(dead_letters=1)


@pytest.mark.fault("42", "output topic takes nothing of that size")
def test_an_output_topic_that_is_too_small_stops_the_worker_and_nothing_is_lost(trial: Trial) -> None:
    trial.begin()
    worker = trial.work()
    trial.wait_for_progress()
    _set(trial, f"{trial.topic}-reached", "max.message.bytes", "100")
    assert worker.ended() == 1, worker.log
    assert "max.message.bytes" in worker.log
    assert f"{trial.topic}-reached" in worker.log
    _set(trial, f"{trial.topic}-reached", "max.message.bytes", "1000000")
    trial.work()
    trial.wait_for_progress()
    trial.settle()


@pytest.mark.fault("45", "reload with an invalid rule")
def test_a_tracker_that_cannot_be_read_leaves_the_old_ones_in_force(trial: Trial) -> None:
    trial.begin()
    worker = trial.work()
    trial.wait_for_progress()
    _execute(
        trial,
        "insert into milestone_tracker (name, document_type, track_field, rule) "
        "values ('nonsense', 'Task', 'priority', '{\"no such\": 1}')",
    )
    trial.wait(lambda: "trackers refused" in worker.log, "it is refused")
    trial.wait_for_progress()
    _execute(trial, "delete from milestone_tracker where name = 'nonsense'")
    trial.wait_for_progress()
    assert worker.is_running
    trial.settle()


@pytest.fixture
def own_log(world: World, topic: str, tmp_path: Path, seed: int) -> Iterator[tuple[LocalKafka, Trial]]:
    """A trial on a Kafka whose data can be put back."""
    with closing(LocalKafka({})) as kafka:
        kafka.start()
        own = _Direct(kafka, world)
        with closing(Trial(own, topic, tmp_path, seed)) as made:
            yield kafka, made


class _Direct(World):
    """Another Kafka, asked without a link."""

    def __init__(self, kafka: LocalKafka, world: World) -> None:
        super().__init__(kafka, world.postgres, world.kafka_link, world.postgres_link)

    @property
    def bootstrap_servers(self) -> str:
        return self.kafka.bootstrap_servers


@pytest.mark.fault("57", "Kafka restored from an older state", sample=False)
def test_a_kafka_that_goes_back_stops_the_worker_with_advice(own_log: tuple[LocalKafka, Trial]) -> None:
    kafka, trial = own_log
    trial.begin()
    trial.work()
    trial.wait_for_progress(200)
    before = trial.stop_feeding()
    trial.wait_until_published()
    trial.drain()
    kafka.terminate()
    backup = kafka.back_up()
    kafka.start()
    trial.resume_feeding()
    trial.work()
    trial.wait_for_progress(200)
    trial.stop_feeding()
    trial.wait_until_published()
    trial.drain()
    held = sorted(row.id for row in trial.rows())
    kafka.terminate()
    kafka.restore(backup)
    kafka.start()
    refused = trial.work()
    assert refused.ended() == 1, refused.log
    assert f"{trial.topic}-" in refused.log
    assert "restore the log, or restore PostgreSQL to the same moment" in refused.log
    assert sorted(row.id for row in trial.rows()) == held
    assert before
