"""The configuration: config.yaml, validated whole before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from consumer.config_file import Document, Location, read_yaml
from consumer.config_sections import (
    DocumentSection,
    InputSection,
    MetricsSection,
    OutputSection,
    PostgresSection,
    ProcessingSection,
    Registry,
)
from consumer.config_topics import check_topics
from consumer.core.inputs import RESERVED, Inputs
from consumer.core.tracker_text import tracker_from, tracker_section
from consumer.core.trackers import DocumentType, Tracker, check_together
from consumer.core.values import Encoding
from consumer.errors import ConfigError
from consumer.kafka.settings import OWNED
from consumer.masking import MASK, is_secret, masked_dsn


class Settings(BaseSettings):
    """All of config.yaml. Environment variables `MILESTONES__<SECTION>__<KEY>` come first."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="MILESTONES__",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file; nothing else is asked."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    kafka: dict[str, str | int | float | bool] = Field(description="librdkafka properties under their own names.")
    input: InputSection = InputSection()
    output: OutputSection = OutputSection()
    postgres: PostgresSection
    processing: ProcessingSection = ProcessingSection()
    documents: dict[str, DocumentSection] = {}
    trackers: list[Any] | dict[str, Any] | None = Field(
        None, description="Applied at start; or `follow` and `rules`: see docs/trackers.md."
    )
    tests: list[dict[str, Any]] | None = Field(None, description="Cases for `milestones trackers test`.")
    metrics: MetricsSection = MetricsSection()

    @property
    def group(self) -> str:
        """The consumer group."""
        return str(self.kafka["group.id"])

    @property
    def dsn(self) -> str:
        """The connection string, in clear."""
        return self.postgres.dsn.get_secret_value()

    @property
    def dead_letter_topic(self) -> str:
        """Where records go that cannot be evaluated."""
        return self.output.dead_letter_topic or f"{self.input.topic}.dead-letter"

    @property
    def output_registry(self) -> Registry:
        """The schema registry of what is announced; empty for none."""
        return self.output.registry or self.input.registry

    @property
    def inputs(self) -> Inputs:
        """The topics to read. With several, `input.topic` is its default and names the dead-letter topic only."""
        own = (self.output.topic, self.dead_letter_topic, *RESERVED)
        if self.input.pattern is not None:
            return Inputs((), self.input.pattern, own)
        return Inputs(self.input.topics or (self.input.topic,), None, own)

    def document_types(self) -> dict[str, DocumentType]:
        """The `documents` section as the core has it."""
        return {
            name: DocumentType(
                name,
                section.table,
                section.key,
                section.actor,
                {column: Encoding(said.encoding, said.scale) for column, said in section.columns.items()},
            )
            for name, section in self.documents.items()
        }

    def tracker_list(self) -> list[Tracker] | None:
        """The `trackers` section; None if the file has none, and so says nothing about trackers."""
        entries = tracker_section(self.trackers, "trackers").entries
        return None if entries is None else trackers_from_list(entries, "trackers")

    @property
    def follows_trackers(self) -> bool:
        """Whether trackers that arrive in the stream are taken on."""
        return tracker_section(self.trackers, "trackers").follow


_UNIONS = ("list[", "dict[")
"""How pydantic names the parts of a union, among the keys that led to an error."""


def trackers_from_list(entries: object, place: str, placed: Callable[[int], str] | None = None) -> list[Tracker]:
    """Trackers from a YAML list.

    Args:
        placed: says where an entry stands; by default `<place>[2]`.

    Raises:
        ConfigError: naming each entry that is wrong, and the key.
    """
    if not isinstance(entries, list):
        raise ConfigError(f"{place}: a list of trackers is expected, each with document_type and track_field")
    trackers: list[Tracker] = []
    errors: list[str] = []
    for at, entry in enumerate(entries):
        where = placed(at) if placed is not None else f"{place}[{at}]"
        try:
            if not isinstance(entry, dict):
                said = "nothing" if entry is None else repr(entry)
                raise ConfigError(
                    f"{where}: a tracker has keys, document_type and track_field at least; this is {said}"
                )
            trackers.append(tracker_from(entry, where))
        except ConfigError as error:
            errors.append(str(error))
    if errors:
        raise ConfigError("\n".join(errors))
    check_together(trackers)
    return trackers


