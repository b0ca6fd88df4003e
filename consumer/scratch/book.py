"""States, expected milestones and announcements of one audit, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from consumer.core.audit import Announced, Behind, Expected, Repair, Told
from consumer.core.evaluation import Alias, AliasKey
from consumer.core.milestones import Milestone
from consumer.core.records import Partition
from consumer.core.states import DocumentState, StateKey
from consumer.errors import MilestonesError

_SCHEMA = """
pragma journal_mode = off;
pragma synchronous = off;
pragma locking_mode = exclusive;
pragma temp_store = file;
pragma cache_size = -16384;
create table state (key text primary key, partition text, several integer, content blob) without rowid;
create table link (one text, other text, primary key (one, other)) without rowid;
create table alias (key text primary key, first_half text) without rowid;
create table expected (id blob primary key, key text, began_before integer, rests integer, content blob) without rowid;
create table announced (
    id blob, place text, digest blob, repaired integer,
    reference_type text, reference_name text, topic_id text, partition integer, offset integer);
create table repair (place text, id blob, what text, content blob, primary key (place, id)) without rowid;
"""
_SPREAD = """
update state set several = 1
where not several and key in (
    select link.other from link join state on state.key = link.one where state.several
    union
    select link.one from link join state on state.key = link.other where state.several)
"""
_PARAMETERS = 900
_ANNOUNCED = """
select id, count(*), place, digest, min(rowid) from announced
group by id order by id
"""
# Of one partition of the output: between two of them, after some were added, there is no order.
_BEHIND = """
select id, place, reference_type, reference_name, behind, repaired
from (
    select rowid as number, *, max(offset) over (
        partition by rtrim(place, '0123456789'), reference_type, reference_name, topic_id, partition
        order by rowid rows between unbounded preceding and 1 preceding) as behind
    from announced)
