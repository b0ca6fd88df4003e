"""What PostgreSQL's facts mean, and what the clocks say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from consumer.core.facts import DatabaseFacts
from consumer.core.records import Record
from consumer.diagnosis.findings import Finding, fine
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sight import Seen

_OLDEST = 16_00_00
_CLOCKS_S = 2.0
_LATEST_S = 5.0
_SPARE_CONNECTIONS = 2
"""For `status` and its like beside the workers."""


def database_findings(facts: DatabaseFacts, workers: int) -> Iterator[Finding]:
    """About server, schema, rights and connections."""
    yield fine("postgres", "postgres", f"PostgreSQL {facts.version}, as {facts.role}")
    if facts.version_number < _OLDEST:
        yield finding("postgres-old", "postgres", f"PostgreSQL {facts.version}")
    if facts.is_read_only:
        yield finding("postgres-read-only", "postgres", "nothing can be written")
    if facts.encoding != "UTF8":
        yield finding("database-encoding", "postgres", f"its encoding is {facts.encoding}")
    if facts.schema_fault is not None:
        found, _, advice = facts.schema_fault.rpartition("; ")
        yield finding("migrations", "postgres", found, advice=advice)
    yield from _rights(facts)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if facts.settings.get(setting) == "off":
            yield finding("durability", "postgres", f"{setting} is off", setting=setting)
    if facts.connections_free < workers + _SPARE_CONNECTIONS:
        yield finding("connections", "postgres", f"{facts.connections_free} are free, for {workers} workers")


def _rights(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.is_superuser:
        yield finding("superuser", "postgres", f"{facts.role} is a superuser")
    if facts.missing_rights:
        found = f"{facts.role} lacks {', '.join(facts.missing_rights)}"
        yield finding("rights-missing", "postgres", found, role=facts.role)


def clock_findings(
    records: Sequence[Record], seen: Sequence[Seen], now_ms: int, database_ahead_s: float | None
) -> Iterator[Finding]:
    """About this machine's clock, PostgreSQL's, the broker's or producer's, and the source's."""
    if database_ahead_s is not None and abs(database_ahead_s) > _CLOCKS_S:
        found = f"PostgreSQL's is {abs(database_ahead_s):,.1f} s {'ahead' if database_ahead_s > 0 else 'behind'}"
        yield finding("clocks", "clocks", found, machines="this machine and PostgreSQL's")
    newest_ms = max((record.timestamp()[1] for record in records), default=None)
    changed_ms = max((one.source.ts_ms for one in seen if one.source.ts_ms is not None), default=None)
    for moment_ms, what, machines in (
        (newest_ms, "the newest record was written", "this machine and the broker's"),
        (changed_ms, "the newest change happened", "this machine and the source's"),
    ):
        if moment_ms is not None and moment_ms - now_ms > _LATEST_S * 1_000:
            found = f"{what} {(moment_ms - now_ms) / 1_000:,.1f} s from now"
            yield finding("clocks", "clocks", found, machines=machines)
    if newest_ms is not None and newest_ms <= now_ms:
        yield fine("newest", "sample", f"the newest record is {_age((now_ms - newest_ms) / 1_000)} old")


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.1f} s"