def read_trackers(path: Path, option: str = "--file") -> list[Tracker]:
    """A file of trackers: a YAML list as under `trackers:`, or a mapping with that key.

    Args:
        option: of the command line that named it.
    """
    return trackers_in(read_yaml(path, option=option))


def trackers_in(document: Document) -> list[Tracker]:
    """The trackers of a file, at its top or under `trackers`."""
    content, prefix = document.content, Location()
    if isinstance(content, dict) and "trackers" in content:
        said, prefix = content["trackers"], ("trackers",)
        content = tracker_section(said, document.place(prefix)).entries or []
        prefix = (*prefix, "rules") if isinstance(said, dict) else prefix
    return trackers_from_list(content, document.path.name, lambda at: document.place((*prefix, at)))


def load(path: Path) -> Settings:
    """The whole configuration.

    Raises:
        ConfigError: with file, line, key, and the nearest key that exists.
    """
    document = read_yaml(path)
    content = document.content
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name} is empty or no mapping; start from the project's config.yaml")
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(document, detail) for detail in error.errors())) from error
    _check_kafka(document, settings)
    if settings.output.format == "avro" and not settings.output_registry:
        where = document.place(("output", "format"))
        raise ConfigError(f"{where}: avro needs a schema registry; set output.registry.url, or input.registry.url")
    check_topics(document, settings.input, settings.inputs, (settings.output.topic, settings.dead_letter_topic))
    if "trackers" in content:
        trackers_in(document)
    settings.tracker_list()
    return settings


def _explained(document: Document, detail: Any) -> str:
    location: Location = tuple(part for part in detail["loc"] if not str(part).startswith(_UNIONS))
    place = document.place(location)
    if detail["type"] == "extra_forbidden":
        return f"{place}: unknown key{_nearest(location)}"
    if detail["type"] == "missing":
        return f"{place}: is missing, and has no default"
    if detail["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"{place}: keys with values are expected here, as in `key: value`, not {detail['input']!r}"
    return f"{place}: {detail['msg'].removeprefix('Value error, ')}"


def _nearest(location: Location) -> str:
    model: Any = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        annotation = None if field is None else field.annotation
        model = {"documents": DocumentSection}.get(
            str(part), annotation if hasattr(annotation, "model_fields") else model
        )
    names = [field.alias or name for name, field in model.model_fields.items()]
    close = get_close_matches(str(location[-1]), names, n=1, cutoff=0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(names)}"


def _check_kafka(document: Document, settings: Settings) -> None:
    for key in settings.kafka:
        if key in OWNED:
            where = document.place(("kafka", key))
            raise ConfigError(f"{where}: the protocol owns this property (docs/guarantees.md); remove it")
    for key in ("bootstrap.servers", "group.id"):
        if not settings.kafka.get(key):
            raise ConfigError(f"{document.place(('kafka', key))}: is missing, and has no default")


def effective(settings: Settings) -> dict[str, Any]:
    """Everything that is in force, defaults included, with secrets masked."""
    content: dict[str, Any] = settings.model_dump(mode="json", by_alias=True)
    content["kafka"] = {key: MASK if is_secret(key) else value for key, value in settings.kafka.items()}
    content["input"]["registry"] = _masked(settings.input.registry)
    content["output"]["registry"] = _masked(settings.output_registry)
    content["postgres"]["dsn"] = masked_dsn(settings.dsn)
    content["output"]["dead_letter_topic"] = settings.dead_letter_topic
    if settings.input.topics is not None or settings.input.pattern is not None:
        content["input"]["topic"] = None
    return content


def _masked(registry: Registry) -> Registry:
    return {
        key: MASK if is_secret(key) else masked_dsn(str(value)) if key == "url" else value
        for key, value in registry.items()
    }
