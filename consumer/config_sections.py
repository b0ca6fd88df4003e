"""The sections of config.yaml, each with its keys, their defaults and what they mean."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from consumer.core.inputs import checked_names, checked_pattern
from consumer.core.values import ENCODINGS, UNAVAILABLE

DAY_MS = 86_400_000

Registry = dict[str, str | int | float | bool]
"""Properties of confluent-kafka's schema registry client."""


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
    native: bool = Field(
        True, description="Let compiled code look at records first and hand events over, if there is any."
    )
    registry: Registry = Field(
        {}, description="For Avro: `url`, and other properties of confluent-kafka's registry client."
    )

    @field_validator("registry")
    @classmethod
    def _has_url(cls, value: Registry) -> Registry:
        return _with_url(value)

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
    format: Literal["json", "avro"] = Field("json", description="Of the events' values.")
    registry: Registry = Field({}, description="For Avro, as `input.registry`, which it is by default.")
    register_schema: bool = Field(False, description="Put the Avro schema into the registry instead of stopping.")
    guarantee: Literal["exactly_once", "at_least_once"] = Field("exactly_once", description="Of events; rows are once.")
    retention_ms: int = Field(30 * DAY_MS, ge=-1, description="Of the milestone topic, if it is created; -1 keeps all.")
    dead_letter_retention_ms: int = Field(90 * DAY_MS, ge=-1, description="Of the dead-letter topic, if it is created.")

    @field_validator("registry")
    @classmethod
    def _has_url(cls, value: Registry) -> Registry:
        return _with_url(value)


class PostgresSection(Section):
    """Where milestones are stored."""

    dsn: SecretStr = Field(description="libpq connection string or URL; TLS is verified for servers elsewhere.")


class ProcessingSection(Section):
    """How batches are made."""

    max_batch_records: int = Field(20_000, ge=1, le=1_000_000, description="Records in one batch at most.")
    max_batch_bytes: int = Field(
        20 << 20, ge=1_024, description="Bytes in one batch, about; passed over by compiled code: a quarter."
    )
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


def _with_url(registry: Registry) -> Registry:
    if registry and not str(registry.get("url", "")).startswith(("http://", "https://")):
        raise ValueError("url is missing, or does not begin with http:// or https://")
    return registry
