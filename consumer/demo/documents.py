"""The documents of the simulated ERP: names by naming series and rows with the columns that ERPNext gives them."""

import random
from collections.abc import Callable, Mapping
from typing import Final

PEOPLE: Final = (
    "maria.weber@acme.example",
    "tom@acme.example",
    "lea.klein@acme.example",
    "j.osei@acme.example",
    "priya.nair@acme.example",
    "Administrator",
)
_CUSTOMERS: Final = (
    "Nordlicht Energie GmbH",
    "Boulangerie Petit & Fils",
    "Hafenkontor Lübeck",
    "Sunrise Retail Pvt. Ltd.",
    "Österberg Maskin AB",
    "Kowalski Meble",
    "Green Valley Farms",
    "Tanaka Optics",
)
_TERRITORIES: Final = ("Germany", "France", "India", "Sweden", "Poland", "Rest Of The World")
_TASKS: Final = (
    "Check the drawings",
    "Order spare parts",
    "Train the night shift",
    "Count the stock",
    "Move the server",
)
_PROJECTS: Final = ("Warehouse move", "New ERP rollout", "Solar roof", "Store opening", "Line 3 refit")
_ISSUES: Final = ("Delivery incomplete", "Invoice shows wrong VAT", "Pump leaks", "Cannot log in", "Label unreadable")
# The site's clock is an hour ahead of UTC; Frappe stores naive times, which Debezium encodes as if they were UTC.
_SITE_OFFSET_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_HIDDEN: Final = ("_user_tags", "_comments", "_assign", "_liked_by", "_seen")

Columns = dict[str, object]


def document_name(document_type: str, year: int, number: int) -> str:
    """The name that the type's naming series gives."""
    series: Mapping[str, str] = {
        "Sales Order": f"SAL-ORD-{year}-{number:05d}",
        "Task": f"TASK-{year}-{number:05d}",
        "Project": f"PROJ-{number:04d}",
        "Issue": f"ISS-{year}-{number:05d}",
    }
    return series[document_type]


def new_name(document_type: str, name: str) -> str:
    """The name that a document gets when it is renamed."""
    if document_type == "Sales Order":
        return name.replace("SAL-ORD-", "SAL-ORD-EU-")
    return f"{name}-EU"


def first_row(rng: random.Random, document_type: str, name: str, created_ms: int) -> Columns:
    """The row of a document that has just been made, without its stage."""
    owner = rng.choice(PEOPLE)
    return {
        **_standard(name, owner, created_ms),
        **_COLUMNS[document_type](rng, created_ms),
        **dict.fromkeys(_HIDDEN),
    }


def modified(at_ms: int, actor: str) -> Columns:
    """The columns that every save sets."""
    return {"modified": at_ms + _SITE_OFFSET_MS, "modified_by": actor}


def version_row(rng: random.Random, document_type: str, name: str, at_ms: int, actor: str) -> Columns:
    """The row of Version that Frappe writes beside a save of a document type that tracks its changes."""
    changed = f'[["modified_by","Administrator","{actor}"]]'
    return {
        **_standard(_hash_name(rng), actor, at_ms),
        "ref_doctype": document_type,
        "docname": name,
        "data": f'{{"added":[],"changed":{changed},"removed":[],"row_changed":[]}}',
        **dict.fromkeys(_HIDDEN[:4]),
    }


def comment_row(rng: random.Random, document_type: str, name: str, at_ms: int, actor: str) -> Columns:
    """The row of a Comment on a document."""
    return {
        **_standard(_hash_name(rng), actor, at_ms),
        "comment_type": rng.choice(("Comment", "Assigned", "Info")),
        "comment_email": actor,
        "subject": None,
        "comment_by": actor.partition("@")[0],
        "published": 0,
        "seen": 0,
        "reference_doctype": document_type,
        "reference_name": name,
        "content": rng.choice(
            ("<p>Called the customer.</p>", "<p>Waiting for the carrier.</p>", "<p>Done, see mail.</p>")
        ),
        **dict.fromkeys(_HIDDEN[:4]),
    }


def _standard(name: str, owner: str, created_ms: int) -> Columns:
    at_ms = created_ms + _SITE_OFFSET_MS
    return {
        "name": name,
        "creation": at_ms,
        "modified": at_ms,
        "modified_by": owner,
        "owner": owner,
        "docstatus": 0,
        "idx": 0,
    }


def _sales_order(rng: random.Random, created_ms: int) -> Columns:
    customer, day = rng.choice(_CUSTOMERS), created_ms // _DAY_MS
    total = rng.randrange(4_000, 9_000_000)
    return {
        "customer": customer,
        "customer_name": customer,
        "transaction_date": day,
        "delivery_date": day + rng.randrange(7, 40),
        "company": "Acme Industries GmbH",
        "currency": "EUR",
        "total_qty": f"{rng.randrange(1, 400)}.000000000",
        "net_total": _money(total),
        "total_taxes_and_charges": _money(total * 19 // 100),
        "grand_total": _money(total + total * 19 // 100),
        "status": None,
        "delivery_status": "Not Delivered",
        "per_delivered": "0.000000000",
        "billing_status": "Not Billed",
        "per_billed": "0.000000000",
        "territory": rng.choice(_TERRITORIES),
        "po_no": None,
        "shipping_address_name": None,
        "customer_note": None,
        "amended_from": None,
    }


def _task(rng: random.Random, created_ms: int) -> Columns:
    day = created_ms // _DAY_MS
    return {
        "subject": rng.choice(_TASKS),
        "project": f"PROJ-{rng.randrange(1, 40):04d}",
        "status": None,
        "priority": "Medium",
        "exp_start_date": day,
        "exp_end_date": day + rng.randrange(3, 20),
        "progress": "0.000000000",
        "is_milestone": 0,
        "description": None,
        "completed_by": None,
        "company": "Acme Industries GmbH",
        "lft": 0,
        "rgt": 0,
    }


def _project(rng: random.Random, created_ms: int) -> Columns:
    day = created_ms // _DAY_MS
    return {
        "project_name": f"{rng.choice(_PROJECTS)} {rng.randrange(100, 1000)}",
        "status": None,
        "is_active": "Yes",
        "percent_complete_method": "Task Completion",
        "percent_complete": "0.000000000",
        "customer": rng.choice(_CUSTOMERS),
        "expected_start_date": day,
        "expected_end_date": day + rng.randrange(30, 120),
        "estimated_costing": _money(rng.randrange(500_000, 20_000_000)),
        "company": "Acme Industries GmbH",
        "notes": None,
    }


def _issue(rng: random.Random, created_ms: int) -> Columns:
    return {
        "subject": rng.choice(_ISSUES),
        "customer": rng.choice(_CUSTOMERS),
        "raised_by": "einkauf@customer.example",
        "status": None,
        "priority": "Medium",
        "issue_type": None,
        "opening_date": created_ms // _DAY_MS,
        "opening_time": created_ms % _DAY_MS,
        "agreement_status": "First Response Due",
        "resolution_details": None,
        "via_customer_portal": rng.randrange(2),
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}0000000"


def _hash_name(rng: random.Random) -> str:
    return f"{rng.getrandbits(48):010x}"[-10:]


_COLUMNS: Final[Mapping[str, Callable[[random.Random, int], Columns]]] = {
    "Sales Order": _sales_order,
    "Task": _task,
    "Project": _project,
    "Issue": _issue,
}
