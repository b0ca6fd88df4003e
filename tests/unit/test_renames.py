"""A rename is two records, in either order, late, or again: the document goes on, and nothing is reached."""

from collections import defaultdict
from collections.abc import Callable

import pytest

from consumer.core.compiled import Rules
from consumer.core.evaluation import BOTH_HALVES, Alias, AliasKey, evaluate
from consumer.core.events import Kind
from consumer.core.milestones import Milestone
from consumer.core.states import DocumentState, StateKey
from tests.unit.samples import Change, candidates_of, context, key_of, rules_of, tracker


class Documents:
    """States and aliases over several batches, kept as the tables keep them."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.states: defaultdict[StateKey, DocumentState] = defaultdict(DocumentState)
        self.aliases: dict[AliasKey, Alias] = {}
        self._rules = rules or rules_of()

    def take(self, *changes: Change) -> list[Milestone]:
        """One batch."""
        known = {key: BOTH_HALVES if a.settled else a.first_half for key, a in self.aliases.items()}
        result = evaluate(candidates_of(self._rules, *changes), self.states, known, context())
        for key, alias in result.aliases.items():
            old = self.aliases.get(key)
            self.aliases[key] = alias if old is None else Alias(key, old.renamed_at, old.first_half, settled=True)
        return result.milestones

    def stands(self, name: str, track_field: str = "status") -> tuple[bool, str | None, dict[str, int], str | None]:
        """Known, value, occurrences and the name it moved to."""
        state = self.states[key_of(name, track_field)]
        return state.known, state.value, state.occurrences, state.moved_to


ONCE = {"Sales Order-status": 1}
TWICE = {"Sales Order-status": 2}
GONE: tuple[bool, str | None, dict[str, int], str | None] = (True, None, {}, None)


def created(name: str = "A", value: str = "Draft", **more: object) -> Change:
    return Change(Kind.CREATE, name=name, after=value, before_known=True, **more)  # type: ignore[arg-type]


def away(old: str = "A", new: str = "B", **more: object) -> Change:
    renaming = f"{old}>{new}"
    return Change(Kind.RENAMED_AWAY, name=old, other_name=new, identity=f"d {renaming}", renaming=renaming, **more)  # type: ignore[arg-type]


def here(old: str = "A", new: str = "B", value: str | None = "Draft", **more: object) -> Change:
    renaming = f"{old}>{new}"
    return Change(
        Kind.RENAMED_HERE, name=new, after=value, other_name=old, identity=f"c {renaming}", renaming=renaming,
        **{"partition": 1, **more},  # type: ignore[arg-type]
    )  # fmt: skip


Halves = tuple[Callable[..., Change], Callable[..., Change]]
BOTH_ORDERS: list[Halves] = [(away, here), (here, away)]


@pytest.mark.parametrize("in_one_batch", [True, False])
@pytest.mark.parametrize("halves", BOTH_ORDERS, ids=["old name first", "new name first"])
def test_either_half_may_come_first(halves: Halves, in_one_batch: bool) -> None:
    documents = Documents()
    documents.take(created())
    changes = [half() for half in halves]
    made = documents.take(*changes) if in_one_batch else [m for change in changes for m in documents.take(change)]
    assert made == []
    assert documents.stands("B") == (True, "Draft", ONCE, None)
    assert documents.stands("A") == GONE
    [alias] = documents.aliases.values()
    assert (alias.key.old_name, alias.key.new_name, alias.settled) == ("A", "B", True)
    [m] = documents.take(Change(name="B", after="To Bill"))
    assert (m.reference_name, m.from_value, m.occurrence) == ("B", "Draft", 2)


def test_while_the_old_names_half_is_awaited_the_alias_is_open_and_points_to_the_new_name() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here())
    assert documents.stands("A")[3] == "B"
    [alias] = documents.aliases.values()
    assert (alias.first_half, alias.settled) == ("new", False)


def test_late_changes_under_the_old_name_count_for_the_document_under_its_new_name() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here(value="To Bill"))
    [late] = documents.take(Change(name="A", after="To Bill", before="Draft", before_known=True))
    assert (late.reference_name, late.value, late.occurrence) == ("A", "To Bill", 2)
    assert documents.stands("B") == (True, "To Bill", TWICE, None)
    documents.take(away())
    assert documents.stands("A") == GONE
    [m] = documents.take(Change(name="B", after="Billed"))
    assert (m.from_value, m.occurrence) == ("To Bill", 3)


def test_a_late_change_never_overwrites_the_newer_value_under_the_new_name() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here(), Change(name="B", after="Billed", partition=1))
    documents.take(Change(name="A", after="To Bill"), away())
    assert documents.stands("B")[1] == "Billed"


def test_the_old_names_half_may_be_a_tombstone_alone() -> None:
    """Flattened records end a name so, without saying under which the document goes on."""
    documents = Documents()
    documents.take(created(), here(), Change(Kind.DELETE, name="A"))
    assert documents.stands("A") == GONE
    assert documents.stands("B") == (True, "Draft", ONCE, None)
    [again] = documents.take(created(value="Won"))
    assert (again.reference_name, again.occurrence) == ("A", 1)
    assert documents.stands("B") == (True, "Draft", ONCE, None)


@pytest.mark.parametrize("later_changes", [0, 3, 40])
@pytest.mark.parametrize("again", [away, here])
@pytest.mark.parametrize("halves", BOTH_ORDERS, ids=["old name first", "new name first"])
def test_a_half_delivered_again_changes_nothing(
    halves: Halves, again: Callable[..., Change], later_changes: int
) -> None:
    documents = Documents()
    documents.take(created(), *[half() for half in halves])
    documents.take(created(value="Reused"))
    for number in range(later_changes):
        documents.take(Change(name="B", after=f"b {number}"), Change(name="A", after=f"a {number}"))
    before = documents.stands("A"), documents.stands("B")
    assert documents.take(again(partition=5)) == []
    assert (documents.stands("A"), documents.stands("B")) == before


def test_a_chain_of_renames_carries_the_document_all_the_way() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(away(), here(), away("B", "C"), here("B", "C"))
    assert documents.stands("C") == (True, "Draft", ONCE, None)
    assert documents.stands("A") == documents.stands("B") == GONE
    assert len(documents.aliases) == 2


def test_in_a_chain_late_changes_count_for_the_last_name() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here(), here("B", "C", partition=2))
    [late] = documents.take(Change(name="A", after="To Bill"))
    assert late.occurrence == 2
    assert documents.stands("C") == (True, "Draft", TWICE, None)
    assert documents.stands("B")[2] == ONCE


def test_renaming_there_and_back_does_not_go_round_in_circles() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here("A", "B"), here("B", "A", partition=2))
    [m] = documents.take(Change(name="A", after="To Bill", partition=2))
    assert m.occurrence == 2


@pytest.mark.parametrize("meanwhile", [0, 1])
def test_there_and_back_counts_on_though_one_partition_is_ahead_of_the_other(meanwhile: int) -> None:
    documents = Documents()
    documents.take(created())
    documents.take(here("A", "B"))
    made = documents.take(*[Change(name="B", after="Billed", partition=1)] * meanwhile)
    documents.take(away("B", "A", partition=1), away("A", "B"), here("B", "A", partition=0))
    [m] = documents.take(Change(name="A", after="To Bill"))
    assert m.occurrence == 2 + len(made)


@pytest.mark.parametrize("halves", BOTH_ORDERS, ids=["old name first", "new name first"])
def test_a_name_used_again_is_another_document(halves: Halves) -> None:
    documents = Documents()
    documents.take(created())
    documents.take(*[half() for half in halves])
    [new] = documents.take(created(value="Draft"))
    assert new.occurrence == 1
    assert documents.stands("A") == (True, "Draft", ONCE, None)
    assert documents.stands("B") == (True, "Draft", ONCE, None)
    [m] = documents.take(Change(name="B", after="Billed"))
    assert m.occurrence == 2
    assert documents.stands("A")[2] == ONCE


def test_all_tracked_fields_move() -> None:
    documents = Documents(rules_of(tracker(), tracker(track_field="stage")))
    both = ("status", "stage")
    documents.take(created(fields=both))
    documents.take(here(fields=both), away(fields=both))
    for track_field in both:
        assert documents.stands("B", track_field) == (True, "Draft", {f"Sales Order-{track_field}": 1}, None)
        assert documents.stands("A", track_field) == GONE


def test_a_rename_that_leaves_the_column_out_keeps_the_value() -> None:
    documents = Documents()
    documents.take(created())
    documents.take(away(), here(value=None, after_known=False))
    assert documents.stands("B") == (True, "Draft", ONCE, None)


def test_a_rename_that_also_changes_the_value_makes_no_milestone_of_it() -> None:
    documents = Documents()
    documents.take(created())
    assert documents.take(away(), here(value="Billed")) == []
    [m] = documents.take(Change(name="B", after="To Bill"))
    assert (m.from_value, m.occurrence) == ("Billed", 2)


def test_a_document_never_seen_before_can_be_renamed() -> None:
    documents = Documents()
    assert documents.take(here(), away()) == []
    assert documents.stands("B") == (True, "Draft", {}, None)


def test_a_change_seen_under_the_old_name_is_a_duplicate_under_the_new_one() -> None:
    documents = Documents()
    documents.take(created(identity="made"), away(), here())
    assert documents.take(Change(name="B", after="Draft", before="X", before_known=True, identity="made")) == []
