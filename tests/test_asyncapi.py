"""`schemas/asyncapi.yaml` is valid AsyncAPI 3, and says what the program does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from consumer.config_sections import InputSection, OutputSection
from consumer.core.milestones import announcement
from consumer.formats.avro_announcements import AvroAnnouncer
from tests.test_schemas import FORMATS, milestones

SCHEMAS = Path(__file__).parents[1] / "schemas"
DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8"))


@cache
def specification() -> Draft7Validator:
    return Draft7Validator(json.loads((Path(__file__).parent / "data/asyncapi/asyncapi-3.0.0.json").read_text("utf-8")))


def test_it_is_valid() -> None:
    specification().validate(DOCUMENT)


def no_action(document: dict[str, Any]) -> None:
    del document["operations"]["announceMilestone"]["action"]


def misspelt(document: dict[str, Any]) -> None:
    document["components"]["messages"]["milestoneReached"]["contenttype"] = "application/json"


def no_protocol(document: dict[str, Any]) -> None:
    del document["servers"]["kafka"]["protocol"]


@pytest.mark.parametrize("spoil", [no_action, misspelt, no_protocol])
def test_an_invalid_one_would_be_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    spoilt = deepcopy(DOCUMENT)
    spoil(spoilt)
    with pytest.raises(ValidationError):
        specification().validate(spoilt)


def references(node: object) -> Iterator[str]:
    """Every `$ref` in the document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(reference: str) -> Any:  # noqa: ANN401 - any piece of a document
    """What a `$ref` of the document names. Raises OSError or KeyError if there is no such thing."""
    file, _, pointer = reference.partition("#")
    node: Any = DOCUMENT if not file else json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    for part in filter(None, pointer.split("/")):
        node = node[part]
    return node


@pytest.mark.parametrize("reference", sorted(set(references(DOCUMENT))))
def test_what_it_refers_to_is_there(reference: str) -> None:
    assert resolved(reference)


def test_topics_have_the_names_of_the_defaults() -> None:
    source = InputSection().topic
    expected = {source, OutputSection().topic, f"{source}.dead-letter"}
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == expected


def test_headers_of_an_announcement_are_as_it_says() -> None:
    schemas = deepcopy(DOCUMENT["components"]["schemas"])
    root = {**schemas["cloudEvent"], "components": {"schemas": schemas}}
    validator = Draft7Validator(root, format_checker=FORMATS)
    avro = AvroAnnouncer((SCHEMAS / "milestone-reached.avsc").read_text(encoding="utf-8"), 1)
    headers: dict[str, str] = {}
    for one in milestones()[:200]:
        for event in (announcement(one), avro(one)):
            headers = {name: (value or b"").decode() for name, value in event.headers}
            validator.validate(headers)
            assert headers.keys() | {"replayed", "repaired"} == root["properties"].keys()
    with pytest.raises(ValidationError):
        validator.validate({**headers, "ce_type": "something.else"})


def test_dead_letters_have_the_headers_of_their_schema() -> None:
    said = DOCUMENT["components"]["schemas"]["deadLetterHeaders"]
    schema = json.loads((SCHEMAS / "dead-letter.schema.json").read_text(encoding="utf-8"))
    assert said["required"] == schema["required"]
    prefix = "./dead-letter.schema.json#/properties/"
    assert said["properties"] == {name: {"$ref": prefix + name} for name in schema["properties"]}


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("*.avsc")), ids=lambda path: path.name)
def test_avro_schemas_are_avro_and_named_by_it(file: Path) -> None:
    fastavro.parse_schema(json.loads(file.read_text(encoding="utf-8")))
    assert f"./{file.name}" in set(references(DOCUMENT))


def test_avro_and_json_have_the_same_fields() -> None:
    for name in ("milestone-reached", "document-change"):
        avro = json.loads((SCHEMAS / f"{name}.avsc").read_text(encoding="utf-8"))
        in_json = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        assert {field["name"] for field in avro["fields"]} == in_json["properties"].keys()
