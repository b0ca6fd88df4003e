"""The composition root of announcements: how values are written, and read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from consumer.config import Settings
from consumer.core.milestones import Announce, announcement, announcement_by_msgspec
from consumer.errors import Fatal
from consumer.formats.avro_announcements import AvroAnnouncer, announced_in_avro
from consumer.formats.avro_schemas import AvroSchemas
from consumer.kafka.registry import Registry
from consumer.kafka.subjects import Subjects
from consumer.packaged import packaged

SECTION = "output.registry"
_PATIENCE_S = 30.0


def announcer_of(settings: Settings) -> Announce:
    """What makes events of milestones, in the format that config.yaml names.

    Raises:
        PublishDown: the schema registry does not answer.
        Fatal: it has not the schema and may not get it, or does not let this program in.
    """
    if settings.output.format == "json":
        return announcement if settings.input.native else announcement_by_msgspec
    schema = avro_schema()
    with closing(Subjects(settings.output_registry, SECTION)) as subjects:
        number = subjects.schema_id(subject_of(settings), schema, register=settings.output.register_schema)
    return AvroAnnouncer(schema, number)


def avro_schema() -> str:
    """The Avro schema of an announcement."""
    return (packaged("schemas") / "milestone-reached.avsc").read_text(encoding="utf-8")


def subject_of(settings: Settings) -> str:
    """The subject of the announcements' values (Confluent's TopicNameStrategy)."""
    return f"{settings.output.topic}-value"


@contextmanager
def reading_avro(settings: Settings) -> Iterator[Callable[[bytes], bytes | None]]:
    """What gives an announcement in Avro as it would be in JSON; None for what is no Avro."""
    if not settings.output_registry:
        yield announced_without_registry
        return
    registry = Registry(settings.output_registry, patience_s=_PATIENCE_S, section=SECTION)
    schemas = AvroSchemas(registry)
    with closing(registry):
        yield lambda value: announced_in_avro(value, schemas)


def announced_without_registry(value: bytes) -> bytes | None:
    """Refuses Avro.

    Raises:
        Fatal: it is.
    """
    if value.startswith(b"\x00"):
        raise Fatal("the output topic has events in Avro; set output.registry.url to read them")
    return None
