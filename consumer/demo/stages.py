"""The stages of the simulated ERP: how documents walk through them, in working hours, as a plan of steps.

Nothing here knows of records: what a plan changes is the ground truth that the stream is compared with.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

Kind = Literal["snapshot", "create", "save", "rename", "delete"]
Values = Mapping[str, object]


class Step(msgspec.Struct, frozen=True):
    """One thing done to a document `at_h` working hours after the connector started, with the columns it sets."""

    at_h: float
    kind: Kind
    values: Values = {}


class Move(msgspec.Struct, frozen=True):
    """From a stage a share of the documents goes on to stage `to`, typically after `hours` working hours."""

    to: str
    share: float
    hours: float


class Edits(msgspec.Struct, frozen=True):
    """What people change of a document while it stays at a stage, and how often they do."""

    per_stage: float
    choices: tuple[Values, ...]


DELETED: Final = "(deleted)"
_STUCK_SHARE: Final = 0.04
_SPREAD: Final = 0.45

# "To Bill" is the bottleneck: orders wait there about nine working days, twice as long as anywhere else.
WALKS: Final[Mapping[str, Mapping[str, tuple[Move, ...]]]] = {
    "Sales Order": {
        "Draft": (Move("To Deliver and Bill", 0.93, 7), Move(DELETED, 0.07, 12)),
        "To Deliver and Bill": (
            Move("To Bill", 0.67, 26),
            Move("To Deliver", 0.15, 20),
            Move("On Hold", 0.10, 10),
            Move("Cancelled", 0.05, 9),
            Move("Closed", 0.03, 30),
        ),
        "On Hold": (Move("To Deliver and Bill", 0.85, 22), Move("Closed", 0.15, 30)),
        "To Deliver": (Move("Completed", 1, 18),),
        "To Bill": (Move("Completed", 0.97, 80), Move("Closed", 0.03, 90)),
    },
    "Task": {
        "Open": (
            Move("Working", 0.84, 12),
            Move("Overdue", 0.08, 45),
            Move("Cancelled", 0.05, 15),
            Move(DELETED, 0.03, 8),
        ),
        "Overdue": (Move("Working", 0.9, 14), Move("Cancelled", 0.1, 20)),
        "Working": (Move("Pending Review", 0.8, 22), Move("Completed", 0.2, 18)),
        "Pending Review": (Move("Completed", 0.75, 13), Move("Working", 0.25, 9)),
    },
    "Project": {"Open": (Move("Completed", 0.85, 45), Move("Cancelled", 0.15, 30))},
    "Issue": {
        "Open": (
            Move("Replied", 0.78, 3),
            Move("On Hold", 0.12, 6),
            Move("Closed", 0.07, 8),
            Move(DELETED, 0.03, 2),
        ),
        "On Hold": (Move("Replied", 1, 20),),
        "Replied": (Move("Resolved", 0.6, 9), Move("Open", 0.3, 12), Move("Closed", 0.1, 16)),
        "Resolved": (Move("Closed", 0.85, 20), Move("Open", 0.15, 10)),
    },
}

# The columns with a stage of their own that a new document begins with.
FIRST_VALUES: Final[Mapping[str, Values]] = {
    "Sales Order": {"billing_status": "Not Billed", "delivery_status": "Not Delivered"},
}

# The columns that a stage sets beside `status`.
STAGE_VALUES: Final[Mapping[tuple[str, str], Values]] = {
    ("Sales Order", "To Deliver and Bill"): {"docstatus": 1},
    ("Sales Order", "To Bill"): {"delivery_status": "Fully Delivered", "per_delivered": "100.000000000"},
    ("Sales Order", "To Deliver"): {"billing_status": "Fully Billed", "per_billed": "100.000000000"},
    ("Sales Order", "Completed"): {
        "delivery_status": "Fully Delivered",
        "per_delivered": "100.000000000",
        "billing_status": "Fully Billed",
        "per_billed": "100.000000000",
    },
    ("Sales Order", "Cancelled"): {"docstatus": 2},
    ("Sales Order", "Closed"): {"billing_status": "Closed", "delivery_status": "Closed"},
    ("Task", "Completed"): {"progress": "100.000000000", "completed_by": "maria.weber@acme.example"},
    ("Project", "Completed"): {"percent_complete": "100.000000000"},
    ("Issue", "Resolved"): {"resolution_details": "Spare part sent, customer confirmed by phone."},
}

# None of these touches a field that the demo tracks.
EDITS: Final[Mapping[str, Edits]] = {
    "Sales Order": Edits(
        1.5,
        (
            {"_assign": '["maria.weber@acme.example"]'},
            {"total_qty": "12.000000000"},
            {"po_no": "4500017731"},
            {"_user_tags": ",Priority"},
            {"shipping_address_name": "Lager Süd-Shipping"},
            {"customer_note": "Bitte vor 10 Uhr anliefern – Tor 3."},
        ),
    ),
    "Task": Edits(1.1, ({"priority": "High"}, {"progress": "40.000000000"}, {"_assign": '["tom@acme.example"]'})),
    "Project": Edits(6, ({"percent_complete": "35.000000000"}, {"notes": "Kick-off moved by a week."})),
    "Issue": Edits(0.9, ({"priority": "High"}, {"_assign": '["lea.klein@acme.example"]'}, {"issue_type": "Return"})),
}

# One order whose history is worth showing, renamed on its way: (working hours after the first, stage).
STORY: Final[tuple[tuple[float, str], ...]] = (
    (0, "Draft"),
    (5.5, "To Deliver and Bill"),
    (14, "On Hold"),
    (41, "To Deliver and Bill"),
    (66, "To Bill"),
    (159, "Completed"),
)
STORY_RENAMED_AT_H: Final = 52.0


def plan(rng: random.Random, document_type: str, created_h: float, until_h: float) -> list[Step]:
    """The steps of one document, in order of time; one that was created before 0 begins with its snapshot."""
    steps = list(_walk(rng, document_type, created_h))
    return _from_snapshot([step for step in steps if step.at_h < until_h])


def plan_story(created_h: float, new_name: str) -> list[Step]:
    """The steps of the order worth showing, with a rename to `new_name` in the middle."""
    steps = [_entering("Sales Order", stage, created_h + at_h) for at_h, stage in STORY]
    steps[0] = Step(created_h, "create", {**FIRST_VALUES["Sales Order"], **steps[0].values})
    steps.append(Step(created_h + STORY_RENAMED_AT_H, "rename", {"name": new_name}))
    return sorted(steps, key=lambda step: step.at_h)


def _walk(rng: random.Random, document_type: str, created_h: float) -> Iterator[Step]:
    stage, at_h = "Draft" if document_type == "Sales Order" else "Open", created_h
    yield Step(at_h, "create", {**FIRST_VALUES.get(document_type, {}), "status": stage})
    while moves := WALKS[document_type].get(stage):
        move = rng.choices(moves, [move.share for move in moves])[0]
        left_at_h = at_h + move.hours * rng.lognormvariate(0, _SPREAD)
        yield from _edits(rng, EDITS[document_type], at_h, left_at_h)
        if rng.random() < _STUCK_SHARE:
            return
        if move.to == DELETED:
            yield Step(left_at_h, "delete")
            return
        stage, at_h = move.to, left_at_h
        yield _entering(document_type, stage, at_h)


def _entering(document_type: str, stage: str, at_h: float) -> Step:
    return Step(at_h, "save", {**STAGE_VALUES.get((document_type, stage), {}), "status": stage})


def _edits(rng: random.Random, edits: Edits, from_h: float, to_h: float) -> Iterator[Step]:
    times = sorted(rng.uniform(from_h, to_h) for _ in range(round(rng.uniform(0, 2 * edits.per_stage))))
    for at_h in times:
        yield Step(at_h, "save", rng.choice(edits.choices))


def _from_snapshot(steps: list[Step]) -> list[Step]:
    before = [step for step in steps if step.at_h < 0 and step.kind != "delete"]
    if not before:
        return steps
    values: dict[str, object] = {}
    for step in before:
        values |= step.values
    return [Step(before[0].at_h, "snapshot", values), *(step for step in steps if step.at_h >= 0)]


def milestones(steps: list[Step], track_field: str, values: list[str]) -> int:
    """How many milestones these steps are for a tracker: a value was reached that is new, not empty, and a target."""
    reached = 0
    known: object = ""
    for step in steps:
        value = step.values.get(track_field, known)
        if step.kind != "snapshot" and value not in (known, "") and (not values or value in values):
            reached += 1
        known = value
    return reached
