"""Confluent's client of a schema registry, from the properties in config.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from consumer.errors import ConfigError

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

DEFAULTS: Mapping[str, object] = {"timeout": 5, "max.retries": 0}
# Of Confluent's API and of those that answer as it does; Apicurio's own says 404 and begins with these words.
_UNKNOWN_CODES, _NOT_FOUND = (40401, 40402, 40403), 404
_UNKNOWN_WORDS = ("No artifact", "No content")
_APICURIO = re.compile(r"/apis/(?:ccompat|registry)/v\d+/?$")


def registry_client(settings: Mapping[str, object], section: str) -> SchemaRegistryClient:
    """A client that speaks Confluent's API, with Apicurio too.

    Args:
        settings: the client's own properties: `url`, `basic.auth.user.info`, `ssl.ca.location`, `timeout` (s), …
        section: of config.yaml, for messages.

    Raises:
        ConfigError: the client refuses a property.
    """
    # Not above: only who uses Avro pays for this import.
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

    url = str(settings["url"]).rstrip("/")
    confluent = _APICURIO.sub("/apis/ccompat/v7", url) if "/apis/registry/" in url else url
    try:
        return SchemaRegistryClient({**DEFAULTS, **settings, "url": confluent})
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError(f"{section}: {error}; known are the properties of confluent-kafka's client") from error


def apicurio_url(settings: Mapping[str, object]) -> str | None:
    """Where Apicurio's own API is; None for another registry."""
    url = str(settings["url"]).rstrip("/")
    if _APICURIO.search(url) is None:
        return None
    return _APICURIO.sub("/apis/registry/v2", url) if "/apis/ccompat/" in url else url


def says_unknown(error: Exception) -> bool:
    """Whether it is a schema or subject that is not found, and not the page: the URL may be wrong, a proxy answers."""
    code, words = getattr(error, "error_code", None), str(getattr(error, "error_message", ""))
    return code in _UNKNOWN_CODES or (code == _NOT_FOUND and words.startswith(_UNKNOWN_WORDS))
