"""The registry's side of a capture: which schema ids the records use, and the schemas behind them."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from consumer.captured import CapturedRecord
from tests.services import RegistryService

Schemas = dict[str, dict[str, str]]

_CONFLUENT = "ccompat"
_PATHS = {
    "globalId": "/apis/registry/v2/ids/globalIds/{}",
    "contentId": "/apis/registry/v2/ids/contentIds/{}",
    _CONFLUENT: "/apis/ccompat/v7/schemas/ids/{}",
}


def used_ids(records: Iterable[CapturedRecord], *, confluent: bool) -> set[tuple[str, int]]:
    """Kind and number of each schema id: in Apicurio's headers, and in the wire format where that was asked for."""
    ids: set[tuple[str, int]] = set()
    for record in records:
        for name, value in record.headers:
            kind = name.removeprefix("apicurio.key.").removeprefix("apicurio.value.")
            if kind in _PATHS:
                ids.add((kind, int.from_bytes(value, "big")))
        if confluent:
            ids.update(
                (_CONFLUENT, int.from_bytes(part[1:5], "big"))
                for part in (record.key, record.value)
                if part is not None and part[:1] == b"\0"
            )
    return ids


def registered_ids(registry: RegistryService, name: str) -> set[tuple[str, int]]:
    """The globalId of every schema that was registered for this connector's topics.

    For CloudEvents: their ids stand in the bytes, also of data within an envelope, where only a decoder finds them.
    """
    found = registry.ask("/apis/registry/v2/search/artifacts?limit=1000")["artifacts"]
    ids = {artifact["id"] for artifact in found if artifact["id"].startswith((f"{name}-", f"{name}."))}
    versions = "/apis/registry/v2/groups/default/artifacts/{}/versions?limit=100"
    return {
        ("globalId", int(version["globalId"]))
        for id_ in ids
        for version in registry.ask(versions.format(quote(id_, safe="")))["versions"]
    }


def fetch_schemas(registry: RegistryService, ids: Iterable[tuple[str, int]]) -> Schemas:
    """The schema text of each id, by kind of id and number. Raises LookupError for an id that is not there."""
    schemas: Schemas = {}
    for kind, number in sorted(ids):
        try:
            answer = registry.ask(_PATHS[kind].format(number))
        except urllib.error.HTTPError as error:
            with error:
                raise LookupError(f"the registry has no schema of {kind} {number}: {error}") from error
        text = answer["schema"] if kind == _CONFLUENT else json.dumps(answer, ensure_ascii=False)
        schemas.setdefault(kind, {})[str(number)] = text
    return schemas


def merged(parts: Iterable[Schemas]) -> Schemas:
    """All of them in one."""
    schemas: Schemas = {}
    for part in parts:
        for kind, found in part.items():
            schemas.setdefault(kind, {}).update(found)
    return schemas


def write_schemas(path: Path, schemas: Schemas) -> None:
    """One JSON object: kind of id → number → schema text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schemas, ensure_ascii=False, indent=0) + "\n")
