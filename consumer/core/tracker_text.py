"""A tracker as a person writes it in YAML, with an answer to each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from consumer.core.conditions import Condition
from consumer.core.judging import number_of
from consumer.core.trackers import (
    BASELINE,
    LONGEST_NAME,
    OCCURRENCES,
    OWN_DOCUMENT_TYPES,
    OWN_TABLES,
    SNAPSHOT_MODES,
    Rule,
    Tracker,
    field_of_set,
)
from consumer.core.values import ENCODINGS, TEXT, Encoding, Scalar, canonical
from consumer.errors import BadValue, ConfigError

DOCSTATUS = {"draft": "0", "submitted": "1", "cancelled": "2"}
"""What Frappe calls the values of `docstatus`."""

_MOST_LABELS = 50
_WITH_NUMBERS = ("text", "decimal", "float", "bits", "json")
_FIELD = ("track_field", "filled", "docstatus")
_KEYS = {"name", "description", "document_type", "track_field", "docstatus", "disabled", *Rule.__struct_encode_fields__}


class TrackerSection(NamedTuple):
    """`trackers:` of config.yaml: the list, None where nothing is said, and whether the stream's are followed."""

    entries: list[object] | None
    follow: bool


def tracker_section(said: object, place: str) -> TrackerSection:
    """A list of trackers, or a mapping with `follow` and `rules`.

    Raises:
        ConfigError: it is neither.
    """
    if not isinstance(said, dict):
        if said is not None and not isinstance(said, list):
            raise ConfigError(f"{place}: a list of trackers is expected, each with document_type and track_field")
        return TrackerSection(said, follow=False)
    for key in said:
        if key not in ("follow", "rules"):
            raise ConfigError(f"{place}: unknown key {key!r}; it is a list of trackers, or has `follow` and `rules`")
    rules = said.get("rules")
    if rules is not None and not isinstance(rules, list):
        raise ConfigError(f"{place}.rules: a list of trackers is expected, each with document_type and track_field")
    return TrackerSection(rules, _flag(said, "follow", place, default=False))


def tracker_from(fields: Mapping[str, object], place: str) -> Tracker:
    """A tracker from what a person wrote in YAML; `place` is named in errors.

    Raises:
        ConfigError: a key is unknown or missing, or a value does not fit.
    """
    named = fields.get("name")
    place = f"{place} ({named})" if named else place
    for key in fields:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, n=1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{place}: unknown key {key!r}{meant}; a tracker has {', '.join(sorted(_KEYS))}")
    document_type = _text(fields, "document_type", place)
    if not document_type:
        raise ConfigError(f"{place}: document_type is missing: a tracker needs it, and a field")
    track_field = _track_field(fields, place)
    name = str(fields.get("name") or f"{document_type}-{track_field}")
    place = place if named else f"{place} ({name})"
    tracker = Tracker(
        name=name,
        document_type=document_type,
        track_field=track_field,
        description=str(fields.get("description") or ""),
        rule=_rule_from(fields, track_field, place),
        disabled=_flag(fields, "disabled", place, default=False),
    )
    _check(tracker, place)
    return tracker


def _track_field(fields: Mapping[str, object], place: str) -> str:
    """The field: named, or what `filled` and `docstatus` mean."""
    said = [key for key in _FIELD if fields.get(key) is not None]
    if len(said) != 1:
        told = f"{' and '.join(said)} are too many" if said else "track_field is missing"
        raise ConfigError(f"{place}: {told}: a tracker follows one of {', '.join(_FIELD)}")
    if said == ["docstatus"]:
        return "docstatus"
    if said == ["filled"]:
        return field_of_set(_columns(fields["filled"], place))
    return _text(fields, "track_field", place)


def _columns(value: object, place: str) -> tuple[str, ...]:
    columns = value if isinstance(value, list) else []
    if len(columns) < 2 or not all(isinstance(column, str) and column for column in columns):
        raise ConfigError(f"{place}: filled is a list of at least two columns, not {value!r}")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"{place}: filled names a column twice")
    return tuple(columns)


def _text(fields: Mapping[str, object], key: str, place: str) -> str:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{place}: {key} is a text, not {value!r}")
    return value or ""


def _flag(fields: Mapping[str, object], key: str, place: str, *, default: bool) -> bool:
    value = fields.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{place}: {key} is true or false, not {value!r}")
    return value


