"""Which partitions begin, where, and which have to wait: several topics, each with an id and partitions of its own."""

from collections.abc import Callable, Collection, Sequence, Set

import pytest
from structlog.testing import capture_logs

from consumer.assignment import Assignment
from consumer.core.inputs import Inputs
from consumer.core.positions import LogEnds, Start
from consumer.core.records import Partition, Span
from consumer.errors import Fatal, PublishDown, Transient
from tests.store.memory import Database, MemoryStore

GROUP = "milestones"
OUTPUTS = ("milestone-reached", "document-changes.dead-letter")
BOTH = Inputs(("a", "b"))
PATTERN = Inputs((), "[abc]")


class Kafka:
    """A cluster and a member of the group: topics with ids and ends, committed offsets, what waits and what started."""

    def __init__(self, **ends: Sequence[int]) -> None:
        self.logs = {topic: [LogEnds(0, end) for end in those] for topic, those in ends.items()}
        self.ids = {topic: f"id-{topic}" for topic in ends}
        self.offsets: dict[Partition, int] = {}
        self.held_back = False
        self.patience_s: list[float] = []
        self.waiting: set[Partition] = set()
        self.started: dict[Partition, Start] = {}
        self.asked: list[list[str]] = []
        self.members: frozenset[str] | None = None

    def assign(self, topic: str, *numbers: int) -> None:
        self.waiting |= {Partition(topic, number) for number in numbers}

    def delete(self, topic: str) -> None:
        del self.logs[topic], self.ids[topic]

    def committed(self, partitions: Sequence[Partition], timeout_s: float = 2.0) -> dict[Partition, int | None]:
        self.patience_s.append(timeout_s)
        if self.held_back:
            raise PublishDown("an open transaction")
        return {key: self.offsets.get(key) for key in partitions}

    def start(self, start: Start) -> None:
        key = Partition(start.span.topic, start.span.partition)
        self.waiting.remove(key)
        self.started[key] = start

    def partitions(self) -> dict[str, int]:
        return {**{topic: len(logs) for topic, logs in self.logs.items()}, **dict.fromkeys(OUTPUTS, 1)}

    def ask_topic_ids(self, topics: Collection[str]) -> Callable[[], dict[str, str | None]]:
        self.asked.append(sorted(topics))
        return lambda: {topic: self.ids.get(topic) for topic in topics}

    def ask_members(self, group: str) -> Callable[[], frozenset[str] | None]:
        assert group == GROUP
        answer = self.members
        return lambda: answer

    def ends(self, partitions: Sequence[Partition]) -> dict[Partition, LogEnds]:
        return {key: self.logs[key.topic][key.partition] for key in partitions}


class Positions(MemoryStore):
    """The store, and who stored last."""

    ended: Set[int] = frozenset()

    def last_slots(self, partitions: Sequence[Partition], *, ended: bool = False) -> set[int]:
        return {key.partition for key in partitions if key.partition in self.ended or not ended}


class Deployment:
    """One member, its store, and its assignment."""

    def __init__(self, kafka: Kafka, inputs: Inputs, database: Database | None = None) -> None:
        self.kafka, self.store = kafka, Positions(database or Database())
        self.fenced: list[set[int]] = []
        parts = (kafka, kafka, self.store, self._fence)
        self.now_s = 0.0
        self.assignment = Assignment(inputs, OUTPUTS, GROUP, parts, allow_gap=False, clock=lambda: self.now_s)

    def _fence(self, slots: set[int]) -> None:
        self.fenced.append(slots)
        self.kafka.held_back = self.kafka.held_back and not slots

    def stored(self) -> dict[Partition, int]:
        keys = [Partition(topic, number) for topic in "abc" for number in range(4)]
        return {key: row.next_offset for key, row in self.store.positions(keys).items()}

    def move(self, topic: str, number: int, to: int) -> None:
        """What a batch does to both watermarks."""
        key = Partition(topic, number)
        stored = self.store.positions([key])[key].next_offset
        with self.store.transaction({key: Span(topic, f"id-{topic}", number, stored, stored, to)}):
            pass
        self.kafka.offsets[key] = to


