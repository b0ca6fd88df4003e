"""Frappe-shaped documents in both databases, and the SQL that happens to them while a stream is captured."""

# ruff: noqa: S608 - SQL of names and literals of this file; it is the statements that are on trial.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SIGNALS = "debezium_signal"

_LONG_TEXT = "repeat('0123456789abcdef', 600)"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the two databases write the same table."""

    quote: str
    moment: str
    decimal: str
    time: str
    long_text: str
    counter: str
    """A column that numbers the rows."""
    backslash: str
    """In a literal."""
    after: tuple[str, ...] = ()
    """What else a table needs, as statements."""

    def sql(self, statement: str) -> str:
        """The statement with this database's quotes, of `«name»`."""
        return statement.replace("«", self.quote).replace("»", self.quote)


MARIADB = Dialect(
    "`", "datetime(6)", "decimal(21,9)", "time(6)", "longtext", "bigint AUTO_INCREMENT PRIMARY KEY", r"\\"
)
POSTGRES = Dialect(
    '"',
    "timestamp(6)",
    "decimal(21,9)",
    "time(6)",
    "text",
    "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "\\",
    # The whole old row for orders; for tasks only the key, as is the default. Long texts are kept out of the row
    # (TOAST), uncompressed.
    after=(
        'ALTER TABLE "tabSales Order" REPLICA IDENTITY FULL',
        'ALTER TABLE "tabSales Order" ALTER COLUMN terms SET STORAGE EXTERNAL',
        'ALTER TABLE "tabTask" ALTER COLUMN description SET STORAGE EXTERNAL',
    ),
)


def create(dialect: Dialect) -> Iterator[str]:
    """The tables: two document types, a child table, one that will be truncated, and one for signals."""
    key = "name varchar(140) PRIMARY KEY"
    own = f"{key}, creation {dialect.moment}, modified {dialect.moment}, modified_by varchar(140)"
    docstatus = "docstatus int NOT NULL DEFAULT 0"
    yield dialect.sql(
        f"CREATE TABLE «tabSales Order» ({own}, {docstatus}, customer varchar(140), "
        f"status varchar(140) DEFAULT 'Draft', grand_total {dialect.decimal} NOT NULL DEFAULT 0, "
        f"per_delivered {dialect.decimal}, transaction_date date, delivery_time {dialect.time}, "
        f"terms {dialect.long_text})"
    )
    yield dialect.sql(
        f"CREATE TABLE «tabTask» ({own}, {docstatus}, subject varchar(140) NOT NULL DEFAULT '', "
        f"status varchar(140), progress {dialect.decimal}, exp_end_date date, description {dialect.long_text})"
    )
    yield dialect.sql(
        f"CREATE TABLE «tabSales Order Item» ({own}, parent varchar(140), parenttype varchar(140), "
        f"parentfield varchar(140), idx int NOT NULL DEFAULT 0, item_code varchar(140), qty {dialect.decimal})"
    )
    yield dialect.sql("CREATE TABLE «tabError Log» (name varchar(140) PRIMARY KEY, method varchar(140))")
    yield f"CREATE TABLE {SIGNALS} (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))"
    yield from dialect.after


def begin(dialect: Dialect) -> Iterator[str]:
    """What a snapshot finds."""
    for number in (1, 2):
        yield _order(dialect, f"SAL-ORD-{number}", "Draft", "1000.50")
        yield _task(dialect, f"TASK-{number}", "Open")