def _choice(fields: Mapping[str, object], key: str, known: tuple[str, ...], place: str) -> str | None:
    value = fields.get(key)
    if value is not None and value not in known:
        near = get_close_matches(str(value), known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{place}: {key} is one of {', '.join(known)}, not {value!r}{meant}")
    return None if value is None else str(value)


def _rule_from(fields: Mapping[str, object], track_field: str, place: str) -> Rule:
    encoding, scale = fields.get("as"), fields.get("scale")
    if encoding is not None and encoding not in ENCODINGS:
        raise ConfigError(f"{place}: as: {encoding} is not known; one of {', '.join(ENCODINGS)}")
    if scale is not None and not isinstance(scale, int):
        raise ConfigError(f"{place}: scale is a whole number, not {scale!r}")
    reading = Encoding(str(encoding), scale) if encoding else TEXT
    filled = _columns(fields["filled"], place) if fields.get("filled") is not None else ()
    values = _values(fields, place)
    if filled and (values is not None or fields.get("from_values") is not None):
        raise ConfigError(f"{place}: filled has no values; leave `values` and `from_values` out")
    when = _text(fields, "when", place)
    if when and Condition(when, place).is_constant:
        raise ConfigError(f"{place}: when looks at nothing of the change; name a column, as in after.status")
    rule = Rule(
        values=_texts(values, "values", reading, place),
        from_values=_texts(fields.get("from_values"), "from_values", reading, place),
        encoding=str(encoding) if encoding else None,
        scale=scale,
        snapshot=_choice(fields, "snapshot", SNAPSHOT_MODES, place) or BASELINE,
        at_least=_bound(fields, "at_least", reading, place),
        at_most=_bound(fields, "at_most", reading, place),
        when=when,
        filled=filled,
        occurrence=_choice(fields, "occurrence", OCCURRENCES, place),
        announce=_flag(fields, "announce", place, default=True),
        labels=_labels(fields.get("labels"), place),
        owner=_text(fields, "owner", place),
    )
    _check_threshold(rule, place)
    return _with_words(rule) if track_field == "docstatus" else rule


def _values(fields: Mapping[str, object], place: str) -> object:
    """The target values, also where `docstatus` says them: one word, or a list."""
    word = fields.get("docstatus")
    if word is None:
        return fields.get("values")
    if fields.get("values") is not None:
        raise ConfigError(f"{place}: docstatus says the values; leave `values` out")
    return word if isinstance(word, list) else [word]


def _texts(values: object, key: str, encoding: Encoding, place: str) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise ConfigError(f"{place}: {key} is a list, not {values!r}; write [{values}]")
    if not values:
        raise ConfigError(f"{place}: {key} is an empty list; leave it out, if any value counts")
    for value in values:
        if isinstance(value, dict | list):
            raise ConfigError(f"{place}: {key}: {value!r} is no value; quote a text that has a colon")
    return tuple(_canonical(value, key, encoding, place) for value in values)


def _canonical(value: object, key: str, encoding: Encoding, place: str) -> str:
    reading = Encoding(encoding.name) if encoding.name in ("decimal", "boolean") else TEXT
    try:
        text = canonical(_scalar(value), reading)
    except BadValue as error:
        raise ConfigError(f"{place}: {key}: {error}") from error
    if text is None:
        raise ConfigError(f"{place}: {key}: an empty value is never reached; leave it out")
    return text


def _scalar(value: object) -> Scalar:
    """What YAML read, as JSON would have it: `1.50` without quotes is a number."""
    if value is None or isinstance(value, bool | int):
        return value
    return Decimal(str(value)) if isinstance(value, float) else str(value)


def _bound(fields: Mapping[str, object], key: str, encoding: Encoding, place: str) -> str | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        raise ConfigError(f"{place}: {key} is a number, a date or a time, not {value!r}")
    text = _canonical(value, key, encoding, place)
    if number_of(text) is None and not _is_moment(text):
        raise ConfigError(f"{place}: {key} is a number, a date (2026-12-31) or a time, not {text!r}")
    if number_of(text) is not None and encoding.name not in _WITH_NUMBERS:
        raise ConfigError(f"{place}: {key} is a number, and a value that is read `as: {encoding.name}` is none")
    return text


def _is_moment(text: str) -> bool:
    """Whether this is a date or a time that exists; of a time stamp, its seconds may be left out."""
    for kind in (date, datetime, time):
        try:
            kind.fromisoformat(text)
        except ValueError:
            continue
        return True
    return False


def _check_threshold(rule: Rule, place: str) -> None:
    if rule.filled and rule.has_threshold:
        raise ConfigError(f"{place}: filled has no threshold; leave at_least and at_most out")
    if rule.at_least is None or rule.at_most is None:
        return
    low, high = number_of(rule.at_least), number_of(rule.at_most)
    if (low is None) != (high is None):
        raise ConfigError(f"{place}: at_least and at_most are two numbers, or two dates")
    if rule.at_least > rule.at_most if low is None or high is None else low > high:
        raise ConfigError(f"{place}: at_least {rule.at_least} is above at_most {rule.at_most}: nothing reaches both")


def _labels(value: object, place: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MOST_LABELS:
        raise ConfigError(f"{place}: labels are at most {_MOST_LABELS} names with texts, as in {{team: sales}}")
    for name, text in value.items():
        if not isinstance(name, str) or isinstance(text, list | dict) or text is None:
            raise ConfigError(f"{place}: labels: {name!r} is to be a name with one text, not {text!r}")
    return {name: _label(text) for name, text in sorted(value.items())}


def _label(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _with_words(rule: Rule) -> Rule:
    """Frappe's words for `docstatus` are the numbers in its column."""
    values = tuple(DOCSTATUS.get(value.lower(), value) for value in rule.values)
    from_values = tuple(DOCSTATUS.get(value.lower(), value) for value in rule.from_values)
    return msgspec.structs.replace(rule, values=values, from_values=from_values)


def _check(tracker: Tracker, place: str) -> None:
    rule = tracker.rule
    if tracker.document_type in OWN_DOCUMENT_TYPES or tracker.document_type in OWN_TABLES:
        raise ConfigError(
            f"{place}: {tracker.document_type} is this program's own and is never evaluated; track another"
        )
    if tracker.track_field == "docstatus":
        for value in (*rule.values, *rule.from_values):
            if value not in DOCSTATUS.values():
                raise ConfigError(f"{place}: docstatus is one of {', '.join(DOCSTATUS)}, not {value!r}")
    texts = (tracker.name, tracker.document_type, tracker.track_field)
    written = (*texts, tracker.description, rule.owner, rule.when, *rule.values, *rule.from_values, *rule.filled)
    if any("\x00" in text for text in (*written, *rule.labels, *rule.labels.values())):
        raise ConfigError(f"{place}: a text holds a NUL, which PostgreSQL cannot store")
    for text in texts:
        if len(text) > LONGEST_NAME:
            raise ConfigError(f"{place}: {text[:40]}… is longer than {LONGEST_NAME} characters")
