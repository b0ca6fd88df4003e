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


def without_plugin(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that were made `with_plugin`, as they were before."""
    said = [one for one in str(settings.get(_PLUGINS, "")).split(";") if one and one != library]
    return {key: value for key, value in settings.items() if key != _PLUGINS} | (
        {_PLUGINS: ";".join(said)} if said else {}
    )


def has_plugin(settings: Mapping[str, object]) -> bool:
    """Whether a client was made with these settings `with_plugin`."""
    return envelopes is not None and library in str(settings.get(_PLUGINS, "")).split(";")
