"""The event that announces a milestone, by Python and by compiled code: the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from consumer.app_output import announcer_of
from consumer.config import load
from consumer.core import milestones
from consumer.core.milestones import (
    Announce,
    Milestone,
    announcement,
    announcement_by_msgspec,
    announcement_with,
    labels_text,
)
from consumer.native import Envelopes
from tests.native.samples import YEAR_1, YEAR_10000
from tests.unit.samples import milestone as a_milestone

EVERY_BYTE_OF_ASCII = "".join(map(chr, range(128)))
TEXTS = st.text() | st.sampled_from([EVERY_BYTE_OF_ASCII, "", "ö€😀\u2028", "\x7f\x80", '"\\' * 5_000])
NUMBERS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(YEAR_1, YEAR_10000 - 1)

MILESTONES = st.builds(
    Milestone,
    id=TEXTS,
    reference_type=TEXTS,
    reference_name=TEXTS,
    track_field=TEXTS,
    value=TEXTS,
    milestone_tracker=TEXTS,
    from_value=st.none() | TEXTS,
    from_value_known=TEXTS,
    tracker_revision=st.none() | TEXTS,
    occurrence=st.none() | NUMBERS,
    reached_at=TIMES,
    recorded_at=TIMES,
    actor=st.none() | TEXTS,
    source_identity=st.none() | TEXTS,
    source_identity_kind=st.none() | TEXTS,
    origin_topic_id=TEXTS,
    origin_partition=NUMBERS,
    origin_offset=NUMBERS,
    announce=st.booleans(),
    silent=st.booleans(),
    labels=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3).map(labels_text),
    owner=st.none() | TEXTS,
)


@pytest.fixture
def compiled_one(compiled: Envelopes) -> Announce:
    return announcement_with(compiled)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(milestone=MILESTONES)
def test_compiled_code_announces_with_the_same_bytes(compiled_one: Announce, milestone: Milestone) -> None:
    event = compiled_one(milestone)
    assert event == announcement_by_msgspec(milestone)
    assert type(event) is milestones.Event
    assert json.loads(event.value or b"")["id"] == milestone.id


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"id": None}, TypeError),
        ({"origin_offset": None}, TypeError),
        ({"reached_at": None}, TypeError),
        ({"actor": 3}, TypeError),
        ({"occurrence": "1"}, TypeError),
        ({"origin_offset": 2**63}, OverflowError),
        ({"reached_at": YEAR_1 - 1}, OverflowError),
        ({"recorded_at": YEAR_10000}, OverflowError),
        ({"value": "\ud800"}, UnicodeEncodeError),
        ({"owner": "\udfff"}, UnicodeEncodeError),
    ],
)
def test_what_cannot_be_said_is_refused(
    compiled_one: Announce, wrong: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        compiled_one(replace(a_milestone(), **wrong))


def test_fields_and_headers_of_another_form_are_refused(compiled: Envelopes) -> None:
    fields, headers = astuple(a_milestone()), (("a", b"b"),) * 4
    assert compiled.announcement(fields, headers)[2][0] == ("a", b"b")
    for wrong in ((fields[1:], headers), (fields, headers[1:]), ([*fields], headers), (fields, [*headers])):
        with pytest.raises(TypeError):
            compiled.announcement(*wrong)


@pytest.mark.usefixtures("compiled")
def test_what_runs_is_compiled_where_it_can_be() -> None:
    assert milestones.announcement is not announcement_by_msgspec


@pytest.mark.parametrize(("native", "writes"), [("true", announcement), ("false", announcement_by_msgspec)])
def test_who_writes_events_is_configured(tmp_path: Path, native: str, writes: Announce) -> None:
    path = tmp_path / "config.yaml"
    kafka = "kafka:\n  bootstrap.servers: k:9092\n  group.id: g\n"
    path.write_text(f"{kafka}postgres:\n  dsn: postgresql://h/d\ninput:\n  native: {native}\n", encoding="utf-8")
    assert announcer_of(load(path)) is writes
