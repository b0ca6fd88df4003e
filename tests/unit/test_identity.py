"""What the source calls a change: the same when it is delivered again, another for every other change."""

import pytest
from msgspec.structs import astuple

from consumer.core.events import ChangeEvent, SourceIdentity
from consumer.core.states import DocumentState
from consumer.formats.decoder import ChangeDecoder
from tests.unit.samples import AT_MS, batch_of, envelope, mariadb_source, postgres_source, record, rules_of

DECODER = ChangeDecoder(rules_of())


def event(source: dict[str, object], transaction: object = None, op: str = "u", **more: object) -> ChangeEvent:
    value = envelope(op, after={"status": "Won"}, source=source, transaction=transaction)
    decoded = DECODER.decode(batch_of(record(value, **more)))  # type: ignore[arg-type]
    assert decoded.poison == []
    [made] = decoded.events
    return made


def identity(source: dict[str, object], transaction: object = None, **more: object) -> SourceIdentity:
    return event(source, transaction, **more).identity  # type: ignore[arg-type]


ORDERED = {"id": "0-1-7", "total_order": 3, "data_collection_order": 1}


def test_it_is_the_gtid_and_the_place_in_the_binary_log() -> None:
    found = identity(mariadb_source())
    assert (found.kind, found.text) == ("gtid", f"0-1-7#1:binlog.000001:4242:0:{AT_MS}")
    assert (found.transaction, found.log) == ("0-1-7", "1:binlog.000001")


def test_the_order_in_a_transaction_is_no_part_of_it() -> None:
    """A connector that is killed in the midst of a transaction counts the rest of it from 1 again."""
    again = {**ORDERED, "total_order": 1}
    assert identity(mariadb_source(), ORDERED).text == identity(mariadb_source(), again).text
    first, fourth = identity(mariadb_source(), again), identity(mariadb_source(pos=5000), again)
    assert first.text != fourth.text


def test_with_the_order_changes_of_one_transaction_are_told_apart_after_a_fail_over() -> None:
    promoted = {"server_id": 2, "file": "binlog.000009"}
    state = DocumentState()
    state.remember(event(mariadb_source(), ORDERED))
    assert state.has_seen(event(mariadb_source(**promoted, pos=9), ORDERED, partition=1))
    assert not state.has_seen(event(mariadb_source(**promoted, pos=99), {**ORDERED, "total_order": 4}, partition=1))


def test_a_binary_log_without_a_position_identifies_nothing() -> None:
    assert identity(mariadb_source(pos=None), ORDERED).kind == "offset"


def test_without_a_gtid_the_place_in_the_binary_log_is_all_there_is() -> None:
    found = identity(mariadb_source(gtid=None), ORDERED)
    assert (found.kind, found.text, found.transaction) == ("binlog", f"1:binlog.000001:4242:0:{AT_MS}", None)


@pytest.mark.parametrize("part", [{"server_id": 2}, {"file": "b"}, {"pos": 1}, {"row": 1}, {"ts_ms": AT_MS + 1}])
def test_each_part_of_the_place_tells_changes_apart(part: dict[str, object]) -> None:
    assert identity(mariadb_source(**part)).text != identity(mariadb_source()).text


def test_after_a_fail_over_a_gtid_that_the_document_knows_is_a_duplicate() -> None:
    state = DocumentState()
    state.remember(event(mariadb_source()))
    promoted = {"server_id": 2, "file": "binlog.000002", "pos": 77}
    assert state.has_seen(event(mariadb_source(**promoted), partition=1))
    assert not state.has_seen(event(mariadb_source(**promoted, gtid="0-2-8"), partition=1))
    assert not state.has_seen(event(mariadb_source(pos=5000), partition=1))