def test_each_topic_begins_with_all_its_partitions_and_its_own_id() -> None:
    deployment = Deployment(Kafka(a=[5, 5], b=[7]), BOTH)
    deployment.kafka.assign("a", 1)
    deployment.kafka.assign("b", 0)
    deployment.assignment.start_waiting()
    assert deployment.stored() == {Partition("a", 0): 0, Partition("a", 1): 0, Partition("b", 0): 0}
    ids = {key: start.span.topic_id for key, start in deployment.kafka.started.items()}
    assert ids == {Partition("a", 1): "id-a", Partition("b", 0): "id-b"}


def test_a_topic_that_comes_later_begins_at_its_earliest_records_and_waits_for_nobody() -> None:
    deployment = Deployment(Kafka(a=[5]), PATTERN)
    deployment.kafka.assign("a", 0)
    deployment.assignment.start_waiting()
    deployment.kafka.logs["b"], deployment.kafka.ids["b"] = [LogEnds(3, 9), LogEnds(0, 0)], "id-b"
    deployment.kafka.assign("b", 0, 1)
    deployment.assignment.start_waiting()
    assert deployment.kafka.waiting == set()
    assert deployment.stored() == {Partition("a", 0): 0, Partition("b", 0): 3, Partition("b", 1): 0}


def test_new_partitions_of_one_topic_wait_for_its_own_others_only() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), BOTH)
    deployment.kafka.assign("a", 0)
    deployment.kafka.assign("b", 0)
    deployment.assignment.start_waiting()
    for topic in ("a", "b"):
        deployment.kafka.logs[topic].append(LogEnds(0, 2))
        deployment.kafka.assign(topic, 1)
    deployment.move("b", 0, 7)
    deployment.assignment.start_waiting()
    assert deployment.kafka.waiting == {Partition("a", 1)}

    # What comes in the meantime is not waited for, nor is what the other topic does.
    deployment.kafka.logs["a"][0] = LogEnds(0, 50)
    deployment.move("a", 0, 4)
    deployment.assignment.start_waiting()
    assert deployment.kafka.waiting == {Partition("a", 1)}
    deployment.move("a", 0, 5)
    deployment.assignment.start_waiting()
    assert deployment.kafka.waiting == set()


def test_a_partition_that_the_broker_asked_has_not_heard_of_waits_a_moment() -> None:
    deployment = Deployment(Kafka(a=[5], b=[]), BOTH)
    deployment.kafka.assign("a", 0)
    deployment.kafka.assign("b", 0)
    deployment.assignment.start_waiting()
    assert deployment.kafka.waiting == {Partition("b", 0)}
    assert deployment.stored() == {Partition("a", 0): 0}


def test_a_topic_made_again_is_a_stop_that_names_it() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), BOTH)
    deployment.assignment.check_topics([])
    deployment.kafka.ids["b"] = "id-new"
    with pytest.raises(Fatal, match=r"^b: the topic was deleted and made again .* take-over --topic b`$"):
        deployment.assignment.check_topics([])


@pytest.mark.parametrize("inputs", [BOTH, PATTERN])
def test_a_topic_made_again_while_nobody_ran_is_a_stop_that_names_it(inputs: Inputs) -> None:
    before, database = Kafka(a=[5], b=[7]), Database()
    before.assign("b", 0)
    Deployment(before, inputs, database).assignment.start_waiting()
    after = Kafka(a=[5], b=[7])
    after.ids["b"] = "id-new"
    after.assign("a", 0)
    after.assign("b", 0)
    with pytest.raises(Fatal, match=r"^b-0: the topic was deleted and made again .* take-over --topic b`$"):
        Deployment(after, inputs, database).assignment.start_waiting()


