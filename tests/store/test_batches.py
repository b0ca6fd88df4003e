"""Batches of two workers that meet in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from consumer.batch import Verdicts, read_batch, store_batch
from consumer.core.records import Batch, Partition, Span
from consumer.core.states import DocumentState, StateKey
from consumer.core.trackers import Trackers
from consumer.formats.decoder import ChangeDecoder
from consumer.postgres.store import Store
from consumer.postgres.trackers import apply_trackers
from consumer.postgres.transaction import StoreTransaction
from consumer.tracking import Tracking
from tests.unit.samples import TOPIC, TOPIC_ID, batch_of, tracker
from tests.unit.world import change


class Overtaken:
    """A worker's store; between the first look at documents and what is stored of them, something else happens."""

    def __init__(self, store: Store, meanwhile: Callable[[], object]) -> None:
        self._store, self._meanwhile = store, [meanwhile]

    @contextmanager
    def transaction(self, spans: Mapping[Partition, Span]) -> Iterator[Any]:
        with self._store.transaction(spans) as tx:
            yield OvertakenTransaction(tx, self._meanwhile)

    def stored_verdicts(self, spans: Mapping[Partition, Span]) -> Any:  # noqa: ANN401
        return self._store.stored_verdicts(spans)


class OvertakenTransaction:
    """Everything but the first look is the transaction's own."""

    def __init__(self, tx: StoreTransaction, meanwhile: list[Callable[[], object]]) -> None:
        self._tx, self._meanwhile = tx, meanwhile

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._tx, name)

    def document_states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]:
        states = self._tx.document_states(keys)
        while self._meanwhile:
            self._meanwhile.pop()()
        return states


def evaluated(batch: Batch, store: Any) -> Verdicts:  # noqa: ANN401
    tracking = Tracking(Trackers("none", ()), {}, ChangeDecoder)
    return store_batch(read_batch(batch, tracking), tracking, store)


def test_a_document_that_is_new_to_two_workers_at_once_has_its_milestones_one_after_the_other(migrated: str) -> None:
    apply_trackers(migrated, [tracker()])
    with closing(Store(migrated, "milestones", 30.0)) as one, closing(Store(migrated, "milestones", 30.0)) as other:
        one.create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in (0, 1)])
        first: list[Verdicts] = []
        overtaken = Overtaken(other, lambda: first.append(evaluated(batch_of(change(0, "Open")), one)))
        second = evaluated(batch_of(change(0, "Won", partition=1)), overtaken)
    reached = [(m.value, m.from_value, m.occurrence) for verdicts in (*first, second) for m in verdicts.milestones]
    assert reached == [("Open", None, 1), ("Won", None, 2)]


def test_a_change_that_another_worker_stored_a_moment_ago_is_a_duplicate(migrated: str) -> None:
    apply_trackers(migrated, [tracker()])
    with closing(Store(migrated, "milestones", 30.0)) as one, closing(Store(migrated, "milestones", 30.0)) as other:
        one.create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in (0, 1)])
        delivered = change(0, "Open")
        again = replace(delivered, in_partition=1)
        overtaken = Overtaken(other, lambda: evaluated(batch_of(delivered), one))
        verdicts = evaluated(batch_of(again), overtaken)
    assert (list(verdicts.milestones), verdicts.skipped["duplicate"]) == ([], 1)
