"""What people write to select dead letters, and what is shown of them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.letters import Place, is_of_document, moment, offset_range
from consumer.core.printable import pretty, printable
from consumer.errors import ConfigError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T10:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00:00+02:00", datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_is_so_long_ago_or_a_date(text: str, time: datetime) -> None:
    assert moment(text, "--since", NOW) == time


@pytest.mark.parametrize("text", ["", "2", "2y", "-2h", "yesterday", "999999w", "2026-13-01"])
def test_what_is_no_time_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--until: .* is no time; write"):
        moment(text, "--until", NOW)


@pytest.mark.parametrize(
    ("text", "both"), [("5", (5, 5)), ("5..9", (5, 9)), ("5..", (5, None)), ("..9", (None, 9)), ("0..0", (0, 0))]
)
def test_offsets_are_one_or_a_range_with_both_its_ends(text: str, both: tuple[int | None, int | None]) -> None:
    assert offset_range(text) == both


@pytest.mark.parametrize("text", ["", "..", "a", "5-9", "5...9", "-1", "59 ", "9..5"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--offsets"):
        offset_range(text)


@pytest.mark.parametrize("place", [Place("document-changes", 0, 7), Place("8/vVz3nxQQ+grqkB7L9zBQ", 12, 0)])
def test_an_origin_is_read_as_it_is_written_also_with_a_topic_id(place: Place) -> None:
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "t", "t/1", "t/x/1", "/0/1", "t/0/-1", "t/0/1/"])
def test_what_is_no_origin_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="write <topic>/<partition>/<offset>"):
        Place.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        b'{"name":"SO-1"}',
        b'{"name":"SO-1","__dbz__physicalTableIdentifier":"x"}',
        b'{"schema":{"name":"x"},"payload":{"name":"SO-1"}}',
        b'"SO-1"',
        b"SO-1",
        b"\x00\x00\x00\x00\x07\x08SO-1",
    ],
)
def test_a_key_names_its_document_in_whatever_form(key: bytes) -> None:
    assert is_of_document(key, "SO-1")
    assert not is_of_document(key, "SO-2")


def test_columns_of_a_key_name_a_document_together_or_alone() -> None:
    key = b'{"company":"A","number":7,"part":null}'
    assert [name for name in ("A|7", "A", "7", "None", "A|", "number") if is_of_document(key, name)] == [
        "A|7",
        "A",
        "7",
    ]


@pytest.mark.parametrize("key", [None, b"", b"null", b"[" * 100_000])
def test_a_key_that_says_nothing_is_of_no_document(key: bytes | None) -> None:
    assert not is_of_document(key, "SO-1")


# Showing


@given(st.text())
def test_nothing_that_is_printed_steers_a_terminal(text: str) -> None:
    assert all(c.isprintable() or c.isspace() for c in printable(text))
    assert "\x1b" not in printable(text)
    assert "\n" not in printable(text)


def test_letters_of_all_scripts_stay_as_they_are() -> None:
    assert printable("Müller 株式会社 – ½ \N{GRINNING FACE}") == "Müller 株式会社 – ½ \N{GRINNING FACE}"


def test_what_hides_or_turns_text_is_shown_by_its_number() -> None:
    assert printable("a\u202eb\u200bc\x9b1m\x07\U000e0041") == "a\\u202eb\\u200bc\\x9b1m\\x07\\U000e0041"


def test_json_is_indented_and_its_numbers_stay_as_written() -> None:
    assert pretty(b'{"a":1.50,"b":12345678901234567890123,"a":"\\u001b"}', 100) == (
        '{\n  "a": 1.50,\n  "b": 12345678901234567890123,\n  "a": "\\u001b"\n}'
    )


def test_other_bytes_are_shown_as_text() -> None:
    assert pretty(b"\x00\x07Draft\xff\n\x1b[2J", 100) == "\\x00\\x07Draft\\xff\n\\x1b[2J"


@pytest.mark.parametrize("content", [b'"' + b"x" * 3_000_000 + b'"', b"[" * 400_000, b"\xff" * 400_000, b"x" * 101])
def test_what_is_too_long_is_cut_and_its_length_is_told(content: bytes) -> None:
    shown = pretty(content, 100)
    assert len(shown) < 200
    assert shown.endswith(f"… cut here: the whole is {len(content):,} bytes")


@given(st.binary())
def test_any_bytes_can_be_shown(content: bytes) -> None:
    assert all(c.isprintable() or c.isspace() for c in pretty(content, 50))
