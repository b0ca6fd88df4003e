"""The same documents in two partitions under two workers: locks keep count, and no update is lost."""

from collections import Counter

import pytest

from tests.processes.readings import assert_announced, assert_rows
from tests.processes.truth import Change, Reached, changes, milestones
from tests.processes.workers import Deployment


def _two_workers_on_two_partitions(deployment: Deployment) -> None:
    deployment.create(partitions=2)
    deployment.start()
    deployment.start()
    deployment.wait_for_members(2)


def _settle(deployment: Deployment) -> None:
    deployment.wait_until_published()
    deployment.drain()


def _without_occurrence(reached: list[Reached]) -> Counter[Reached]:
    return Counter(one._replace(occurrence=0) for one in reached)


def _occurrences(reached: list[Reached], *ignored: str) -> dict[tuple[str, str], list[int]]:
    """Occurrences by document; names that differ only in what is ignored are one document."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in reached:
        name = one.reference_name
        for part in ignored:
            name = name.removesuffix(part)
        found.setdefault((one.reference_type, name), []).append(one.occurrence)
    return {document: sorted(occurrences) for document, occurrences in found.items()}


@pytest.mark.fault("53", "duplicates across partitions under two workers")
def test_a_change_that_comes_in_two_partitions_is_one_row_and_one_event(deployment: Deployment) -> None:
    stream = changes(1_500)
    _two_workers_on_two_partitions(deployment)
    deployment.feed(stream, lambda _: (0, 1))
    _settle(deployment)
    rows = deployment.rows()
    assert_rows(rows, milestones(stream))
    assert_announced(deployment.events(), rows, in_order=False)


@pytest.mark.fault("53", "documents under two workers")
def test_documents_whose_changes_alternate_between_partitions_count_each_occurrence_once(
    deployment: Deployment,
) -> None:
    stream = changes(2_000)
    _two_workers_on_two_partitions(deployment)
    deployment.feed(stream, lambda change: (change.number % 2,))
    _settle(deployment)
    rows, expected = deployment.rows(), milestones(stream)
    found = [row.reached for row in rows]
    assert _without_occurrence(found) == _without_occurrence(expected)
    assert _occurrences(found) == _occurrences(expected)
    assert_announced(deployment.events(), rows, in_order=False)


def _renamed(number: int) -> list[Change]:
    """A task that is renamed after three changes, and goes through two more under its new name."""
    name, new, first = f"TAS-{number:05d}", f"TAS-{number:05d}-A", number * 10
    return [
        Change(first, "c", "Task", name, None, "Draft"),
        Change(first + 1, "u", "Task", name, "Draft", "Open"),
        Change(first + 2, "u", "Task", name, "Open", "Working"),
        Change(first + 3, "d", "Task", name, "Working", None, other_name=new),
        Change(first + 3, "c", "Task", new, None, "Working", other_name=name),
        Change(first + 4, "u", "Task", new, "Working", "Review"),
        Change(first + 5, "u", "Task", new, "Review", "Completed"),
    ]


@pytest.mark.fault("53", "halves of a rename under two workers")
def test_the_halves_of_a_rename_in_two_partitions_make_no_milestone_and_keep_the_count(deployment: Deployment) -> None:
    stream = [change for number in range(1, 201) for change in _renamed(number)]
    _two_workers_on_two_partitions(deployment)
    # Every second document moves from partition 0 to 1, the others from 1 to 0: each worker meets first halves.
    deployment.feed(stream, lambda change: ((change.number // 10 + change.name.endswith("-A")) % 2,))
    _settle(deployment)
    rows = deployment.rows()
    found = [row.reached for row in rows]
    assert _without_occurrence(found) == _without_occurrence(milestones(stream))
    assert set(map(tuple, _occurrences(found, "-A").values())) == {(1, 2, 3, 4, 5)}
    assert_announced(deployment.events(), rows, in_order=False)