def work(dialect: Dialect) -> Iterator[str | Sequence[str]]:
    """Inserts, updates, key changes, deletes, a rollback, DDL and a truncate; a sequence is one transaction."""
    orders, tasks, items = "«tabSales Order»", "«tabTask»", "«tabSales Order Item»"
    statements: list[str | Sequence[str]] = [
        [_order(dialect, "SAL-ORD-3", "Draft", "1234567.123456789"), _item("SAL-ORD-3", 1), _item("SAL-ORD-3", 2)],
        _task(dialect, "TASK-3", "Open"),
        f"UPDATE {orders} SET status = 'To Deliver and Bill', docstatus = 1, {_SAVED} WHERE name = 'SAL-ORD-3'",
        # Three values in one transaction, and a save that changes nothing but its own trace.
        [f"UPDATE {tasks} SET status = '{status}', {_SAVED} WHERE name = 'TASK-1'" for status in _STATES],
        f"UPDATE {tasks} SET modified = '2024-03-01 12:00:00.000001' WHERE name = 'TASK-1'",
        [f"UPDATE {tasks} SET status = 'Cancelled' WHERE name = 'TASK-2'", "ROLLBACK"],
        f"UPDATE {tasks} SET progress = 12.5, status = NULL, exp_end_date = '2024-03-31' WHERE name = 'TASK-2'",
        f"UPDATE {orders} SET grand_total = 0, delivery_time = '17:30:00.25' WHERE name = 'SAL-ORD-2'",
        f"UPDATE {items} SET qty = qty + 1 WHERE parent = 'SAL-ORD-3'",
        # All orders by one statement.
        f"UPDATE {orders} SET status = 'On Hold'",
        f"UPDATE {orders} SET terms = 'short', status = 'Completed' WHERE name = 'SAL-ORD-1'",
        # A rename in Frappe: the key changes, and what refers to it.
        [
            f"UPDATE {orders} SET name = 'SAL-ORD-3-NEW' WHERE name = 'SAL-ORD-3'",
            f"UPDATE {items} SET parent = 'SAL-ORD-3-NEW' WHERE parent = 'SAL-ORD-3'",
        ],
        f"UPDATE {tasks} SET name = 'TASK-3-NEW' WHERE name = 'TASK-3'",
        f"UPDATE {tasks} SET status = 'Completed' WHERE name = 'TASK-3-NEW'",
        f"ALTER TABLE {tasks} ADD COLUMN colour varchar(20) DEFAULT 'red'",
        f"UPDATE {tasks} SET colour = NULL, status = 'Working' WHERE name = 'TASK-2'",
        f"ALTER TABLE {tasks} DROP COLUMN progress",
        f"UPDATE {tasks} SET status = '' WHERE name = 'TASK-2'",
        f"DELETE FROM {tasks} WHERE name = 'TASK-1'",
        f"DELETE FROM {orders} WHERE name = 'SAL-ORD-2'",
        "INSERT INTO «tabError Log» (name, method) VALUES ('1', 'a'), ('2', 'b')",
        "TRUNCATE TABLE «tabError Log»",
    ]
    for statement in statements:
        yield dialect.sql(statement) if isinstance(statement, str) else [dialect.sql(one) for one in statement]


def snapshot_signal(dialect: Dialect, within: str, *tables: str) -> str:
    """Asks for an incremental snapshot of these tables of a database or schema."""
    # A name with a space that is not quoted is passed over without a word.
    names = ", ".join(rf'"{within}.\"{table}\""' for table in tables).replace("\\", dialect.backslash)
    data = f'{{"data-collections": [{names}], "type": "incremental"}}'
    return f"INSERT INTO {SIGNALS} (id, type, data) VALUES ('ask-again', 'execute-snapshot', '{data}')"


_STATES = ("Working", "Pending Review", "Completed")
_SAVED = "modified = '2024-02-29 10:11:12.345678', modified_by = 'jane@example.com'"


def _order(dialect: Dialect, name: str, status: str, total: str) -> str:
    return dialect.sql(
        "INSERT INTO «tabSales Order» (name, creation, modified, modified_by, customer, status, grand_total, "
        "transaction_date, delivery_time, terms) VALUES "
        f"('{name}', '2024-02-28 09:00:00.5', '2024-02-28 09:00:00.5', 'Administrator', 'Grüße & Co', "
        f"'{status}', {total}, '2024-02-28', '08:05:00', {_LONG_TEXT})"
    )


def _task(dialect: Dialect, name: str, status: str) -> str:
    return dialect.sql(
        "INSERT INTO «tabTask» (name, creation, modified, modified_by, subject, status, description) VALUES "
        f"('{name}', '2024-02-28 09:00:00', '2024-02-28 09:00:00', 'Administrator', 'A task', '{status}', {_LONG_TEXT})"
    )


def _item(parent: str, idx: int) -> str:
    return (
        "INSERT INTO «tabSales Order Item» (name, modified_by, parent, parenttype, parentfield, idx, item_code, qty) "
        f"VALUES ('{parent}-{idx}', 'Administrator', '{parent}', 'Sales Order', 'items', {idx}, 'ITEM-{idx}', {idx})"
    )