where offset < behind
order by number
"""
_STATES = "select key, content from state where key in ({})"
_SEVERAL = "select several from state where key = ?"


class _State(DocumentState, array_like=True):
    """A state that is read from a list: shorter than with the names of its fields, and there is no name to look up."""


class _Milestone(Milestone, frozen=True, array_like=True):
    """A milestone that is read from a list."""


_encode = msgspec.msgpack.Encoder().encode
_state = msgspec.msgpack.Decoder(_State).decode
_milestone = msgspec.msgpack.Decoder(_Milestone).decode


class Book:
    """One audit's memory. Use as a context manager: the file goes with it.

    Raises:
        MilestonesError: the disk is full.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = TemporaryDirectory(prefix="milestones-", dir=folder)
        self._database = sqlite3.connect(Path(self._folder.name) / "book.sqlite", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("begin")

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def states(self, keys: Iterable[StateKey]) -> dict[StateKey, DocumentState]:
        """The states of documents, new ones where none is known; what renames point to is followed."""
        found: dict[StateKey, DocumentState] = {}
        wanted = set(keys)
        while wanted:
            found |= {key: DocumentState() for key in wanted}
            by_hash = {_hash(key): key for key in wanted}
            moved: set[StateKey] = set()
            for hashed, content in _in_pieces(self._database, _STATES, list(by_hash)):
                key = by_hash[hashed]
                state = found[key] = _state(content)
                if state.moved_to is not None:
                    moved.add(key._replace(reference_name=state.moved_to))
            wanted = moved - found.keys()
        return found

    def save(self, states: Mapping[StateKey, DocumentState], partition: Partition) -> None:
        """Keeps states that records of a partition moved, and whether records of others had moved them before."""
        place = f"{partition.topic}-{partition.partition}"
        self._write(
            "insert into state values (?, ?, 0, ?) on conflict (key) do update set content = excluded.content, "
            "several = several or partition <> excluded.partition",
            ((_hash(key), place, _content(state)) for key, state in states.items()),
        )

    def link(self, names: Iterable[tuple[StateKey, StateKey]]) -> None:
        """Notes the names of renamed documents: what is true of one is true of the other."""
        self._write("insert or ignore into link values (?, ?)", ((_hash(one), _hash(other)) for one, other in names))

    def first_halves(self, keys: Iterable[AliasKey]) -> dict[AliasKey, str]:
        """For renames seen before: the half that was first, or `both`."""
        by_hash = {_hash(msgspec.structs.astuple(key)): key for key in keys}
        rows = _in_pieces(self._database, "select key, first_half from alias where key in ({})", list(by_hash))
        return {by_hash[hashed]: half for hashed, half in rows}

    def save_aliases(self, aliases: Mapping[AliasKey, Alias]) -> None:
        """Keeps renames."""
        self._write(
            "insert into alias values (?, ?) on conflict (key) do update set first_half = 'both'",
            (
                (_hash(msgspec.structs.astuple(key)), "both" if alias.settled else alias.first_half)
                for key, alias in aliases.items()
            ),
        )

    def recorded(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of these milestones that are expected already."""
        rows = _in_pieces(self._database, "select id from expected where id in ({})", [_bytes(id_) for id_ in ids])
        return frozenset(_text(id_) for (id_,) in rows)

    def expect(self, milestones: Iterable[tuple[Milestone, bool, bool]]) -> None:
        """Notes milestones that the input gives, whether their documents began before what is audited, and whether
        they are milestones because of what the documents did before."""
        self._write(
            "insert into expected values (?, ?, ?, ?, ?)",
            ((_bytes(m.id), _hash(_key(m)), began_before, rests, _content(m)) for m, began_before, rests in milestones),
        )

    def announce(self, events: Iterable[Told]) -> None:
        """Notes announcements as they come."""
        self._write(
            "insert into announced values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((_bytes(one.id), one.place, bytearray(one.digest), *one[3:]) for one in events),
        )

    def behind(self) -> Iterator[Behind]:
        """The announcements that came behind a later one of their document, in the order in which they came."""
        for id_, *rest in self._database.execute(_BEHIND):
            yield Behind(_text(id_), *rest)

    def expected(self) -> Iterator[Expected]:
        """All milestones that the input gives, in order of their ids. Call it when all are noted."""
        while self._database.execute(_SPREAD).rowcount:
            pass
        query = (
            "select content, began_before or key in (select state.key from state where state.several), rests "
            "from expected order by id"
        )
        for content, loose, rests in self._database.execute(query):
            yield Expected(_milestone(content), bool(loose), bool(rests))

    def loosen(self, keys: Iterable[StateKey]) -> None:
        """Of these fields of documents nobody can tell any more where they stood: counts, and what rests on them."""
        self._write(
            "insert into state values (?, '', 1, x'') on conflict (key) do update set several = 1",
            ((_hash(key),) for key in keys),
        )

    def is_loose(self, milestone: Milestone) -> bool:
        """Whether the changes of a stored milestone's document stand in several partitions."""
        row = self._database.execute(_SEVERAL, (_hash(_key(milestone)),)).fetchone()
        return bool(row and row[0])

    def announced(self) -> Iterator[tuple[str, Announced]]:
        """All announcements, in order of their ids."""
        for id_, count, place, digest, _ in self._database.execute(_ANNOUNCED):
            yield _text(id_), Announced(count, place, digest)

    def note_repairs(self, repairs: Iterable[tuple[Repair, Milestone]]) -> None:
        """Keeps what a repair would do."""
        self._write(
            "insert into repair values (?, ?, ?, ?)",
            (
                (f"{m.origin_topic_id}/{m.origin_partition:010}/{m.origin_offset:020}", _bytes(m.id), what.value,
                 _content(m))
                for what, m in repairs
            ),
        )  # fmt: skip

    def repairs(self) -> Iterator[tuple[Repair, Milestone]]:
        """What a repair would do, in order of the records."""
        for what, content in self._database.execute("select what, content from repair order by place, id"):
            yield Repair(what), _milestone(content)

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._database.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise MilestonesError(
                f"the scratch file in {self._folder.name} cannot be written: {error}; set TMPDIR to a larger disk"
            ) from error


def _in_pieces(
    database: sqlite3.Connection, query: str, values: Sequence[str | bytearray]
) -> Iterator[tuple[Any, ...]]:
    for at in range(0, len(values), _PARAMETERS):
        piece = values[at : at + _PARAMETERS]
        yield from database.execute(query.format(",".join("?" * len(piece))), piece)


def _key(milestone: Milestone) -> StateKey:
    return StateKey(milestone.reference_type, milestone.reference_name, milestone.track_field)


def _content(one: msgspec.Struct) -> bytearray:
    return bytearray(_encode(msgspec.structs.astuple(one)))


@lru_cache(maxsize=10_000)
def _hash(parts: tuple[object, ...]) -> str:
    """Asked for several times of each document in a chunk: to look it up, to keep its state, and for its milestones.

    A text, because Python's sqlite3 asks for an adapter of all bytes that it gets; of texts and bytearrays it does not.
    """
    return blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def _bytes(id_: str) -> bytearray:
    return bytearray.fromhex(id_.replace("-", ""))


def _text(id_: bytes) -> str:
    digits = id_.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
