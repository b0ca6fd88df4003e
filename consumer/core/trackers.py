"""Trackers: which field of which document type is followed, and which values count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from consumer.core.values import ENCODINGS, TEXT, Encoding, Scalar, canonical
from consumer.errors import BadValue, ConfigError

OWN_DOCUMENT_TYPES = frozenset({"Milestone", "Milestone Tracker"})
"""Never evaluated, as in Frappe: a milestone must not make milestones."""

OWN_TABLES = frozenset(
    {"tabMilestone", "tabMilestone Tracker", "milestone", "milestone_tracker", "document_state", "document_alias"}
    | {"stream_position", "dead_letter", "tracker_revision", "tracker_revision_start", "deleted_milestone"}
)
"""This program's own tables, should somebody capture its database."""

LONGEST_NAME = 255

BASELINE, EVERY_NEW_VALUE, RECONCILE = "baseline", "milestone", "reconcile"
SNAPSHOT_MODES = (BASELINE, EVERY_NEW_VALUE, RECONCILE)
"""What a tracker makes of values that a snapshot read: nothing; milestones of those that were not known; milestones
only where another value was known, so that a change was missed."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a change of the field is a milestone. All empty is Frappe's rule: the value differs and is not empty.

    `values` are the target values, `from_values` those it must come from; canonical texts.
    `encoding` (`as` in YAML) and `scale` say how the column is encoded where schemaless JSON cannot. `snapshot` is one
    of `SNAPSHOT_MODES`.
    """

    values: tuple[str, ...] = ()
    from_values: tuple[str, ...] = ()
    encoding: str | None = msgspec.field(default=None, name="as")
    scale: int | None = None
    snapshot: str = BASELINE


class Tracker(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `milestone_tracker`."""

    name: str
    document_type: str
    track_field: str
    description: str = ""
    rule: Rule = Rule()
    disabled: bool = False
    managed_by: str = "config"

    def differs_from(self, other: Tracker) -> bool:
        """Whether applying this over `other` changes anything a person wrote."""
        return msgspec.structs.replace(self, managed_by=other.managed_by) != other


class Trackers(msgspec.Struct, frozen=True):
    """All trackers of one revision (a random id)."""

    revision: str
    trackers: tuple[Tracker, ...]


_decode_trackers = msgspec.json.Decoder(tuple[Tracker, ...]).decode


def trackers_from_json(revision: str, text: str) -> Trackers:
    """The trackers of a revision, as the database recorded them.

    Raises:
        ConfigError: a rule written by hand cannot be read or followed, or two trackers contradict each other.
    """
    try:
        trackers = _decode_trackers(text)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"milestone_tracker holds a rule that cannot be read: {error}; correct it there") from error
    for tracker in trackers:
        _check_rule(tracker)
    check_together(trackers)
    return Trackers(revision, trackers)


def _check_rule(tracker: Tracker) -> None:
    rule = tracker.rule
    for key, said, known in (("as", rule.encoding, tuple(ENCODINGS)), ("snapshot", rule.snapshot, SNAPSHOT_MODES)):
        if said is not None and said not in known:
            raise ConfigError(
                f"milestone_tracker: {tracker.name!r} has the rule {key}: {said}, which is not known; "
                f"correct it there to one of {', '.join(known)}"
            )


class DocumentType(msgspec.Struct, frozen=True):
    """What config.yaml's `documents` says of one document type.

    `table` defaults to `tab<document type>`, or the document type itself; `key` are the columns of its name.
    """

    name: str
    table: str | None = None
    key: tuple[str, ...] = ()
    actor: str = "modified_by"
    columns: Mapping[str, Encoding] = {}


class TrackedField(msgspec.Struct, frozen=True):
    """A column that some tracker follows; `encoding` None means that the record's own schema may say."""

    name: str
    encoding: Encoding | None


class DocumentPlan(msgspec.Struct, frozen=True):
    """What decoding takes from one table's records, and nothing else."""

    document_type: str
    key: tuple[str, ...]
    actor: str
    fields: tuple[TrackedField, ...]


class Rules(msgspec.Struct, frozen=True):
    """Trackers of one revision, ready for decoding (by table) and matching (by document type and field)."""

    revision: str
    plans: Mapping[str, DocumentPlan]
    by_field: Mapping[tuple[str, str], tuple[Tracker, ...]]


def tracker_from(fields: Mapping[str, object], place: str) -> Tracker:
    """A tracker from what a person wrote in YAML; `place` is named in errors.

    Raises:
        ConfigError: a key is unknown or missing, or a value does not fit.
    """
    known = {"name", "description", "document_type", "track_field", "disabled", *Rule.__struct_encode_fields__}
    for key in fields:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key!r}; a tracker has {', '.join(sorted(known))}")
    for key in ("document_type", "track_field"):
        if not isinstance(fields.get(key), str) or not fields[key]:
            raise ConfigError(f"{place}: {key} is missing: a tracker needs document_type and track_field")
    document_type, track_field = str(fields["document_type"]), str(fields["track_field"])
    name = str(fields.get("name") or f"{document_type}-{track_field}")
    tracker = Tracker(
        name=name,
        document_type=document_type,
        track_field=track_field,
        description=str(fields.get("description") or ""),
        rule=_rule_from(fields, f"{place} ({name})"),
        disabled=_flag(fields.get("disabled", False), f"{place} ({name})"),
    )
    _check(tracker, f"{place} ({name})")
    return tracker


