"""The trackers that one worker matches with, and where each revision of them began."""

import json

import pytest

from consumer.core.records import Origin, Partition, Span
from consumer.core.trackers import Trackers
from consumer.errors import ConfigError
from consumer.formats.decoder import ChangeDecoder
from consumer.tracking import Tracking
from tests.unit.samples import REVISION, TOPIC, TOPIC_ID, tracker

NEW = json.dumps([{"name": "t", "document_type": "Task", "track_field": "status"}])
SPANS = {Partition(TOPIC, n): Span(TOPIC, TOPIC_ID, n, stored=10 * n, published=0, next_offset=99) for n in (0, 1)}


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(Trackers(REVISION, (tracker(),)), {}, ChangeDecoder)


def test_a_new_revision_brings_new_rules_and_a_decoder_for_them(tracking: Tracking) -> None:
    old_rules, old_decoder = tracking.rules, tracking.decoder_for(tracking.rules)
    assert tracking.learn("revision 2", NEW)
    assert tracking.rules.revision == "revision 2"
    assert set(tracking.rules.plans) == {"tabTask", "Task"}
    assert tracking.decoder_for(tracking.rules) is not old_decoder
    assert tracking.decoder_for(tracking.rules) is tracking.decoder_for(tracking.rules)
    assert tracking.decoder_for(old_rules) is not tracking.decoder_for(tracking.rules)


@pytest.mark.parametrize("text", ["[", '[{"name":"t"}]', f"[{NEW[1:-1]},{NEW[1:-1]}]"])
def test_a_revision_that_cannot_be_followed_leaves_the_old_rules_in_force(tracking: Tracking, text: str) -> None:
    for _ in range(2):
        assert not tracking.learn("bad", text)
        assert tracking.rules.revision == REVISION
    assert tracking.learn("repaired", NEW)


def test_at_the_start_trackers_that_contradict_each_other_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="two are named"):
        Tracking(Trackers(REVISION, (tracker(), tracker())), {}, ChangeDecoder)


def test_a_revision_begins_once_in_each_partition(tracking: Tracking) -> None:
    starts = tracking.starts(REVISION, SPANS)
    assert starts == [Origin(TOPIC_ID, 0, 0), Origin(TOPIC_ID, 1, 10)]
    assert tracking.starts(REVISION, SPANS) == starts
    tracking.began(REVISION, starts[:1])
    assert tracking.starts(REVISION, SPANS) == starts[1:]
    tracking.began(REVISION, starts)
    assert tracking.starts(REVISION, SPANS) == []
    assert tracking.starts("revision 2", SPANS) == starts


def test_where_a_revision_began_is_told_again_once_the_database_may_have_lost_it(tracking: Tracking) -> None:
    starts = tracking.starts(REVISION, SPANS)
    tracking.began(REVISION, starts)
    tracking.forget_starts()
    assert tracking.starts(REVISION, SPANS) == starts
