"""Keys, partitions and identities: whether changes are told apart, and whether a document's are in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from consumer.core.records import Partition, partition_of
from consumer.diagnosis.findings import Finding, fine
from consumer.diagnosis.kinds import finding
from consumer.diagnosis.sample import Sample, share
from consumer.diagnosis.sight import FLATTENED, Seen
from consumer.errors import Poison, SchemaPending
from consumer.formats.avro_schemas import AvroSchemas
from consumer.formats.keys import ROUTER_FIELDS
from consumer.formats.record_keys import RecordKeys
from consumer.formats.source_block import identity_of

_POSITION = {
    True: "add.fields=op,table,source.ts_ms,source.server_id,source.file,source.pos,source.row,source.gtid",
    False: "add.fields=op,table,source.ts_ms,lsn,source.txId",
}


def key_findings(sample: Sample) -> Iterator[Finding]:
    """About keys and partitions, by document type, then about identities."""
    keys = RecordKeys(AvroSchemas(sample.registry))
    for document_type, seen in sample.by_type().items():
        keyed = [one for one in seen if one.record.key()]
        if len(keyed) < len(seen):
            found = f"{share(len(seen) - len(keyed), len(seen))} records have no key"
            yield finding("key-missing", document_type, found)
        yield from _of_type(document_type, [(one, fields) for one in keyed if (fields := _fields(keys, one))])
    yield from _identities(sample)


def _fields(keys: RecordKeys, one: Seen) -> Mapping[str, object]:
    """The key as columns, without what a router adds; a bare key is a column without a name."""
    try:
        fields = keys.fields(one.record)
    except (Poison, SchemaPending):
        return {}
    if not isinstance(fields, dict):
        return {} if fields is None else {"": fields}
    return {name: value for name, value in fields.items() if name not in ROUTER_FIELDS}


def _of_type(document_type: str, keyed: Sequence[tuple[Seen, Mapping[str, object]]]) -> Iterator[Finding]:
    documents: defaultdict[str, set[str]] = defaultdict(set)
    places: defaultdict[str, defaultdict[str, set[Partition]]] = defaultdict(lambda: defaultdict(set))
    columns: tuple[str, ...] = ()
    configured = False
    for one, fields in keyed:
        configured = one.plan is not None and bool(one.plan.key)
        columns = _naming(one)
        key = _text(fields.values())
        document = _text(one.row[name] for name in columns) if {*columns} <= one.row.keys() else key
        documents[key].add(document)
        place = partition_of(one.record)
        places[document][place.topic].add(place)
    shared = sum(len(names) > 1 for names in documents.values())
    if shared:
        found = f"{share(shared, len(documents))} keys stand for several documents by {', '.join(columns)}"
        code = "key-not-of-document" if configured else "key-shared"
        yield finding(code, document_type, found, type=document_type, columns=", ".join(columns))
    elif unnamed := [one for one, fields in keyed if not _names_its_document(one, fields)]:
        found = f"{share(len(unnamed), len(keyed))} keys do not hold the name of their row"
        yield finding("key-not-of-document", document_type, found, columns="name")
    split = sum(any(len(found) > 1 for found in topics.values()) for topics in places.values())
    if split:
        found = f"changes of {share(split, len(places))} documents are in several partitions of one topic"
        yield finding("document-split", document_type, found)


def _names_its_document(one: Seen, key: Mapping[str, object]) -> bool:
    """False where a row of Frappe has a name that is not in its key, and nothing else is configured."""
    named_otherwise = one.plan is None or one.plan.key or not one.table.startswith("tab")
    return bool(named_otherwise) or "name" not in one.row or str(one.row["name"]) in map(str, key.values())


def _naming(one: Seen) -> tuple[str, ...]:
    """The columns that name the document: configured, or what is usual for such a table."""
    if one.plan is not None and one.plan.key:
        return one.plan.key
    return ("name",) if one.table.startswith("tab") else ("id",)


def _text(values: Iterable[object]) -> str:
    return "|".join("" if value is None else str(value) for value in values)


def _identities(sample: Sample) -> Iterator[Finding]:
    tracked = [one for one in sample.seen if one.plan is not None]
    kinds = Counter(_identity(one, sample) for one in tracked)
    if not kinds:
        return
    told = ", ".join(f"{kind} {share(count, len(tracked))}" for kind, count in kinds.most_common())
    yield fine("identity", "sample", f"changes of tracked types are identified by: {told}")
    # A row that a snapshot reads is no change, and incremental ones have no place in PostgreSQL's log.
    changes = [one for one in tracked if one.op != "r"]
    nameless = [one for one in changes if _identity(one, sample) == "offset"]
    if nameless:
        found = f"{share(len(nameless), len(changes))} changes are known by their place in the topic only"
        yield finding("identity-offset", "sample", found, advice=_advice(nameless[-1]))
    yield from _transactions(tracked)


def _identity(one: Seen, sample: Sample) -> str:
    try:
        origin = sample.batch.origin(one.record)
        return identity_of(one.source, one.transaction, one.record, origin, sample.options.event_id_headers).kind
    except Poison:
        return "offset"


def _advice(one: Seen) -> str:
    if one.shape != FLATTENED:
        return "let the producer say source.id, or an event id header (docs/producing.md)"
    if one.source.server_id is None and one.source.tx_id is None and one.source.gtid is None:
        return f"set {_POSITION[True]} (MariaDB, MySQL) or {_POSITION[False]} (PostgreSQL) in the connector"
    return f"set {_POSITION[one.source.tx_id is None]} in the connector"


def _transactions(tracked: Sequence[Seen]) -> Iterator[Finding]:
    named = [one for one in tracked if one.source.gtid and one.source.file is not None and one.op != "r"]
    unordered = [one for one in named if one.transaction is None or one.transaction.total_order is None]
    if unordered:
        found = f"{share(len(unordered), len(named))} changes with a gtid have no place in their transaction"
        yield finding("transaction-metadata", "sample", found)
