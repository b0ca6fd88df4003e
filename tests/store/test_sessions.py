"""Sessions of workers: slots, locks, and those who hold them although they are frozen."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Any

import psycopg
import pytest

from consumer.core.records import Partition, Span
from consumer.core.states import DocumentState, StateKey
from consumer.errors import ConfigError, DocumentAppeared, Refused, StoreDown
from consumer.postgres.blockers import end_blockers
from consumer.postgres.connection import SessionLimits, connect
from consumer.postgres.positions import stored_positions
from consumer.postgres.store import Store
from consumer.postgres.take_over import take_over
from consumer.postgres.transaction import StoreTransaction
from tests.services.service import wait_until
from tests.store.test_contract import evaluation, reached
from tests.unit.samples import TOPIC, TOPIC_ID, key_of

OpenStore = Callable[..., Store]
ZERO = Partition(TOPIC, 0)


@pytest.fixture
def open_store(migrated: str) -> Iterator[OpenStore]:
    with ExitStack() as closing_all:

        def opened(group: str = "milestones", *, session_timeout_s: float = 30.0) -> Store:
            store = Store(migrated, group, session_timeout_s)
            closing_all.callback(store.close)
            store.connect()
            return store

        yield opened


def slots(stores: Sequence[Store]) -> list[int]:
    return [store.slot for store in stores]


def sessions(dsn: str) -> int:
    """Those of the program that PostgreSQL still knows: it learns a moment later that one was closed."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select from pg_stat_activity where application_name = 'milestones' and datname = current_database()"
        ).fetchall()
    return len(rows)


def test_each_worker_of_a_group_has_the_lowest_slot_that_is_free(migrated: str, open_store: OpenStore) -> None:
    stores = [open_store() for _ in range(3)]
    assert slots(stores) == [0, 1, 2]
    stores[1].close()
    wait_until(lambda: sessions(migrated) == 2, timeout_s=10.0, what="the session is gone")
    assert open_store().slot == 1
    assert open_store().slot == 3


def test_groups_have_slots_of_their_own(open_store: OpenStore) -> None:
    assert slots([open_store("a"), open_store("b"), open_store("a")]) == [0, 0, 1]


def test_a_worker_whose_session_ended_takes_its_own_slot_again(migrated: str, open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    first.close()
    with psycopg.connect(migrated, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where application_name = 'milestones' and datname = current_database()"
        )
    with pytest.raises(StoreDown):
        second.positions([ZERO])
    assert second.positions([ZERO]) == {}
    assert second.slot == 1
    assert open_store().slot == 0


def test_whose_session_has_ended_can_be_told_from_who_still_holds_a_slot(migrated: str, open_store: OpenStore) -> None:
    one, two = Partition(TOPIC, 0), Partition(TOPIC, 1)
    stores = [open_store("-a group-"), open_store("-a group-")]
    stores[0].create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in (0, 1)])
    for store, key in zip(stores, (one, two), strict=True):
        with store.transaction({key: Span(TOPIC, TOPIC_ID, key.partition, 0, 0, 5)}):
            pass
    asking, other = open_store("-a group-"), open_store("another")
    assert asking.last_slots([one, two]) == {0, 1}
    assert asking.last_slots([one, two], ended=True) == set()
    assert other.slot == 0
    stores[0].close()
    wait_until(lambda: sessions(migrated) == 3, timeout_s=10.0, what="the session is gone")
    assert asking.last_slots([one, two], ended=True) == {0}
    assert asking.last_slots([two], ended=True) == set()


def span(next_offset: int, stored: int = 0) -> dict[Partition, Span]:
    return {ZERO: Span(TOPIC, TOPIC_ID, 0, stored, 0, next_offset)}


def counted(states: dict[StateKey, DocumentState]) -> dict[StateKey, DocumentState]:
    for state in states.values():
        state.count("t")
    return states


