"""Which dead letters a redrive sends and what it notes, without servers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime

import pytest

from consumer.core.dead_letters import Payload
from consumer.core.letters import NotedLetter, Place, Selection
from consumer.core.records import Origin
from consumer.core.redrive import Delivery, Sending, redriven_headers, trace_of
from consumer.errors import ConfigError, Fatal, StoreDown
from consumer.redriving import Redrive, Report, Terms
from tests.unit.samples import AT_MS, NOW_US, TOPIC, TOPIC_ID

ONCE = Terms(max_times=3, again=False, now_us=NOW_US)


def letter(offset: int, status: str = "open", times: int = 0, topic: str | None = TOPIC) -> NotedLetter:
    return NotedLetter(
        origin=Origin(TOPIC_ID, 0, offset), topic=topic, error_class="BadValue", message="why", field=None,
        recorded_at=datetime(2026, 11, 23, tzinfo=UTC), status=status, times=times, redriven_at=None, redriven_by=None,
        redriven_to=None, redriven_from=None,
    )  # fmt: skip


def payload(offset: int, times: int = 0, topic: str = TOPIC, size: int = 1) -> Payload:
    """The record of a dead letter that was redriven so often."""
    plain = Payload(topic, Origin(TOPIC_ID, 0, offset), AT_MS, b"SO-%d" % offset, b"v" * size, [])
    if not times:
        return plain
    return Payload(topic, plain.origin, AT_MS, plain.key, plain.value, redriven_headers(plain, times, NOW_US))


class Servers:
    """Notes, reader and sender on lists."""

    def __init__(self, letters: Sequence[NotedLetter], in_topic: Iterable[Payload], at_origin: Iterable[Payload] = ()):
        self._letters, self._in_topic, self._at_origin = letters, in_topic, at_origin
        self.sent: list[list[Sending]] = []
        self.noted: dict[Origin, Origin] = {}
        self.refuses: set[int] = set()
        self.down = False

    def letters(self, selection: Selection) -> Sequence[NotedLetter]:
        del selection
        return self._letters

    def followed_topics(self) -> set[str]:
        return {TOPIC}

    def note(self, sent: Mapping[Origin, Origin]) -> None:
        if self.down:
            raise StoreDown("PostgreSQL cannot be reached")
        self.noted |= sent

    def in_dead_letter_topic(self, wanted: Set[Origin]) -> Iterator[Payload]:
        return (one for one in self._in_topic if one.origin in wanted)

    def at_origins(self, wanted: Mapping[Origin, str]) -> Iterator[Payload]:
        return (one for one in self._at_origin if one.origin in wanted)

    def send(self, records: Sequence[Sending]) -> Mapping[Origin, Delivery]:
        self.sent.append(list(records))
        return {
            one.payload.origin: Delivery(None, "too large")
            if one.payload.origin.offset in self.refuses
            else Delivery(Origin(TOPIC_ID, 0, 100 + one.payload.origin.offset))
            for one in records
        }

    def redrive(self, terms: Terms = ONCE, selection: Selection | None = None, *, dry: bool = False) -> Report:
        return Redrive(self, self, None if dry else self, terms).run(selection or Selection())


def offsets(servers: Servers) -> list[int]:
    return [one.payload.origin.offset for chunk in servers.sent for one in chunk]


def test_what_is_delivered_is_noted_with_its_place() -> None:
    servers = Servers([letter(1), letter(2)], [payload(1), payload(2)])
    report = servers.redrive()
    assert (report.delivered, report.refused, report.left_out) == (2, [], {})
    assert servers.noted == {Origin(TOPIC_ID, 0, n): Origin(TOPIC_ID, 0, 100 + n) for n in (1, 2)}


@pytest.mark.parametrize("topic", [TOPIC, TOPIC_ID])
def test_a_dead_letter_that_is_named_must_be_there(topic: str) -> None:
    servers = Servers([letter(1)], [payload(1)])
    there, gone = Place(topic, 0, 1), Place(topic, 0, 2)
    assert servers.redrive(selection=Selection(places=(there,))).delivered == 1
    with pytest.raises(ConfigError, match=f"there is no dead letter {topic}/0/2"):
        servers.redrive(selection=Selection(places=(there, gone)))


def test_a_topic_that_is_named_must_be_there_or_have_dead_letters() -> None:
    assert Servers([letter(1)], [payload(1)]).redrive(selection=Selection(topic="gone")).delivered == 1
    assert Servers([], []).redrive(selection=Selection(topic=TOPIC)).delivered == 0
    with pytest.raises(ConfigError, match=f"follows no topic documents; there are: {TOPIC}"):
        Servers([], []).redrive(selection=Selection(topic="documents"))


def test_a_dry_run_tells_the_same_and_sends_and_notes_nothing() -> None:
    servers = Servers([letter(1), letter(2, "done")], [payload(1), payload(2)])
    report = servers.redrive(dry=True)
    assert [(one.origin.offset, topic, times) for one, topic, times in report.ready] == [(1, TOPIC, 1)]
    assert report.left_out == {"sent before; --again sends them once more": 1}
    assert (servers.sent, servers.noted, report.delivered) == ([], {}, 0)


def test_the_order_of_the_dead_letter_topic_is_kept() -> None:
    servers = Servers([letter(n) for n in range(9)], [payload(n) for n in (4, 2, 8)], [payload(n) for n in (1, 3)])
    report = servers.redrive()
    assert offsets(servers) == [4, 2, 8, 1, 3]
    assert report.left_out.total() == 4


@pytest.mark.parametrize(
    ("status", "sent", "sent_again"), [("open", 1, 1), ("sent", 0, 1), ("done", 0, 1), ("superseded", 0, 0)]
)
def test_what_was_sent_before_is_sent_only_again_and_what_failed_again_never(
    status: str, sent: int, sent_again: int
) -> None:
    for again, count in ((False, sent), (True, sent_again)):
        report = Servers([letter(1, status)], [payload(1)]).redrive(Terms(3, again, NOW_US))
        assert (report.delivered, report.left_out.total()) == (count, 1 - count)


@pytest.mark.parametrize(
    ("of_record", "of_letter", "sent"), [(0, 0, 1), (2, 0, 1), (1, 1, 1), (3, 0, 0), (2, 1, 0), (0, 3, 0)]
)
def test_times_are_counted_over_all_lives_of_a_record(of_record: int, of_letter: int, sent: int) -> None:
    servers = Servers([letter(1, times=of_letter)], [payload(1, of_record)])
    report = servers.redrive()
    assert report.delivered == sent
    assert report.left_out == ({} if sent else {"sent 3 times already; see --max-times": 1})
    for chunk in servers.sent:
        trace = trace_of(chunk[0].headers)
        assert trace is not None
        assert trace.times == of_record + of_letter + 1


def test_a_record_whose_count_cannot_be_read_is_left_out() -> None:
    broken = Payload(TOPIC, Origin(TOPIC_ID, 0, 1), AT_MS, b"k", b"v", [("milestones.redrive.count", b"0")])
    report = Servers([letter(1)], [broken]).redrive()
    assert report.left_out == {"its milestones.redrive headers cannot be read": 1}


def test_records_go_to_no_topic_that_this_database_does_not_follow() -> None:
    servers = Servers([letter(1), letter(2)], [payload(1, topic="milestone-reached"), payload(2)])
    report = servers.redrive()
    assert offsets(servers) == [2]
    assert report.left_out == {"this database does not follow the topic milestone-reached": 1}


def test_a_document_is_looked_for_in_the_keys() -> None:
    servers = Servers([letter(1), letter(2)], [payload(1), payload(2)])
    report = servers.redrive(selection=Selection(document="SO-2"))
    assert (offsets(servers), report.left_out) == ([2], {})


def test_what_is_refused_is_told_and_not_noted() -> None:
    servers = Servers([letter(1), letter(2)], [payload(1), payload(2)])
    servers.refuses = {1}
    report = servers.redrive()
    assert [(str(place), why) for place, why in report.refused] == [(f"{TOPIC}/0/1", "too large")]
    assert (report.delivered, set(servers.noted)) == (1, {Origin(TOPIC_ID, 0, 2)})


def test_sent_but_not_noted_is_a_stop_that_says_what_follows() -> None:
    servers = Servers([letter(1)], [payload(1)])
    servers.down = True
    with pytest.raises(
        Fatal, match="1 records were sent but not noted: PostgreSQL cannot be reached; the next redrive"
    ):
        servers.redrive()


def test_each_chunk_is_noted_before_the_next_is_sent() -> None:
    servers = Servers([letter(n) for n in range(1_100)], [payload(n) for n in range(1_100)])
    assert servers.redrive().delivered == 1_100
    assert [len(chunk) for chunk in servers.sent] == [500, 500, 100]
    large = Servers([letter(n) for n in range(3)], [payload(n, size=9 << 20) for n in range(3)])
    large.redrive()
    assert [len(chunk) for chunk in large.sent] == [1, 1, 1]
