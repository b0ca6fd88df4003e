"""Each finding about a sample: records that make it, and records as similar as can be that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from consumer.core.trackers import DocumentType
from consumer.core.values import Encoding
from consumer.diagnosis.kinds import SECTIONS
from consumer.diagnosis.sample import Sample
from consumer.formats.shapes import Options, Shape
from tests.unit.avro import STATUS_SCHEMA, SchemasById, avro, change, confluent
from tests.unit.diagnosed import connect_schema, examined, sampled, update, with_schema
from tests.unit.samples import FakeRecord, envelope, mariadb_source, postgres_source, record, tracker

AMOUNT = tracker("Sales Order", "grand_total")
DUE = tracker("Sales Order", "delivery_date")


class Case(NamedTuple):
    """A finding's code, a sample that has it, and one that does not."""

    code: str
    broken: Callable[[], Sample]
    sound: Callable[[], Sample]


def orders(*rows: dict[str, object], key: object = ...) -> list[FakeRecord]:
    """An update for each row."""
    return [update(at, {"name": f"SO-{at}", **row}, key=key) for at, row in enumerate(rows)]


def values(column: str, *those: object) -> list[FakeRecord]:
    return orders(*({column: value} for value in those))


def of_postgres(offset: int, before: object, status: str = "Open") -> FakeRecord:
    value = envelope("u", before, {"name": "SO-1", "status": status}, source=postgres_source())
    return record(value, offset=offset)


def with_default(status: object, note: object = "x", **said: object) -> FakeRecord:
    columns = [
        {"type": "string", "optional": True, "field": "status", **said},
        {"type": "string", "optional": True, "default": "x", "field": "note"},
    ]
    return with_schema(update(0, {"name": "SO-1", "status": status, "note": note}), connect_schema(*columns))


def with_date(value: object) -> FakeRecord:
    date = {"type": "int32", "name": "io.debezium.time.Date", "field": "delivery_date", "optional": True}
    return with_schema(update(1, {"name": "SO-9", "delivery_date": value}), connect_schema(date))


def routed(version: str) -> list[FakeRecord]:
    key = {"name": "SO-1", "__dbz__physicalTableIdentifier": "erp.erp.tabSales_Order"}
    return [update(0, {"name": "SO-1", "status": "Open"}, source=mariadb_source(version=version), key=key)]


def in_avro(number: int = 7) -> list[FakeRecord]:
    datum = change("u", {"status": "Draft"}, {"status": "Open"})
    return [record(confluent(number, avro(STATUS_SCHEMA, datum)))]


def flattened(**metadata: object) -> Sample:
    records = [record({"name": "SO-1", "status": "Open", "__op": "u", "__table": "tabSales Order", **metadata})]
    return sampled(records, options=Options(Shape.FLATTENED))


def whole() -> list[FakeRecord]:
    """Nothing is wrong with these."""
    return orders({"status": "Open"}, {"status": "Closed"})