def test_a_snapshots_read_is_not_of_the_transaction_that_the_connector_saw_last() -> None:
    """An incremental snapshot's records carry the gtid of a change that has nothing to do with them."""
    later = {"server_id": 2, "file": "binlog.000002", "pos": 77}
    state, read = DocumentState(), event(mariadb_source(snapshot="incremental"), ORDERED, op="r")
    assert (read.identity.kind, read.identity.text) == ("binlog", f"1:binlog.000001:4242:0:{AT_MS}")
    state.remember(read)
    assert not state.has_seen(event(mariadb_source(**later), partition=1))
    state.remember(event(mariadb_source(pos=5000)))
    assert not state.has_seen(event(mariadb_source(snapshot="incremental", **later), op="r", partition=1))


def test_postgresql_is_known_by_lsn_transaction_and_time_but_not_by_sequence() -> None:
    found = identity(postgres_source(sequence='["1","2"]'))
    assert (found.kind, found.text) == ("lsn", f"26481480:729:{AT_MS}")
    assert identity(postgres_source(sequence='["3","4"]')).text == found.text


@pytest.mark.parametrize("part", [{"lsn": 5}, {"txId": 5}, {"ts_ms": AT_MS + 1}])
def test_each_part_of_postgresqls_place_tells_changes_apart(part: dict[str, object]) -> None:
    assert identity(postgres_source(**part)).text != identity(postgres_source()).text


BARE: dict[str, object] = {"table": "tabSales Order", "ts_ms": AT_MS}


@pytest.mark.parametrize("header", ["ce_id", "event-id"])
def test_without_a_log_position_it_is_the_event_id_header(header: str) -> None:
    found = identity(BARE, headers=[("other", b"x"), (header, b"4711")])
    assert (found.kind, found.text) == ("event id", "4711")


def test_a_log_position_comes_before_the_event_id_header() -> None:
    assert identity(postgres_source(), headers=[("ce_id", b"4711")]).kind == "lsn"


@pytest.mark.parametrize("headers", [None, [], [("ce_id", b"")], [("ce_id", None)]])
def test_where_nothing_identifies_a_change_it_is_the_place_in_the_topic(headers: object) -> None:
    found = identity(BARE, headers=headers, partition=2, offset=9)
    assert (found.kind, found.text) == ("offset", "topic-id:2:9")


@pytest.mark.parametrize("source", [mariadb_source(), mariadb_source(gtid=None), postgres_source(), BARE])
def test_both_halves_of_a_rename_carry_the_same_mark(source: dict[str, object]) -> None:
    halves = [
        (envelope("d", {"status": "Won"}, source=source, transaction={"id": "0-1-7", "total_order": 1}),
         ("__debezium.newkey", b'{"name":"SO-2"}'), b'{"name":"SO-1"}'),
        (envelope("c", None, {"status": "Won"}, source=source, transaction={"id": "0-1-7", "total_order": 2}),
         ("__debezium.oldkey", b'{"name":"SO-1"}'), b'{"name":"SO-2"}'),
    ]  # fmt: skip
    records = [
        record(value, partition=n, offset=n, headers=[header, ("ce_id", f"id {n}".encode())], key=key)
        for n, (value, header, key) in enumerate(halves)
    ]
    away, here = DECODER.decode(batch_of(*records)).events
    assert away.identity.renaming == here.identity.renaming != ""
    assert (away.reference_name, away.other_name) == ("SO-1", "SO-2")
    assert (here.reference_name, here.other_name) == ("SO-2", "SO-1")


def test_what_is_remembered_of_an_identity_is_its_own_where_it_is_not_given() -> None:
    one = SourceIdentity("gtid", "0-1-7#1:b.1:4", transaction="0-1-7", log="1:b.1")
    another = SourceIdentity("gtid", "0-1-8#1:b.1:4", transaction="0-1-8", log="1:b.1")
    assert one.called("x") == SourceIdentity("gtid", "x") != one
    assert (len(one.token), len(one.pair), one.pair[8:]) == (8, 16, another.pair[8:])
    assert one.token != another.token
    assert one.pair[:8] != another.pair[:8]
    assert one.called("x").pair == b""
    assert SourceIdentity(*astuple(one)) == one
