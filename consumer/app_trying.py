"""Composition root of `trackers test`: cases from a file, and the rules they are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from consumer.app import options_of
from consumer.config import Settings, trackers_in
from consumer.config_file import read_yaml
from consumer.core.cases import Case, cases_from
from consumer.core.compiled import compile_rules
from consumer.core.trackers import DocumentType, Tracker, Trackers
from consumer.errors import ConfigError
from consumer.formats.decoder import ChangeDecoder
from consumer.trying import Trial, failures_of

_REVISION = "case"


def rules_and_cases(settings: Settings, path: Path, file: Path | None) -> tuple[list[Tracker], list[Case]]:
    """The trackers and the cases of a file; of config.yaml where none is named. A file may leave its trackers out.

    Raises:
        ConfigError: there are none, one cannot be read, or a case expects a tracker that does not exist.
    """
    document = read_yaml(path) if file is None else read_yaml(file, option="--file")
    content = document.content
    name = (path if file is None else file).name
    if not isinstance(content, dict) or "tests" not in content:
        raise ConfigError(f"{name} has no `tests:`; add the section, or name a file with --file")
    if not content["tests"]:
        raise ConfigError(f"{document.place(('tests',))}: there is no case; write one, with document_type and changes")
    trackers = settings.tracker_list() or []
    if file is not None and "trackers" in content:
        trackers = trackers_in(document)
    cases = cases_from(content["tests"], lambda at: document.place(("tests", at)))
    names = [tracker.name for tracker in trackers]
    types = sorted({tracker.document_type for tracker in trackers})
    for case in cases:
        if case.document_type not in types:
            near = get_close_matches(case.document_type, types, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are trackers for: {', '.join(types) or 'nothing'}"
            raise ConfigError(f"{name}: {case.name}: no tracker follows {case.document_type!r}; {meant}")
        for expected in (tracker for change in case.changes for tracker in change.reaches):
            if expected not in names:
                near = get_close_matches(expected, names, n=1)
                meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
                raise ConfigError(f"{name}: {case.name}: there is no tracker {expected!r}; {meant}")
    return trackers, cases


def tried(settings: Settings, trackers: Sequence[Tracker], cases: Sequence[Case]) -> Iterator[tuple[Case, list[str]]]:
    """Each case, and in what it is not as written. No server is asked."""
    documents = settings.document_types()
    rules = compile_rules(Trackers(_REVISION, tuple(trackers)), documents)
    decoder = ChangeDecoder(rules, options_of(settings))
    for case in cases:
        described = documents.get(case.document_type) or DocumentType(case.document_type)
        yield case, failures_of(case, Trial(rules, decoder), described)