def test_all_topics_of_a_batch_are_asked_for_at_once_and_checked_when_it_is_stored() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), PATTERN)
    first = deployment.assignment.ask_topics({"b", "a"})
    first()
    second = deployment.assignment.ask_topics({"a"})
    assert deployment.kafka.asked == [["a", "b"], ["a"]]
    deployment.kafka.ids["a"] = "id-new"
    with pytest.raises(Fatal, match="a: the topic was deleted and made again"):
        second()


def test_a_topic_of_a_list_that_is_deleted_is_a_stop_whoever_reads_it() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), BOTH)
    deployment.kafka.delete("b")
    with pytest.raises(Transient, match="the broker has not heard of it yet"):
        deployment.assignment.check_topics(["a"])
    deployment.now_s = 5.1
    with pytest.raises(Fatal, match="topic b does not exist any more"):
        deployment.assignment.check_topics(["a"])


def test_a_topic_that_was_known_and_is_deleted_is_a_stop_at_once() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), BOTH)
    deployment.assignment.check_topics(["a"])
    deployment.kafka.delete("b")
    with pytest.raises(Fatal, match="topic b does not exist any more"):
        deployment.assignment.check_topics(["a"])


def test_a_topic_of_a_pattern_that_is_deleted_is_told_once_and_the_others_go_on() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), PATTERN)
    deployment.kafka.assign("b", 0)
    deployment.assignment.start_waiting()
    deployment.kafka.delete("b")
    with pytest.raises(Transient, match="b: the topic was deleted"):
        deployment.assignment.ask_topics({"a", "b"})()
    deployment.kafka.assign("a", 0)
    deployment.kafka.assign("b", 0)
    with capture_logs() as logs:
        for _ in range(3):
            deployment.assignment.check_topics(["a", "b"])
            deployment.assignment.start_waiting()
    assert [(line["log_level"], line["topic"]) for line in logs] == [("warning", "b")]
    assert deployment.kafka.waiting == {Partition("b", 0)}
    assert Partition("a", 0) in deployment.kafka.started


def test_what_was_deleted_is_not_waited_for_until_the_end() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), PATTERN)
    deployment.kafka.assign("a", 0)
    deployment.assignment.start_waiting()
    goal = {Partition("a", 0): 5, Partition("b", 0): 7}
    deployment.move("a", 0, 5)
    assert not deployment.assignment.reached(goal)
    deployment.kafka.delete("b")
    assert deployment.assignment.reached(goal)


def test_the_end_is_reached_when_both_watermarks_of_every_topic_are_there() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7]), BOTH)
    deployment.kafka.assign("a", 0)
    deployment.kafka.assign("b", 0)
    deployment.assignment.start_waiting()
    goal = {Partition("a", 0): 5, Partition("b", 0): 7}
    deployment.move("a", 0, 5)
    assert not deployment.assignment.reached(goal)
    deployment.move("b", 0, 7)
    assert deployment.assignment.reached(goal)
    deployment.kafka.offsets[Partition("b", 0)] = 6
    assert not deployment.assignment.reached(goal)


def test_who_holds_the_offsets_back_is_fenced_by_the_partitions_of_all_topics() -> None:
    deployment = Deployment(Kafka(a=[5], b=[7, 7, 7]), BOTH)
    deployment.kafka.held_back = True
    deployment.kafka.assign("a", 0)
    deployment.kafka.assign("b", 2)
    deployment.assignment.start_waiting()
    assert deployment.fenced == [set(), {0, 1, 2}]
    assert deployment.kafka.patience_s[:2] == [0.5, 2.0]
    assert deployment.kafka.waiting == set()


def test_who_has_ended_is_fenced_first_and_nobody_else_if_that_was_it() -> None:
    deployment = Deployment(Kafka(b=[7, 7, 7]), Inputs(("b",)))
    deployment.kafka.held_back = True
    deployment.store.ended = {1}
    deployment.kafka.assign("b", 0, 1, 2)
    deployment.assignment.start_waiting()
    assert deployment.fenced == [{1}]
    assert deployment.kafka.waiting == set()


