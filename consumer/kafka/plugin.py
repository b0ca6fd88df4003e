"""The compiled code as a plugin of Kafka's client: how it learns of the clients that Python makes."""

from __future__ import annotations

from collections.abc import Mapping

import confluent_kafka.cimpl

from consumer.native import envelopes, library

_PLUGINS = "plugin.library.paths"


def reason_against_plugin() -> str:
    """Why clients cannot have it; empty where they can."""
    if envelopes is None:
        return "nothing was compiled"
    if not envelopes.find_client(confluent_kafka.cimpl.__file__):
        return "this build of Kafka's client takes no plugins"
    if not library or ";" in library or not library.isprintable():
        return f"the client cannot take its plugin from a path like {library!a}"
    return ""


def with_plugin(settings: Mapping[str, object]) -> dict[str, object]:
    """A client's settings with the plugin, beside the user's own."""
    said = [str(settings[_PLUGINS])] if settings.get(_PLUGINS) else []
    return {**settings, _PLUGINS: ";".join([*said, library])}


def has_plugin(settings: Mapping[str, object]) -> bool:
    """Whether a client was made with these settings `with_plugin`."""
    return envelopes is not None and library in str(settings.get(_PLUGINS, "")).split(";")
