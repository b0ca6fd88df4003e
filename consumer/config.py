"""The configuration: config.yaml, validated whole before anything starts."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from consumer.config_file import Document, Location, read_yaml
from consumer.config_topics import check_topics
from consumer.core.inputs import RESERVED, Inputs, checked_names, checked_pattern
from consumer.core.tracker_text import tracker_from, tracker_section
from consumer.core.trackers import DocumentType, Tracker, check_together
from consumer.core.values import ENCODINGS, UNAVAILABLE, Encoding
from consumer.errors import ConfigError
from consumer.kafka.settings import OWNED
from consumer.masking import MASK, is_secret, masked_dsn

DAY_MS = 86_400_000


class Section(BaseModel):
    """A section of config.yaml; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSection(Section):
    """Where change events come from."""

    topic: str = Field("document-changes", min_length=1, description="The topic of change events.")
    topics: tuple[str, ...] | None = Field(None, min_length=1, description="Several topics, instead of `topic`.")
    pattern: str | None = Field(None, min_length=1, description="Matches whole names of topics, instead of `topic`.")
    create_topics: bool = Field(False, description="Create missing topics at start instead of stopping.")
    event_id_headers: tuple[str, ...] = Field(
        ("ce_id", "event-id"), description="Headers that identify a change whose source block does not."
    )
    unavailable_value: str = Field(UNAVAILABLE, description="The connector's unavailable.value.placeholder.")
    format: Literal["auto", "debezium", "flattened", "cloudevents"] = Field(
        "auto", description="The shape of change events; JSON or Avro is told by each record."
    )
    metadata_prefix: str = Field("__", description="What flattened metadata begins with (add.fields.prefix).")
    registry: dict[str, str | int | float | bool] = Field(
        {}, description="For Avro: `url`, and other properties of confluent-kafka's registry client."
    )

    @field_validator("registry")
    @classmethod
    def _has_url(cls, value: dict[str, object]) -> dict[str, object]:
        if value and not str(value.get("url", "")).startswith(("http://", "https://")):
            raise ValueError("url is missing, or does not begin with http:// or https://")
        return value

    @field_validator("topic", "topics", "pattern")
    @classmethod
    def _possible(cls, value: str | tuple[str, ...] | None, info: ValidationInfo) -> str | tuple[str, ...] | None:
        if info.field_name == "pattern" and isinstance(value, str):
            return checked_pattern(value)
        checked_names((value,) if isinstance(value, str) else value or ())
        return value


class OutputSection(Section):
    """Where milestones are announced."""

    topic: str = Field("milestone-reached", min_length=1, description="The topic of milestone events.")
    dead_letter_topic: str | None = Field(None, description="Default: `input.topic` with `.dead-letter` behind it.")
    guarantee: Literal["exactly_once", "at_least_once"] = Field("exactly_once", description="Of events; rows are once.")
    retention_ms: int = Field(30 * DAY_MS, ge=-1, description="Of the milestone topic, if it is created; -1 keeps all.")
    dead_letter_retention_ms: int = Field(90 * DAY_MS, ge=-1, description="Of the dead-letter topic, if it is created.")


class PostgresSection(Section):
    """Where milestones are stored."""

    dsn: SecretStr = Field(description="libpq connection string or URL; TLS is verified for servers elsewhere.")


class ProcessingSection(Section):
    """How batches are made."""

    max_batch_records: int = Field(10_000, ge=1, le=1_000_000, description="Records in one batch at most.")
    max_batch_bytes: int = Field(32 << 20, ge=1_024, description="Bytes in one batch, about.")
    poll_timeout_ms: int = Field(100, ge=1, le=10_000, description="How long a poll waits when nothing comes.")
    max_dead_letter_ratio: float = Field(0.5, ge=0, le=1, description="Of the last records; more is a stop. 0: never.")
    dead_letter_window: int = Field(1_000, ge=1, le=1_000_000, description="How many records `ratio` looks back on.")
    max_dead_letter_run: int = Field(500, ge=0, description="In a row in one partition; more is a stop. 0: never.")
    instance: str = Field("main", pattern=r"^[\w.-]+$", description="Tells deployments with one group.id apart.")


class MetricsSection(Section):
    """Where Prometheus and probes find this machine's workers."""

    enabled: bool = Field(True, description="Serve /metrics, /livez and /readyz.")
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless you say otherwise.")
    port: int = Field(9464, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    stuck_after_ms: int = Field(60_000, ge=1, description="After that /livez names a partition that stands still.")


class ColumnSection(Section):
    """How a column is encoded, where schemaless JSON does not say."""

    encoding: str = Field(alias="as", description=f"One of {', '.join(ENCODINGS)}.")
    scale: int | None = Field(None, description="Of a decimal that comes as base64 bytes.")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ENCODINGS:
            raise ValueError(f"{value!r} is not an encoding; one of {', '.join(ENCODINGS)}")
        return value


class DocumentSection(Section):
    """One document type: its table, the columns of its name, and how columns are encoded."""

    table: str | None = Field(None, description="Default: `tab<type>` (Frappe) or the type's own name.")
    key: tuple[str, ...] = Field((), description="Columns that name the document; default: the record key.")
    actor: str = Field("modified_by", description="The column that says who did it.")
    columns: dict[str, ColumnSection] = {}

    @field_validator("key", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


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
    trackers: list[dict[str, Any]] | dict[str, Any] | None = Field(
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


def trackers_from_list(entries: object, place: str) -> list[Tracker]:
    """Trackers from a YAML list.

    Raises:
        ConfigError: naming the entry and the key.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{place}: a list of trackers is expected, each with document_type and track_field")
    trackers = [tracker_from(entry, f"{place}[{at}]") for at, entry in enumerate(entries)]
    check_together(trackers)
    return trackers


def read_trackers(path: Path) -> list[Tracker]:
    """A file of trackers: a YAML list as under `trackers:`, or a mapping with that key."""
    content = read_yaml(path).content
    if isinstance(content, dict) and "trackers" in content:
        content = tracker_section(content["trackers"], f"{path.name}: trackers").entries or []
    return trackers_from_list(content, path.name)


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
    check_topics(document, settings.input, settings.inputs, (settings.output.topic, settings.dead_letter_topic))
    settings.tracker_list()
    return settings


def _explained(document: Document, detail: Any) -> str:
    location: Location = tuple(detail["loc"])
    place = document.place(location)
    if detail["type"] == "extra_forbidden":
        return f"{place}: unknown key{_nearest(location)}"
    if detail["type"] == "missing":
        return f"{place}: is missing, and has no default"
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
    content["input"]["registry"] = {
        key: MASK if is_secret(key) else masked_dsn(str(value)) if key == "url" else value
        for key, value in settings.input.registry.items()
    }
    content["postgres"]["dsn"] = masked_dsn(settings.dsn)
    content["output"]["dead_letter_topic"] = settings.dead_letter_topic
    if settings.input.topics is not None or settings.input.pattern is not None:
        content["input"]["topic"] = None
    return content