def test_an_output_that_is_gone_is_a_stop_that_names_it() -> None:
    deployment = Deployment(Kafka(a=[5]), Inputs(("a",)))
    now_s = [0.0]
    deployment.assignment = Assignment(
        Inputs(("a",)), ("elsewhere",), GROUP,
        (deployment.kafka, deployment.kafka, deployment.store, lambda _: None), allow_gap=False, clock=lambda: now_s[0],
    )  # fmt: skip
    deployment.kafka.assign("a", 0)
    for now_s[0] in (0.0, 4.9):
        # It may have been made just now, and this broker has not heard of it.
        with pytest.raises(Transient, match="the broker has not heard of it yet"):
            deployment.assignment.start_waiting()
    now_s[0] = 5.1
    with pytest.raises(Fatal, match="missing topics: elsewhere; create them"):
        deployment.assignment.start_waiting()


def test_who_is_no_member_for_longer_than_any_rebalance_takes_is_left_out() -> None:
    deployment = Deployment(Kafka(a=[5]), Inputs(("a",)))

    def is_left_out(at_s: float, *members: str, me: str = "me", answers: bool = True) -> bool:
        """The answer that is looked at is the one to the question before."""
        deployment.now_s, deployment.kafka.members = at_s, frozenset(members) if answers else None
        return deployment.assignment.is_left_out(me)

    assert not is_left_out(0.0, "other")
    assert not is_left_out(15.0, "other")
    assert not is_left_out(90.0, "other")  # Since 15 s: before, nobody had asked.
    assert not is_left_out(100.0, answers=False)
    assert not is_left_out(104.0, "other")  # No answer says nothing, neither this nor that.
    assert is_left_out(106.0, "other")
    assert not is_left_out(107.0, "other")  # From here it counts anew.
    assert not is_left_out(190.0, "other", "me")
    assert not is_left_out(200.0, "other", "me")
    assert not is_left_out(210.0, me="")
    assert not is_left_out(230.0, me="")
    assert is_left_out(330.0, me="")


def test_an_offset_behind_what_was_published_is_believed_once_it_stays_the_same() -> None:
    deployment = Deployment(Kafka(a=[50, 50]), Inputs(("a",)))
    kafka, assignment = deployment.kafka, deployment.assignment
    kafka.assign("a", 0, 1)
    assignment.start_waiting()
    for number in (0, 1):
        key = Partition("a", number)
        with deployment.store.transaction({key: Span("a", "id-a", number, 0, 0, 40, confirmed=30)}):
            pass
    kafka.started.clear()
    kafka.assign("a", 0, 1)

    def seeks(at_s: float, offset: int) -> dict[int, int]:
        deployment.now_s, kafka.offsets = at_s, {Partition("a", 0): offset, Partition("a", 1): 40}
        assignment.start_waiting()
        return {key.partition: start.seek for key, start in kafka.started.items()}

    assert seeks(0.0, 3) == {1: 40}
    assert seeks(9.0, 4) == {1: 40}  # It is being loaded: another one.
    assert seeks(18.0, 4) == {1: 40}
    assert seeks(19.0, 4) == {0: 4, 1: 40}  # Somebody set it back.


def test_an_offset_that_was_old_for_a_moment_costs_nothing() -> None:
    deployment = Deployment(Kafka(a=[50]), Inputs(("a",)))
    deployment.kafka.assign("a", 0)
    deployment.assignment.start_waiting()
    key = Partition("a", 0)
    with deployment.store.transaction({key: Span("a", "id-a", 0, 0, 0, 40, confirmed=30)}):
        pass
    deployment.kafka.started.clear()
    deployment.kafka.assign("a", 0)
    for offset, started in ((0, 0), (35, 1)):
        deployment.kafka.offsets = {key: offset}
        deployment.assignment.start_waiting()
        assert len(deployment.kafka.started) == started
