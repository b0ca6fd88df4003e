"""The sample as a whole: what is in it, what of it is tracked, what would be refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from consumer.core.records import DeadLetter
from consumer.diagnosis.findings import Finding, fine
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sample import Sample, share

_SHOWN = 5


def stream_findings(sample: Sample) -> Iterator[Finding]:
    """What the sample consists of."""
    if not sample.records:
        yield finding("sample-empty", "sample", "no record was found")
        return
    yield from _formats(sample)
    yield from _schemas(sample)
    yield from _refused(sample.decoded.poison, len(sample.records))
    yield from _types(sample)


def _formats(sample: Sample) -> Iterator[Finding]:
    shapes = Counter(f"{one.shape} in {one.written}" for one in sample.seen)
    if shapes:
        told = ", ".join(f"{shape}: {share(count, len(sample.records))}" for shape, count in shapes.most_common())
        yield fine("formats", "sample", f"changes of rows are {told}")
    skipped = sample.decoded.skipped
    others = {kind: count for kind, count in skipped.most_common() if kind not in ("untracked", "unchanged")}
    if others:
        told = ", ".join(f"{kind} {count:,}" for kind, count in others.items())
        yield fine("skipped", "sample", f"passed over, as they should be: {told}")
    tracked = sum(one.plan is not None for one in sample.seen)
    yield fine("tracked", "sample", f"of tracked document types: {share(tracked, len(sample.records))} records")


def _schemas(sample: Sample) -> Iterator[Finding]:
    for schema, reason in list(sample.missing.items())[:_SHOWN]:
        yield finding("schema-unknown", f"schema {schema.kind} {schema.number}", reason)
    if any("no registry is configured" in letter.message for letter in sample.decoded.poison):
        count = sum("no registry is configured" in letter.message for letter in sample.decoded.poison)
        yield finding("registry-missing", "sample", f"{share(count, len(sample.records))} records are Avro")


def _refused(letters: Sequence[DeadLetter], records: int) -> Iterator[Finding]:
    alike: defaultdict[tuple[str, str | None], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        if "no registry is configured" not in letter.message:
            alike[letter.error_class, letter.field].append(letter)
    for (reason, field), some in sorted(alike.items(), key=lambda item: -len(item[1]))[:_SHOWN]:
        at = some[0].origin
        where = f" in {field}" if field else ""
        found = (
            f"{share(len(some), records)} records would be dead letters ({reason}{where}): {some[0].message}; "
            f"the first is {some[0].topic}/{at.partition}/{at.offset}"
        )
        yield finding("dead-letters", "sample", found)


def _types(sample: Sample) -> Iterator[Finding]:
    untracked = sample.untracked()
    if untracked:
        top = ", ".join(f"{table} {count:,}" for table, count in untracked.most_common(_SHOWN))
        found = f"{share(untracked.total(), len(sample.records))} records are of {len(untracked)} other tables: {top}"
        yield finding("type-untracked", "sample", found)
    tracked = {plan.document_type for plan in sample.rules.plans.values()}
    for document_type in sorted(tracked - sample.by_type().keys()):
        expected = [table for table, plan in sample.rules.plans.items() if plan.document_type == document_type]
        yield _unseen(document_type, expected, sorted({one.table for one in sample.seen}))


def _unseen(document_type: str, expected: Sequence[str], tables: Sequence[str]) -> Finding:
    names = {table.removeprefix("tab").lower(): table for table in tables}
    close = get_close_matches(document_type.lower(), names, n=1, cutoff=0.88)
    if not close:
        found = f"no record of its table ({' or '.join(expected)}) is in the sample"
        return finding("type-unseen", document_type, found)
    table = names[close[0]]
    found = f"no record of it is in the sample, but of the table {table}"
    return finding("type-misspelt", document_type, found, near=table.removeprefix("tab"), type=document_type)
