"""The schema registry: Confluent's API, and Apicurio's own for the ids that its headers carry."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import msgspec

from consumer.errors import ConfigError, Fatal, MalformedRecord, SchemaPending

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema

_DEFAULTS: Mapping[str, object] = {"timeout": 5, "max.retries": 0}
_UNKNOWN_FOR_S = 30.0
_ASK_AGAIN_S = 1.0
_APICURIO = re.compile(r"/apis/(?:ccompat|registry)/v\d+/?$")
_CONFLUENT_ID = "id"


class SchemaId(Protocol):
    """What a record says of its schema: `id`, `globalId` or `contentId`, and a number."""

    @property
    def kind(self) -> str: ...
    @property
    def number(self) -> int: ...


class _Unknown(NamedTuple):
    since_s: float
    asked_s: float


class Registry:
    """Schemas by id, each asked for once.

    An id that the registry does not know is asked for again during half a minute, because a registry may be younger
    than the records; a registry that does not answer is asked again for as long as it takes.

    Args:
        settings: the client's own properties: `url`, `basic.auth.user.info`, `ssl.ca.location`, `timeout` (s), …

    Raises:
        ConfigError: the client refuses a property.
    """

    def __init__(self, settings: Mapping[str, object], clock: Callable[[], float] = time.monotonic) -> None:
        # Not above: only who reads Avro pays for this import.
        from confluent_kafka import schema_registry  # noqa: PLC0415

        url = str(settings["url"]).rstrip("/")
        is_apicurio = _APICURIO.search(url) is not None
        try:
            confluent = _APICURIO.sub("/apis/ccompat/v7", url) if "/apis/registry/" in url else url
            self._client = schema_registry.SchemaRegistryClient({**_DEFAULTS, **settings, "url": confluent})
            apicurio = _APICURIO.sub("/apis/registry/v2", url) if "/apis/ccompat/" in url else url
            # The client has no call for Apicurio's own API; its requests have the same TLS, credentials and proxies.
            rest = type(self._client._rest_client)
            self._apicurio = rest({**_DEFAULTS, **settings, "url": apicurio}) if is_apicurio else None
        except (ValueError, TypeError, OSError) as error:
            raise ConfigError(
                f"input.registry: {error}; known are the properties of confluent-kafka's client"
            ) from error
        self._refusal = schema_registry.SchemaRegistryError
        self._clock = clock
        self._known: dict[tuple[str, int], Sequence[str]] = {}
        self._unknown: dict[tuple[str, int], _Unknown] = {}
        self._down_until_s = 0.0

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema's JSON, behind those that it refers to.

        Raises:
            SchemaPending: it cannot be had now.
            MalformedRecord: the registry does not know it.
            Fatal: the registry does not let this program in.
        """
        key = (str(schema.kind), schema.number)
        known = self._known.get(key)
        if known is not None:
            return known
        now = self._clock()
        if now < self._down_until_s:
            raise SchemaPending("the schema registry did not answer a moment ago")
        self._check_unknown(key, now)
        self._known[key] = texts = self._asked(key, now)
        self._unknown.pop(key, None)
        return texts

    def silence(self) -> str | None:
        """Why the registry cannot be asked, or does not know this program; None where it answers."""
        try:
            self._client.get_subjects()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
            # Who may read schemas need not be allowed to list what there is.
            is_answer = getattr(error, "http_status_code", None) == 403
            return None if is_answer else f"{type(error).__name__}: {error}"
        return None

    def _check_unknown(self, key: tuple[str, int], now: float) -> None:
        unknown = self._unknown.get(key)
        if unknown is None:
            return
        if now - unknown.since_s >= _UNKNOWN_FOR_S:
            raise MalformedRecord(f"the schema registry knows no schema with {key[0]} {key[1]}")
        if now - unknown.asked_s < _ASK_AGAIN_S:
            raise SchemaPending(f"the schema registry did not know {key[0]} {key[1]} a moment ago")

    def _asked(self, key: tuple[str, int], now: float) -> Sequence[str]:
        try:
            return self._fetched(*key)
        except self._refusal as error:
            if error.http_status_code in (401, 403):
                raise Fatal(
                    f"input.registry: the registry refuses this program ({error}); check its credentials"
                ) from error
            if error.http_status_code == 404:
                since_s = self._unknown[key].since_s if key in self._unknown else now
                self._unknown[key] = _Unknown(since_s, now)
                raise SchemaPending(f"the schema registry does not know {key[0]} {key[1]} yet") from error
            raise self._down(now, error) from error
        except (MalformedRecord, SchemaPending):
            raise
        except Exception as error:
            raise self._down(now, error) from error

    def _down(self, now: float, error: Exception) -> SchemaPending:
        self._down_until_s = now + _ASK_AGAIN_S
        return SchemaPending(f"the schema registry does not answer: {type(error).__name__}: {error}")

    def _fetched(self, kind: str, number: int) -> Sequence[str]:
        if kind == _CONFLUENT_ID:
            return self._with_references(self._client.get_schema(number))
        if self._apicurio is None:
            raise SchemaPending(
                f"the record names its schema by Apicurio's {kind}: set input.registry.url to Apicurio's address "
                "with /apis/ccompat/v7 behind it"
            )
        answer = self._apicurio.get(f"ids/{kind}s/{number}", {"dereference": "true"})
        return (msgspec.json.encode(answer).decode(),)

    def _with_references(self, schema: Schema) -> Sequence[str]:
        if schema.schema_type not in (None, "AVRO"):
            raise MalformedRecord(
                f"the registry has a schema of type {schema.schema_type}, which is not read; use Avro"
            )
        texts: list[str] = []
        for reference in schema.references or ():
            version = self._client.get_version(cast("str", reference.subject), cast("int", reference.version))
            texts += self._with_references(version.schema)
        return (*dict.fromkeys(texts), cast("str", schema.schema_str))

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()
        if self._apicurio is not None:
            self._apicurio.session.close()