def test_who_is_frozen_inside_its_store_transaction_is_ended_by_the_new_owner(open_store: OpenStore) -> None:
    frozen, new_owner = open_store(), open_store(session_timeout_s=9.0)
    frozen.create_positions(list(span(0).values()))

    def thaw() -> None:
        with frozen.transaction(span(5)) as tx:
            tx.record(evaluation(reached(1)), [])
            with new_owner.transaction(span(4)) as other:
                other.record(evaluation(reached(2)), [])

    with pytest.raises(StoreDown, match="57P01"):
        thaw()
    assert new_owner.positions([ZERO])[ZERO].next_offset == 4
    milestones, _ = new_owner.stored_verdicts({ZERO: Span(TOPIC, TOPIC_ID, 0, 4, 0, 4)})
    assert milestones == [reached(2)]


def test_only_sessions_of_this_program_are_ended(migrated: str, open_store: OpenStore) -> None:
    store = open_store(session_timeout_s=3.0)
    store.create_positions(list(span(0).values()))
    with closing(psycopg.connect(migrated, application_name="psql")) as somebody:
        somebody.execute("select from stream_position for update")
        with pytest.raises(StoreDown, match="55P03"), store.transaction(span(4)):
            pass
        somebody.execute("select 1")


def test_a_session_with_a_name_of_its_own_is_known_by_it(migrated: str) -> None:
    named = f"{migrated}?application_name=erp-milestones"
    with closing(connect(named)) as frozen, closing(connect(named, SessionLimits(60.0))) as waiting:
        frozen.execute("lock stream_position in access exclusive mode")
        with ThreadPoolExecutor(1) as other, end_blockers(named, waiting.info.backend_pid):
            other.submit(waiting.execute, "select from stream_position").result()
        with pytest.raises(psycopg.OperationalError):
            frozen.execute("select 1")


def test_states_stay_locked_until_the_transaction_ends(open_store: OpenStore) -> None:
    first, second = open_store(), open_store(session_timeout_s=6.0)
    first.create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in (0, 1)])
    other_partition = {Partition(TOPIC, 1): Span(TOPIC, TOPIC_ID, 1, 0, 0, 9)}
    with first.transaction(span(4)) as tx:
        tx.record(evaluation(states=tx.document_states([key_of()])), [])
    with first.transaction(span(5, stored=4)) as tx:
        tx.document_states([key_of()])
        with pytest.raises(StoreDown, match="55P03"), second.transaction(other_partition) as waiting:
            waiting.document_states([key_of()])
    with second.transaction(other_partition) as free:
        assert key_of() in free.document_states([key_of()])


def test_states_are_found_and_changed_by_the_index_though_the_session_began_with_an_empty_table(
    migrated: str, open_store: OpenStore
) -> None:
    with psycopg.connect(migrated) as somebody:
        # Nobody tells PostgreSQL how many rows there are.
        somebody.execute("alter table document_state set (autovacuum_enabled = false)")
    store = open_store()
    store.create_positions(list(span(0).values()))
    names = [f"SO-{number:05}" for number in range(20_000)]
    for batch, name in enumerate(names[:20] * 3):
        with store.transaction(span(batch + 1, stored=batch)) as tx:
            tx.record(evaluation(states=counted(tx.document_states([key_of(name)]))), [])
    with psycopg.connect(migrated) as somebody:
        somebody.execute(
            "insert into document_state (reference_type, reference_name, track_field)"
            " select 'Sales Order', unnest(%s::text[]), 'status'",
            (names[20:],),
        )
    with store.transaction(span(61, stored=60)) as tx:
        before = rows_read(tx)
        found = tx.document_states([key_of(name) for name in names[::20]])
        assert (len(found), rows_read(tx) - before) == (1_000, 1_000)
        tx.record(evaluation(states=counted(found)), [])
        assert rows_read(tx) - before == 2_000


def rows_read(tx: StoreTransaction) -> int:
    """Of document states, by this session so far, through the index or without it."""
    query = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'document_state'"
    # Only the session itself can tell, and only until it commits.
    row: Any = tx._connection.execute(query).fetchone()  # noqa: SLF001
    return int(row[0])


