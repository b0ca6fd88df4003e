"""What a person is told of a stream, and how often."""

from collections import Counter

from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from structlog.typing import EventDict

from consumer import metrics
from consumer.batch import Verdicts
from consumer.notices import Notices
from tests.unit.samples import batch_of, record, tracker
from tests.unit.world import World, change, snapshot_read

GONE = "a tracked column is not in the records, its tracker cannot be evaluated"
MISSED = "a snapshot shows that changes were missed"


def absent(*columns: tuple[str, str], revision: str = "1") -> Verdicts:
    return Verdicts(absent=Counter(columns), revision=revision)


def unjudged(*rules: tuple[str, str], revision: str = "1") -> Verdicts:
    return Verdicts(unjudged=Counter(rules), revision=revision)


def told(*batches: Verdicts, notices: Notices | None = None) -> list[EventDict]:
    with capture_logs() as logs:
        for verdicts in batches:
            (notices or Notices()).tell(verdicts)
    return logs


def test_a_column_that_is_gone_is_told_once_for_each_type_field_and_revision() -> None:
    notices = Notices()
    gone, another = ("Task", "status"), ("Issue", "status")
    logs = told(absent(gone, gone), absent(gone), absent(gone, another), absent(), absent(gone), notices=notices)
    assert [(log["event"], log["document_type"], log["track_field"]) for log in logs] == [
        (GONE, "Task", "status"), (GONE, "Issue", "status"),
    ]  # fmt: skip
    assert [log["revision"] for log in told(absent(gone, revision="2"), absent(revision="3"), notices=notices)] == ["2"]
    assert told(absent(gone, revision="2"), notices=notices) == []


def test_a_rule_that_cannot_tell_is_told_once_for_each_tracker_reason_and_revision() -> None:
    notices, one, two = Notices(), ("big", "types do not fit"), ("big", "before is unknown")
    logs = told(unjudged(one), unjudged(one, two), unjudged(one), notices=notices)
    assert [(log["tracker"], log["reason"]) for log in logs] == [one, two]
    assert [log["revision"] for log in told(unjudged(one, revision="2"), notices=notices)] == ["2"]


def test_missed_changes_are_one_line_for_a_batch_without_values() -> None:
    missed = Counter({("Task", "status"): 3, ("Issue", "priority"): 1})
    [log] = told(Verdicts(missed=missed))
    assert (log["event"], log["log_level"]) == (MISSED, "warning")
    assert log["fields"] == {"Task.status": 3, "Issue.priority": 1}
    assert told(Verdicts()) == []


def test_a_batch_tells_what_its_records_lacked_and_what_snapshots_found() -> None:
    world = World(tracker(snapshot="reconcile"), tracker(track_field="stage"))
    verdicts = world.run([change(0, "Draft"), snapshot_read(1, "Billed"), snapshot_read(2, "Billed")])
    assert [m.value for m in verdicts.milestones] == world.values() == ["Draft", "Billed"]
    assert len(world.announced()) == 2
    assert verdicts.missed == {("Sales Order", "status"): 1}
    assert verdicts.absent == {("Sales Order", "stage"): 3}
    assert verdicts.revision == world.database.tables.revision


def test_both_are_counted_by_document_type_and_field() -> None:
    def counted(name: str) -> float:
        labels = {"document_type": "Metered", "track_field": "status"}
        return REGISTRY.get_sample_value(f"milestones_{name}_total", labels) or 0

    key = ("Metered", "status")
    metrics.observe_batch(batch_of(record()), Verdicts(absent=Counter({key: 4}), missed=Counter({key: 2})), 0)
    assert (counted("absent_columns"), counted("missed_changes")) == (4, 2)