def _flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{place}: disabled is true or false, not {value!r}")
    return value


def _rule_from(fields: Mapping[str, object], place: str) -> Rule:
    encoding, scale, snapshot = fields.get("as"), fields.get("scale"), fields.get("snapshot", BASELINE)
    if encoding is not None and encoding not in ENCODINGS:
        raise ConfigError(f"{place}: as: {encoding} is not known; one of {', '.join(ENCODINGS)}")
    if scale is not None and not isinstance(scale, int):
        raise ConfigError(f"{place}: scale is a whole number, not {scale!r}")
    if snapshot not in SNAPSHOT_MODES:
        raise ConfigError(f"{place}: snapshot is one of {', '.join(SNAPSHOT_MODES)}, not {snapshot!r}")
    reading = Encoding(str(encoding), scale) if encoding else TEXT
    return Rule(
        values=_texts(fields.get("values"), "values", reading, place),
        from_values=_texts(fields.get("from_values"), "from_values", reading, place),
        encoding=str(encoding) if encoding else None,
        scale=scale,
        snapshot=str(snapshot),
    )


def _texts(values: object, key: str, encoding: Encoding, place: str) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise ConfigError(f"{place}: {key} is a list, not {values!r}")
    reading = Encoding(encoding.name) if encoding.name in ("decimal", "boolean") else TEXT
    try:
        texts = [canonical(_scalar(value), reading) for value in values]
    except BadValue as error:
        raise ConfigError(f"{place}: {key}: {error}") from error
    if None in texts:
        raise ConfigError(f"{place}: {key}: an empty value is never reached; leave it out")
    return tuple(text for text in texts if text is not None)


def _scalar(value: object) -> Scalar:
    """What YAML read, as JSON would have it: `1.50` without quotes is a number."""
    if value is None or isinstance(value, bool | int):
        return value
    return Decimal(str(value)) if isinstance(value, float) else str(value)


def _check(tracker: Tracker, place: str) -> None:
    if tracker.document_type in OWN_DOCUMENT_TYPES or tracker.document_type in OWN_TABLES:
        raise ConfigError(
            f"{place}: {tracker.document_type} is this program's own and is never evaluated; track another"
        )
    for text in (tracker.name, tracker.document_type, tracker.track_field, tracker.description, *tracker.rule.values):
        if "\x00" in text:
            raise ConfigError(f"{place}: a text holds a NUL, which PostgreSQL cannot store")
    for text in (tracker.name, tracker.document_type, tracker.track_field):
        if len(text) > LONGEST_NAME:
            raise ConfigError(f"{place}: {text[:40]}… is longer than {LONGEST_NAME} characters")


def check_together(trackers: Sequence[Tracker]) -> None:
    """What one tracker alone cannot show: names are unique, and one column has one encoding.

    Raises:
        ConfigError: naming both trackers.
    """
    names: set[str] = set()
    encodings: dict[tuple[str, str], Tracker] = {}
    for tracker in trackers:
        if tracker.name in names:
            raise ConfigError(f"trackers: two are named {tracker.name!r}; give one of them another name")
        names.add(tracker.name)
        first = encodings.setdefault((tracker.document_type, tracker.track_field), tracker)
        if (first.rule.encoding, first.rule.scale) != (tracker.rule.encoding, tracker.rule.scale):
            raise ConfigError(f"trackers: {first.name!r} and {tracker.name!r} follow one field but differ in `as`")


def compile_rules(trackers: Trackers, documents: Mapping[str, DocumentType]) -> Rules:
    """Rules by table and by field. Fields of disabled trackers are followed too: switching on finds true states."""
    check_together(trackers.trackers)
    by_field: dict[tuple[str, str], list[Tracker]] = {}
    for tracker in trackers.trackers:
        by_field.setdefault((tracker.document_type, tracker.track_field), []).append(tracker)
    plans: dict[str, DocumentPlan] = {}
    for document_type in sorted({key[0] for key in by_field}):
        described = documents.get(document_type) or DocumentType(document_type)
        fields = [(field, by_field[name, field][0]) for name, field in sorted(by_field) if name == document_type]
        plan = DocumentPlan(
            document_type,
            described.key,
            described.actor,
            tuple(TrackedField(name, _encoding(tracker, described)) for name, tracker in fields),
        )
        for table in tables_of(described):
            if plans.setdefault(table, plan) is not plan:
                taken = plans[table].document_type
                raise ConfigError(f"documents: {taken} and {document_type} both say that table {table} is theirs")
    return Rules(trackers.revision, plans, {key: tuple(some) for key, some in by_field.items()})


def tables_of(document: DocumentType) -> tuple[str, ...]:
    """The tables that hold a document type: the one configured, else Frappe's and the plain one."""
    if document.table is not None:
        return (document.table,)
    return (f"tab{document.name}", document.name)


def _encoding(tracker: Tracker, document: DocumentType) -> Encoding | None:
    if tracker.rule.encoding is not None:
        return Encoding(tracker.rule.encoding, tracker.rule.scale)
    return document.columns.get(tracker.track_field)