def test_who_stores_a_new_document_second_evaluates_it_again(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    first.create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in (0, 1)])
    other_partition = {Partition(TOPIC, 1): Span(TOPIC, TOPIC_ID, 1, 0, 0, 9)}
    old, new = key_of("SO-1"), key_of("SO-2")
    with first.transaction(span(4)) as tx:
        tx.record(evaluation(states=tx.document_states([old])), [])

    def come_second() -> None:
        with second.transaction(other_partition) as tx:
            states = tx.document_states([new])
            with first.transaction(span(5, stored=4)) as earlier:
                earlier.record(evaluation(states=counted(earlier.document_states([old, new]))), [])
            tx.record(evaluation(reached(1), states=states), [])

    with pytest.raises(DocumentAppeared):
        come_second()
    assert second.positions([Partition(TOPIC, 1)])[Partition(TOPIC, 1)].next_offset == 0
    with second.transaction(other_partition) as tx:
        states = tx.document_states([old, new])
        assert [state.occurrences for state in states.values()] == [{"t": 1}, {"t": 1}]
        tx.record(evaluation(states=counted(states)), [])
    with first.transaction(span(6, stored=5)) as tx:
        assert [state.occurrences for state in tx.document_states([old, new]).values()] == [{"t": 2}, {"t": 2}]


def test_workers_on_the_same_documents_in_other_orders_never_lose_an_update(open_store: OpenStore) -> None:
    stores = [open_store(), open_store(), open_store()]
    stores[0].create_positions([Span(TOPIC, TOPIC_ID, number, 0, 0, 0) for number in range(3)])
    keys = [key_of(f"SO-{number}") for number in range(20)]

    def work(number: int) -> None:
        for offset in range(15):
            one = Span(TOPIC, TOPIC_ID, number, offset, 0, offset + 1)
            while True:
                with suppress(DocumentAppeared), stores[number].transaction({Partition(TOPIC, number): one}) as tx:
                    states = counted(tx.document_states(keys if number else reversed(keys)))
                    tx.record(evaluation(states=states), [])
                    break

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    with stores[0].transaction({ZERO: Span(TOPIC, TOPIC_ID, 0, 15, 0, 16)}) as tx:
        assert {state.occurrences["t"] for state in tx.document_states(keys).values()} == {45}


def test_positions_are_shown_as_they_are_stored(migrated: str, open_store: OpenStore) -> None:
    store = open_store()
    store.create_positions([Span(TOPIC, TOPIC_ID, number, 7, 3, 7) for number in (1, 0)])
    shown = stored_positions(migrated, TOPIC)
    assert [one[:6] for one in shown] == [(TOPIC, n, "milestones", TOPIC_ID, 7, 3) for n in (0, 1)]
    assert stored_positions(migrated, "other") == []


def test_taking_over_a_group_keeps_the_offsets_and_another_topic_begins_anew(
    migrated: str, open_store: OpenStore
) -> None:
    open_store().create_positions([Span(TOPIC, TOPIC_ID, 0, 7, 3, 7)])
    lines = take_over(migrated, TOPIC, TOPIC_ID, "new", dry_run=True)
    assert lines == ["partition 0: group milestones, topic id topic-id, stored 7"]
    assert stored_positions(migrated, TOPIC)[0][1:6] == (0, "milestones", TOPIC_ID, 7, 3)
    take_over(migrated, TOPIC, TOPIC_ID, "new", dry_run=False)
    assert stored_positions(migrated, TOPIC)[0][1:6] == (0, "new", TOPIC_ID, 7, 3)
    take_over(migrated, TOPIC, "another id", "new", dry_run=False)
    assert stored_positions(migrated, TOPIC)[0][1:6] == (0, "new", "another id", 0, 0)
    with pytest.raises(ConfigError, match="no positions of topic 'other'"):
        take_over(migrated, "other", "id", "new", dry_run=False)


def test_an_index_of_ones_own_refuses_a_row_and_is_not_taken_for_the_tables(
    open_store: OpenStore, migrated: str
) -> None:
    store = open_store()
    store.create_positions([Span(TOPIC, TOPIC_ID, 0, 0, 0, 0)])
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("create unique index ones_own on milestone (value)")
    with store.transaction(span(4)) as tx:
        tx.record(evaluation(reached(1)), [])
    with pytest.raises(Refused, match="23505"), store.transaction(span(5, stored=4)) as tx:
        tx.record(evaluation(reached(2)), [])
    assert store.positions([ZERO])[ZERO].next_offset == 4
