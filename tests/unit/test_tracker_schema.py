"""`schemas/tracker.schema.json` takes what the program takes, and names every key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from consumer.core.tracker_text import DOCSTATUS, tracker_from, tracker_section
from consumer.core.trackers import OCCURRENCES, SNAPSHOT_MODES, Rule, Tracker
from consumer.core.values import ENCODINGS
from consumer.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((REPOSITORY / "schemas" / "tracker.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
PLAIN = {"document_type": "Task", "track_field": "status"}


def trackers_of_the_page() -> list[dict[str, Any]]:
    page = (REPOSITORY / "docs" / "trackers.md").read_text(encoding="utf-8")
    found: list[Any] = []
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        content = yaml.safe_load(block)
        found += (
            content if isinstance(content, list) else tracker_section(content.get("trackers"), "page").entries or []
        )
    # A date without quotes is a text for the program, and for JSON.
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def test_it_is_a_schema_and_takes_its_own_example() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for example in SCHEMA["examples"]:
        VALIDATOR.validate(example)
        tracker_from(example, "it")


@pytest.mark.parametrize("written", trackers_of_the_page(), ids=json.dumps)
def test_it_takes_every_tracker_of_the_page(written: dict[str, Any]) -> None:
    VALIDATOR.validate(written)


def test_it_names_every_key_and_every_choice() -> None:
    keys = set(Tracker.__struct_fields__) - {"rule", "managed_by"} | set(Rule.__struct_encode_fields__) | {"docstatus"}
    said = SCHEMA["properties"]
    assert set(said) == keys
    assert said["occurrence"]["enum"] == list(OCCURRENCES)
    assert said["snapshot"]["enum"] == list(SNAPSHOT_MODES)
    assert said["as"]["enum"] == list(ENCODINGS)
    assert SCHEMA["$defs"]["docstatus"]["enum"] == list(DOCSTATUS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"document_type": "Task"},
        {**PLAIN, "vales": ["x"]},
        {**PLAIN, "filled": ["a", "b"]},
        {**PLAIN, "values": "x"},
        {**PLAIN, "occurrence": "often"},
        {**PLAIN, "announce": "no"},
        {**PLAIN, "labels": {"a": ["b"]}},
        {"document_type": "Task", "filled": ["a"]},
        {"document_type": "Task", "docstatus": "done"},
    ],
)
def test_what_the_program_refuses_it_refuses(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(wrong)
    with pytest.raises(ConfigError):
        tracker_from(wrong, "it")


def test_editors_get_it_with_that_of_the_configuration() -> None:
    command = [sys.executable, "-m", "consumer", "check", "--schema"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    whole = Draft202012Validator(json.loads(done.stdout))
    config = {"kafka": {}, "postgres": {"dsn": "postgresql:///m"}, "trackers": [{**PLAIN, "docstatus": "submitted"}]}
    assert [error.json_path for error in whole.iter_errors(config)] == ["$.trackers"]
    whole.validate({**config, "trackers": [PLAIN, {"document_type": "Task", "docstatus": "submitted"}]})
