"""The errors of the program, by what is to be done about them.

MilestonesError
├── ConfigError      the user wrote something wrong             exit 2, says where and the nearest right thing
├── Fatal            going on would lose or double something    exit 1, says what to do
├── Transient        nothing was committed                      both watermarks are read again, then go on
│   ├── Superseded   another instance stored here first
│   ├── RulesChanged records were passed over under other trackers
│   ├── StoreDown    PostgreSQL is away or busy                 with a pause
│   └── PublishDown  Kafka refused or did not answer            with a pause; the producer may be thrown away
├── Refused          PostgreSQL will never take these rows      the batch is halved until one record is left
├── SchemaPending    the registry does not answer, or not yet   the partition waits at this record
├── AlreadyRecorded  these changes were seen before          the batch is evaluated again without them
├── DocumentAppeared another worker stored a document first  the batch is evaluated again with what it stored
└── Poison           this record can never be evaluated         dead letter
"""

from __future__ import annotations


class MilestonesError(Exception):
    """Base of all errors that this program raises on purpose."""


class ConfigError(MilestonesError):
    """The configuration, a tracker file or an argument is wrong; the message names place and way out."""


class Fatal(MilestonesError):
    """The program has to stop; the message says what a person has to decide or repair."""


class Transient(MilestonesError):
    """Nothing was committed: read both watermarks again and go on."""


class Superseded(Transient):
    """The compare-and-set found another offset: another instance was here."""


class RulesChanged(Transient):
    """Records of the batch were passed over as they were consumed, and other trackers are in force now."""


class StoreDown(Transient):
    """PostgreSQL is away, read-only, out of resources, or gave this transaction up."""


class PublishDown(Transient):
    """The publish transaction was aborted, or its outcome is unknown.

    `fenced` says that another producer took over this transactional id.
    """

    def __init__(self, message: str, *, fenced: bool = False) -> None:
        super().__init__(message)
        self.fenced = fenced


class Refused(MilestonesError):
    """PostgreSQL refused a value (SQLSTATE class 22, 23 or 54): retrying cannot help."""


class SchemaPending(MilestonesError):
    """A record's schema cannot be had now: its partition waits there, the others go on."""


class RuleError(MilestonesError):
    """A tracker's rule cannot tell whether it is met. `reason` is one of a few words, to be counted by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class AlreadyRecorded(MilestonesError):
    """Some of these milestones are in the table, or were deleted by hand: evaluate again without them."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__()
        self.ids = ids


class DocumentAppeared(MilestonesError):
    """Another worker stored the first change of one of these documents meanwhile: evaluate again, with its state."""


class Poison(MilestonesError):
    """A record that can never be evaluated; becomes a dead letter.

    `field` names the column at fault, where one is.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MalformedRecord(Poison):
    """Not JSON, not UTF-8, not a change event, or nested too deep."""


class UnknownOperation(Poison):
    """The envelope's `op` is none of c, u, d, r, t, m."""


class MissingKey(Poison):
    """No reference_name can be taken from row or key."""


class BadValue(Poison):
    """A value of a tracked field, or one that identifies the change, cannot be read or stored."""


class RefusedByDatabase(Poison):
    """PostgreSQL refused the rows of this one record."""