CASES: Sequence[Case] = (
    Case("sample-empty", lambda: sampled([]), lambda: sampled(whole())),
    Case(
        "dead-letters",
        lambda: sampled(values("grand_total", "one"), tracker("Sales Order", "grand_total", **{"as": "decimal"})),
        lambda: sampled(values("grand_total", "1"), tracker("Sales Order", "grand_total", **{"as": "decimal"})),
    ),
    Case("registry-missing", lambda: sampled(in_avro()), lambda: sampled(whole())),
    Case(
        "schema-unknown",
        lambda: sampled(in_avro(8), registry=SchemasById({7: STATUS_SCHEMA})),
        lambda: sampled(in_avro(7), registry=SchemasById({7: STATUS_SCHEMA})),
    ),
    Case("type-unseen", lambda: sampled(whole(), tracker("Invoice")), lambda: sampled(whole(), tracker())),
    Case("type-misspelt", lambda: sampled(whole(), tracker("Sales Oder")), lambda: sampled(whole(), tracker())),
    Case("type-untracked", lambda: sampled(whole(), tracker("Invoice")), lambda: sampled(whole(), tracker())),
    Case("field-unseen", lambda: sampled(values("state", "Open")), lambda: sampled(values("status", None))),
    Case(
        "field-partly",
        lambda: sampled([*values("status", "Open"), *values("state", "Open")]),
        lambda: sampled(values("status", "Open", None)),
    ),
    Case(
        "decimal-unscaled",
        lambda: sampled(values("grand_total", "AukO3QA=", "AA==", None), AMOUNT),
        lambda: sampled(values("grand_total", "Open", "Paid", "Done"), AMOUNT),
    ),
    Case(
        "decimal-unscaled",
        lambda: sampled(values("grand_total", "MDk="), tracker("Sales Order", "grand_total", **{"as": "decimal"})),
        lambda: sampled(
            values("grand_total", "MDk="), tracker("Sales Order", "grand_total", **{"as": "decimal", "scale": 2})
        ),
    ),
    Case(
        "as-missing",
        lambda: sampled([*values("delivery_date", 12), with_date(19_753)], DUE),
        lambda: sampled([with_date(19_753)], DUE),
    ),
    Case(
        "time-as-number",
        lambda: sampled(values("delivery_date", 19_753, 19_999, 0, None), DUE),
        lambda: sampled(values("delivery_date", 3, 12), DUE),
    ),
    Case(
        "time-as-number",
        lambda: sampled(values("closed", 1_706_693_719_000), tracker("Sales Order", "closed")),
        lambda: sampled(
            values("closed", 1_706_693_719_000),
            tracker("Sales Order", "closed"),
            documents={"Sales Order": DocumentType("Sales Order", columns={"closed": Encoding("timestamp_ms")})},
        ),
    ),
    Case(
        "null-as-default",
        lambda: sampled([with_default("Draft", default="Draft")]),
        lambda: sampled([with_default("Draft", None, default="Draft")]),
    ),
    Case("router-defaults", lambda: sampled(routed("3.2.0.Final")), lambda: sampled(routed("3.6.3.Final"))),
    Case(
        "replica-identity",
        lambda: sampled([of_postgres(0, None)]),
        lambda: sampled([of_postgres(0, {"name": "SO-1", "status": "Draft"})]),
    ),
    Case(
        "row-image",
        lambda: sampled([update(0, {"name": "SO-1", "status": "Open"}, {"name": "SO-1"})]),
        lambda: sampled([update(0, {"name": "SO-1", "status": "Open"}, {"name": "SO-1", "status": None})]),
    ),
    Case(
        "toast",
        lambda: sampled(values("status", "__debezium_unavailable_value", "Open")),
        lambda: sampled(values("status", "unavailable", "Open")),
    ),
    Case("key-missing", lambda: sampled(orders({"status": "Open"}, key=None)), lambda: sampled(whole())),
    Case(
        "key-shared",
        lambda: sampled(orders({"status": "Open"}, {"status": "Open"}, key={"company": "A"})),
        lambda: sampled(orders({"status": "Open"}, key={"company": "A"})),
    ),
    Case(
        "key-not-of-document",
        lambda: sampled(
            orders({"status": "Open"}, {"status": "Open"}, key={"company": "A"}),
            documents={"Sales Order": DocumentType("Sales Order", key=("name",))},
        ),
        lambda: sampled(whole(), documents={"Sales Order": DocumentType("Sales Order", key=("name",))}),
    ),
    Case(
        "key-not-of-document",
        lambda: sampled(orders({"status": "Open"}, key={"company": "A"})),
        lambda: sampled(orders({"status": "Open"}, key=b"SO-0")),
    ),
    Case(
        "document-split",
        lambda: sampled([update(0, {"name": "SO-1"}, partition=0), update(0, {"name": "SO-1"}, partition=1)]),
        lambda: sampled([update(0, {"name": "SO-1"}, partition=0), update(0, {"name": "SO-2"}, partition=1)]),
    ),
    Case("identity-offset", flattened, lambda: flattened(__lsn=7, __source_txId=3)),
    Case(
        "transaction-metadata",
        lambda: sampled([update(0, {"name": "SO-1", "status": "Open"}, transaction=None)]),
        lambda: sampled([update(0, {"name": "SO-1", "status": "Open"}, op="r", transaction=None)]),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_finding_is_made_where_something_is_wrong(case: Case) -> None:
    assert case.code in examined(case.broken())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_finding_is_not_made_where_it_only_looks_so(case: Case) -> None:
    assert case.code not in examined(case.sound())


def test_every_finding_about_a_sample_has_its_case() -> None:
    not_of_records = {"sample-short"}
    of_the_registry = {"registry-missing", "schema-unknown"}
    expected = {kind.code for kind in SECTIONS["The sample"]} - not_of_records | of_the_registry
    assert {case.code for case in CASES} == expected


def test_a_sound_sample_gives_no_finding() -> None:
    assert examined(sampled(whole())) == {}


def test_a_wrong_field_names_those_that_are_near() -> None:
    found = examined(sampled(values("workflow_state", "Open"), tracker("Sales Order", "workflow_stat")))
    assert "did you mean workflow_state?" in found["field-unseen"][0].fix


def test_a_field_that_is_like_no_other_has_another_way_out() -> None:
    found = examined(sampled(values("status", "Open"), tracker("Sales Order", "zzz")))
    assert "column.include.list" in found["field-unseen"][0].fix


@pytest.mark.parametrize(
    ("column", "number", "encoding"),
    [
        ("n", 1_706_693_719_000, "timestamp_ms"), ("n", 1_706_693_719_000_001, "timestamp_us"),
        ("n", 1_706_693_719_000_000_000, "timestamp_ns"), ("expiry_date", 19_753, "date"),
        ("starts_at", 33_319_000, "time_ms"), ("starts_at", 33_319_500_000, "time_us"),
        ("starts_at", 33_319_000_000_000, "time_ns"), ("n", 19_753, None), ("starts_at", 15, None),
    ],
)  # fmt: skip
def test_the_unit_of_a_time_is_guessed_by_its_size(column: str, number: int, encoding: str | None) -> None:
    found = examined(sampled(values(column, number, number + 1), tracker("Sales Order", column))).get("time-as-number")
    assert (None if found is None else found[0].fix.split()[2]) == encoding


def test_flattened_records_of_postgres_are_told_their_own_fields() -> None:
    found = examined(flattened(__source_txId=3))
    assert "add.fields=op,table,source.ts_ms,lsn,source.txId in" in found["identity-offset"][0].fix


def test_dead_letters_are_counted_by_reason_and_field_and_the_first_is_named() -> None:
    numbers = tracker("Sales Order", "grand_total", **{"as": "decimal"})
    found = examined(sampled(values("grand_total", "one", "1", "two"), numbers))["dead-letters"]
    assert len(found) == 1
    assert found[0].found.startswith("2 of 3 (66.7 %) records would be dead letters (BadValue in grand_total)")
    assert found[0].found.endswith("document-changes/0/0")


def test_values_of_documents_are_never_told() -> None:
    records = orders({"grand_total": "a secret", "owner": "a secret"}, {"status": "a secret"})
    findings = examined(sampled(records, tracker("Sales Order", "grand_total", **{"as": "decimal"}), tracker()))
    assert findings
    assert "a secret" not in str(findings)
