"""The first look at envelopes, without the interpreter's lock; events, and their way; hashes, times: `_envelopes.c`."""

from consumer.native import AvroProgram, Event, Facts, TableColumns, Taken

INTERFACE: int
"""Which version of these functions was compiled: `consumer/native/__init__.py`."""

FILE: str | None
"""This file as whoever loaded it called it; by another name it might be loaded once more."""

def make_plan(tables: tuple[TableColumns, ...], /) -> object:
    """A plan for `look`, of tables as records name them: the name, one tracked column or more, and those beside them
    that are told of a usual change (None: nothing is told of this table's), all in UTF-8.

    Raises:
        TypeError: `tables` is of another form.
    """

def make_programs(programs: tuple[AvroProgram, ...], /) -> object:
    """What `look` knows of Avro schemas, in order of their ids.

    A program is: the schema's id; the table that it is used for; types, parts, roles of the envelope's fields, columns
    of a row's fields (32-bit integers, as `avro.h` has them); how many columns are tracked; the places of the rows'
    type, or -1 where nobody tracks the table, and of the type of `source`; which field of the latter is the table.

    Raises:
        TypeError, ValueError: they are of another form, or refer to what they do not have.
    """

def look(
    plan: object, programs: object, values: list[bytes | None], /
) -> tuple[int, int, list[tuple[int, int, Facts | None]]]:
    """How many of some values are changes of untracked tables and how many leave every column as it was.

    Then the others by their place in the list, each with the table's place in the plan whose change it seems to be;
    -1 where nothing can be told at a glance. And what a usual change says; None for one that is not usual.

    Usual is an update with both rows or a create, from a binary log, with texts or nulls for columns. Told are: the
    tracked columns before it (None: it is a create), the columns after it, those beside the tracked ones last (None for
    one that is empty or, of these, absent); what the source calls it; when it happened, in µs, and `source.ts_ms`.

    Raises:
        TypeError: a value is neither bytes nor None.
        ValueError: `plan` or `programs` are none.
    """

class Record:
    """A record as it was consumed: what the client's own messages tell, and what was seen at the first look."""

    def topic(self) -> str | None:
        """The topic's name."""

    def partition(self) -> int | None:
        """The partition's number."""

    def offset(self) -> int | None:
        """Where it stands in the partition."""

    def key(self) -> bytes | None:
        """None where there is none."""

    def value(self) -> bytes | None:
        """None for a tombstone."""

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """In their order; None where there are none.

        Raises:
            UnicodeDecodeError: a name is not UTF-8.
            SystemError: the client cannot read them.
        """

    def timestamp(self) -> tuple[int, int]:
        """Its kind (the client's constants), and milliseconds since the epoch."""

    @property
    def table(self) -> int:
        """What `look` says of it: -2 for one of a table that nobody tracks, -3 for one that leaves every column as it
        was; -4 where it was not looked at, -5 where it was passed over."""

    @property
    def facts(self) -> Facts | None:
        """What a usual change says: see `look`."""

    @property
    def name(self) -> str | None:
        """The document's name, where the record has no headers and its key is one column that is a short text of
        printable ASCII, as JSON and without escapes; `__dbz__physicalTableIdentifier` may stand behind it."""

    @property
    def passed(self) -> tuple[int, int]:
        """How many of its partition were passed over in the same call before it, of either kind."""

    @property
    def passed_of_all(self) -> int:
        """How many of all partitions were passed over in the same call before it."""

def find_client(file: str, /) -> bool:
    """Whether librdkafka can be read from without Python, as a module that is loaded uses it: to be asked before a
    client has this file for its `plugin.library.paths`. Of a consumer no
    `error_cb` is called then: see `take_errors`."""

def open_tap(client: object, /) -> object:
    """A queue of one's own for the client that this thread made last, with this file as a plugin; None without one.

    Of a producer it is the way in. It keeps the client until it is closed.
    """

def forward(tap: object, topic: str, partition: int, /) -> bool:
    """Lets a partition's records come to a tap; to be called before it is assigned. Whether that could be done."""

def take(
    tap: object,
    plan: object,
    programs: object,
    places: tuple[tuple[str, int, int], ...],
    most: int,
    most_bytes: int,
    timeout_ms: int,
    /,
) -> Taken:
    """What has come to a tap: waits for the first record only, and then takes what is there.

    Args:
        plan: None where nothing is to be looked at; see `look`.
        places: topics and partitions; records of all others are dropped. Those before the offset are not passed over.
        most: records, 1 or more; `most_bytes`: of values, after which no more is asked for; of those that are passed
            over they count a quarter, unless a message is held for its headers.

    Returns:
        The number of records, and of bytes of their values; those that were not passed over; the last one of each
        partition, whatever was seen, with the number of its place; of each place how many were passed over, of
        untracked tables and unchanged; errors: topic, partition, offset, code, and what the client says.

    Raises:
        ValueError: the tap is closed, or `most` is below 1 or above 2**24.
        RuntimeError: the client cannot read its queue.
    """

def take_errors(tap: object, /) -> list[tuple[int, str]]:
    """What the client said of itself since this was asked last, to whichever thread served one of its queues.

    Returns:
        librdkafka's number, and what it says, 511 bytes at most: of each number the first.
    """

def produce(tap: object, topic: str, events: list[Event], /) -> tuple[int, int]:
    """Hands events over to a producer, in their order.

    Returns:
        How many it took, and why it did not take the next one: librdkafka's number for that, or 0.

    Raises:
        ValueError: the client is closed.
        TypeError: an event is of another form; its headers have to be a list.
    """

def token(text: str, /) -> bytes:
    """Eight bytes of BLAKE2b.

    Raises:
        UnicodeEncodeError: it is no text that UTF-8 can have.
    """

def uuid_of(parts: bytes, ms: int, /) -> str:
    """A UUID: `consumer/core/hashing.py`."""

def iso_time(micros: int, /) -> str:
    """A time in RFC 3339: `consumer/core/times.py`.

    Raises:
        OverflowError: it is before the year 1 or after 9999.
    """

def announcement(fields: tuple[object, ...], headers: tuple[object, ...], /) -> Event:
    """The event of a milestone: `consumer/core/milestones.py`.

    Args:
        fields: all of a `Milestone`, in their order.
        headers: `ce_specversion`, `ce_type`, `ce_source` and `content-type`, as they are to be.

    Raises:
        TypeError: a field is of another type.
        UnicodeEncodeError: a text is none that UTF-8 can have.
        OverflowError: a time is before the year 1 or after 9999, or a number has more than 64 bits.
    """

def take_failure(tap: object, /) -> tuple[int, str] | None:
    """Of what was produced since this was asked last, the first event that was not delivered: why, and its topic.

    One that was given up because of others (purged) counts only where no other failed.
    """

def close_tap(tap: object, /) -> None:
    """To be called before the client is closed, which waits for ever while records lie here. Nothing can be taken any
    more."""
