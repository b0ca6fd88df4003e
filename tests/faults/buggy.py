"""`milestones` with a deliberate bug: `python -m tests.faults.buggy <bug> run …`. The harness has to notice each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import TopicPartition
from msgspec.structs import replace

from consumer.batch import Read
from consumer.cli import main
from consumer.core.events import ChangeEvent
from consumer.core.milestones import Milestone
from consumer.core.records import Batch, DeadLetter
from consumer.faults import fault_point
from consumer.formats.row_change import RowChange
from consumer.formats.usual_change import UsualChange
from consumer.kafka.publisher import Publisher
from consumer.postgres import transaction
from consumer.postgres.store import Store
from consumer.worker import Worker


def commit_before_store() -> None:
    """The group's offsets are committed as soon as records were read."""
    hand_over = Worker._hand_over

    def committed_first(self: Worker, read: Read, check: Callable[[], object]) -> None:
        offsets = [TopicPartition(s.topic, s.partition, s.published_after) for s in read.batch.spans.values()]
        self._source._consumer.commit(offsets=offsets, asynchronous=False)  # type: ignore[attr-defined]
        hand_over(self, read, check)

    Worker._hand_over = committed_first  # type: ignore[method-assign]


def no_compare_and_set() -> None:
    """Positions are moved from wherever they are."""
    compares = "and position.next_offset = change.stored"
    sql: Any = transaction._SQL
    assert compares in sql["move_positions"]
    sql["move_positions"] = sql["move_positions"].replace(compares, "")


def publish_new_rows_only() -> None:
    """What was stored before a crash is not looked up."""

    def nothing(_: Store, __: object) -> tuple[Sequence[Milestone], Sequence[DeadLetter]]:
        return (), ()

    Store.stored_verdicts = nothing  # type: ignore[assignment, method-assign]


def offsets_outside_the_transaction() -> None:
    """Events are committed first, the group's offsets after them."""

    def commit(self: Publisher, batch: Batch) -> None:
        outlet: Any = self._outlet
        outlet.producer.commit_transaction(8.0)
        fault_point("offsets-sent")
        self._commit_offsets(
            [TopicPartition(s.topic, s.partition, s.published_after) for s in batch.to_publish().values()]
        )

    Publisher._commit = commit  # type: ignore[method-assign]


def dedupe_by_offset_only() -> None:
    """A change that is delivered again is another change."""
    for change in (RowChange, UsualChange):
        change.event = _with_offset(change.event)  # type: ignore[method-assign]


def _with_offset(real: Callable[..., ChangeEvent | str]) -> Callable[..., ChangeEvent | str]:
    def event(*arguments: Any) -> ChangeEvent | str:
        event = real(*arguments)
        if isinstance(event, str):
            return event
        text = f"{event.identity.text}#{event.origin.partition}-{event.origin.offset}"
        return replace(event, identity=event.identity.called(text))

    return event


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        commit_before_store,
        no_compare_and_set,
        publish_new_rows_only,
        offsets_outside_the_transaction,
        dedupe_by_offset_only,
    )
}

if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    main()
