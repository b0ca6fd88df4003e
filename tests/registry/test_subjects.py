"""The subject of announcements on a real Apicurio: registered, found, refused, and compatible with every release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from consumer.app_output import avro_schema
from consumer.core.facts import Standing
from consumer.errors import ConfigError, Fatal, PublishDown
from consumer.kafka.subjects import Subjects
from tests.services import RegistryService, open_registry

pytestmark = pytest.mark.all

RELEASES = Path(__file__).parents[1] / "data" / "released-schemas"


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryService]:
    with closing(open_registry(private=True)) as service:
        yield service


@pytest.fixture
def subjects(registry: RegistryService) -> Iterator[Subjects]:
    with closing(Subjects({"url": registry.confluent_api}, "output.registry")) as made:
        yield made


@pytest.fixture
def client(registry: RegistryService) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.confluent_api}) as made:
        yield made


def incompatible() -> str:
    """A schema that cannot read what this program writes: it asks for a field that is not there."""
    schema = json.loads(avro_schema())
    schema["fields"].append({"name": "weight", "type": "double"})
    return json.dumps(schema)


def test_a_schema_that_is_not_there_is_a_stop_that_says_what_to_do(subjects: Subjects) -> None:
    with pytest.raises(Fatal, match=r"subject none-value has not .* set output\.register_schema: true"):
        subjects.schema_id("none-value", avro_schema(), register=False)
    assert subjects.standing("none-value", avro_schema()) is Standing.WELCOME


def test_it_is_registered_once_and_found_from_then_on(subjects: Subjects, client: SchemaRegistryClient) -> None:
    number = subjects.schema_id("reached-value", avro_schema(), register=True)
    assert json.loads(client.get_schema(number).schema_str or "") == json.loads(avro_schema())
    assert client.get_compatibility("reached-value") == "BACKWARD_TRANSITIVE"
    for register in (True, False):
        assert subjects.schema_id("reached-value", avro_schema(), register=register) == number
    assert client.get_versions("reached-value") == [1]
    assert subjects.standing("reached-value", avro_schema()) is Standing.REGISTERED


def test_what_the_subjects_schemas_do_not_allow_is_a_stop(subjects: Subjects) -> None:
    subjects.schema_id("strict-value", avro_schema(), register=True)
    assert subjects.standing("strict-value", incompatible()) is Standing.INCOMPATIBLE
    with pytest.raises(Fatal, match="incompatible with this program's"):
        subjects.schema_id("strict-value", incompatible(), register=True)


def test_the_level_of_a_subject_that_was_there_is_left_alone(subjects: Subjects, client: SchemaRegistryClient) -> None:
    client.register_schema("theirs-value", Schema('"string"', "AVRO"))
    client.set_compatibility("theirs-value", "NONE")
    subjects.schema_id("theirs-value", avro_schema(), register=True)
    assert (client.get_versions("theirs-value"), client.get_compatibility("theirs-value")) == ([1, 2], "NONE")


@pytest.mark.parametrize("released", sorted(RELEASES.glob("*.avsc")), ids=lambda path: path.stem)
def test_who_reads_by_todays_schema_can_read_what_every_release_wrote(
    subjects: Subjects, client: SchemaRegistryClient, released: Path
) -> None:
    subject = f"{released.stem}-value"
    client.register_schema(subject, Schema(released.read_text(encoding="utf-8"), "AVRO"))
    client.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    assert subjects.standing(subject, incompatible()) is Standing.INCOMPATIBLE
    assert subjects.standing(subject, avro_schema()) is not Standing.INCOMPATIBLE


def test_another_page_is_told_from_an_empty_registry(registry: RegistryService) -> None:
    with (
        closing(Subjects({"url": f"{registry.url}/elsewhere"}, "output.registry")) as subjects,
        pytest.raises(Fatal, match=r"output\.registry: .*check the URL"),
    ):
        subjects.schema_id("reached-value", avro_schema(), register=True)


def test_nobody_there_is_no_answer() -> None:
    with closing(Subjects({"url": "http://127.0.0.1:9", "timeout": 1}, "output.registry")) as subjects:
        for ask in (subjects.standing, lambda name, text: subjects.schema_id(name, text, register=True)):
            with pytest.raises(PublishDown, match="does not answer"):
                ask("reached-value", avro_schema())


def test_an_unknown_property_names_its_section() -> None:
    with pytest.raises(ConfigError, match=r"output\.registry: .*colour"):
        Subjects({"url": "http://127.0.0.1:9", "colour": "red"}, "output.registry")
