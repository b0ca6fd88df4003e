"""Bad records become dead letters, whatever happens around them, and never hold up the good ones."""

from random import Random

import psycopg
import pytest

from tests.processes.poison import BAD, Bad
from tests.processes.readings import Event, assert_announced, assert_rows
from tests.processes.truth import Change, changes, milestones
from tests.processes.workers import Deployment

_POINTS = ("polled", "decoded", "evaluated", "inserted", "stored", "produced", "offsets-sent")


def _fed(deployment: Deployment, good: int) -> list[Change]:
    """Feeds good records with the bad ones among them; returns the good ones."""
    deployment.config["processing"]["max_batch_records"] = 500
    deployment.create(2, **{"max.message.bytes": "120000000"})
    stream = changes(good)
    places = dict(zip(sorted(Random(5).sample(range(good), len(BAD))), BAD, strict=True))
    producer = deployment.producer()
    for at, change in enumerate(stream):
        bad = places.get(at)
        if bad is not None:
            producer.produce(deployment.topic, bad.value, bad.key, at % 2, headers=[*bad.headers, ("kind", bad.kind)])
        partition = change.partition(2)
        producer.produce(deployment.topic, change.value, change.key, partition, headers=change.headers)
    assert producer.flush(60) == 0
    return stream


def _is_kept(letter: Event, bad: Bad) -> bool:
    """Whether the dead letter is the record byte for byte, with the program's own headers behind its own."""
    own = [(name, value.encode() if isinstance(value, str) else value) for name, value in bad.headers]
    return (letter.key, letter.value, list(letter.headers[: len(own)])) == (bad.key, bad.value, own)


def _assert_dead_letters(deployment: Deployment) -> None:
    letters = deployment.dead_letters()
    assert sorted(_kind(letter) for letter in letters) == sorted(bad.kind for bad in BAD)
    by_kind = {_kind(letter): letter for letter in letters}
    for bad in BAD:
        letter = by_kind[bad.kind]
        told = (bad.kind, letter.reason("error.class"), letter.reason("error.field"))
        assert told == (bad.kind, bad.error_class, bad.at_fault)
        assert letter.reason("error.message")
        assert _is_kept(letter, bad), bad.kind
    with psycopg.connect(deployment.dsn) as connection:
        noted = connection.execute("select origin_partition, origin_offset from dead_letter").fetchall()
    origins = [(letter.reason("origin.partition"), letter.reason("origin.offset")) for letter in letters]
    assert sorted(map(str, noted)) == sorted(f"({partition}, {offset})" for partition, offset in origins)


def _kind(letter: Event) -> str:
    return (dict(letter.headers)["kind"] or b"").decode()


def _assert_good_ones(deployment: Deployment, stream: list[Change]) -> None:
    rows = deployment.rows()
    assert_rows(rows, milestones(stream))
    assert_announced(deployment.events(), rows)


@pytest.mark.fault("31–39", "twenty kinds of poison among 10,000")
def test_twenty_kinds_of_bad_records_are_dead_letters_and_ten_thousand_good_ones_go_on(deployment: Deployment) -> None:
    assert len(BAD) == len({bad.kind for bad in BAD}) == 20
    stream = _fed(deployment, 10_000)
    deployment.finish()
    _assert_dead_letters(deployment)
    _assert_good_ones(deployment, stream)


@pytest.mark.fault("55", "poison and a kill at every point: one verdict")
def test_a_worker_killed_at_any_point_leaves_each_dead_letter_once(deployment: Deployment) -> None:
    stream = _fed(deployment, 4_000)
    for point in _POINTS:
        killed = deployment.start(fault=f"{point}:1:kill")
        assert killed.ended() == -9, killed.log
    deployment.finish()
    _assert_dead_letters(deployment)
    _assert_good_ones(deployment, stream)
