"""Canonical text: one text for one value, whatever encoding it came in."""

import base64
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.values import ENCODINGS, LONGEST_NUMBER, Encoding, Scalar, canonical, number_text
from consumer.errors import BadValue

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_the_empty_text_are_both_empty_in_every_encoding(encoding: str, empty: str | None) -> None:
    zero_bits = "0" if encoding == "bits" and empty == "" else None
    assert canonical(empty, Encoding(encoding)) == zero_bits


@pytest.mark.parametrize(
    ("encoding", "value", "text"),
    [
        ("text", "To Bill", "To Bill"),
        ("text", "00", "00"),
        ("text", "1.50", "1.50"),
        ("text", " ", " "),
        ("text", 0, "0"),
        ("text", True, "true"),
        ("text", Decimal("1.50"), "1.5"),
        ("text", Decimal("1e3"), "1000"),
        ("text", {"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        ("text", 1e16, "10000000000000000"),
        ("text", 0.1, "0.1"),
        ("text", float("nan"), "NaN"),
        ("text", float("-inf"), "-Infinity"),
        ("text", b"\x00\xff", "AP8="),
        ("float", 1.100000023841858, "1.1"),
        ("float", 16777216.0, "16777216"),
        ("float", 3.4028234663852886e38, "340282350000000000000000000000000000000"),
        ("json", '{"a": 1,  "b c": "x  y\\" z"}', '{"a":1,"b c":"x  y\\" z"}'),
        ("json", 'a "b c', 'a"b c'),
        ("json", 'a "b c\\', 'a"b c\\'),
        ("json", '"' + '\\"' * 100_000 + " x", '"' + '\\"' * 100_000 + " x"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("bits", "BQ==", "5"),
        ("bits", b"\x00\x01", "256"),
        ("array", [1, None, "a", Decimal("1.50")], '[1,null,"a",1.5]'),
        ("array", "[1, 2]", "[1,2]"),
        ("duration_us", 93_784_005_000, "93784.005"),
        ("decimal", "1.50", "1.5"),
        ("decimal", "0.000000000", "0"),
        ("decimal", "-0.0", "0"),
        ("decimal", "1E-7", "0.0000001"),
        ("decimal", 12, "12"),
        ("decimal", {"scale": 2, "value": "AJY="}, "1.5"),
        ("decimal", {"scale": 0, "value": "/w=="}, "-1"),
        ("boolean", 1, "true"),
        ("boolean", False, "false"),
        ("boolean", "f", "false"),
        ("boolean", "TRUE", "true"),
        ("date", 0, "1970-01-01"),
        ("date", -1, "1969-12-31"),
        ("date", "19782", "2024-02-29"),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2024-02-29Z", "2024-02-29"),
        ("date", 2_932_896, "9999-12-31"),
        ("date", 2_932_897, "10000-01-01"),
        ("date", 2_145_042_905, "5874897-12-31"),
        ("date", -719_528, "0000-01-01"),
        ("date", -719_529, "-0001-12-31"),
        ("date", "+10000-01-01", "10000-01-01"),
        ("time_ms", 5_616_387, "01:33:36.387000"),
        ("time_us", 33_300_000_000, "09:15:00"),
        ("time_ns", 1_000, "00:00:00.000001"),
        ("time_us", -1, "-00:00:00.000001"),
        ("time_us", 838 * 3_600_000_000, "838:00:00"),
        ("timestamp_ms", 1_795_397_616_387, "2026-11-23 01:33:36.387000"),
        ("timestamp_us", 0, "1970-01-01 00:00:00"),
        ("timestamp_us", -1, "1969-12-31 23:59:59.999999"),
        ("timestamp_ns", 1_709_210_096_789_012_345, "2024-02-29 12:34:56.789012"),
        ("timestamp_us", 9_223_372_036_825_200_000, "infinity"),
        ("timestamp_us", -9_223_372_036_832_400_000, "-infinity"),
        ("time", "09:15:19Z", "09:15:19"),
        ("time", "24:00:00", "24:00:00"),
        ("zoned_time", "09:15:19.5+02", "09:15:19.500000+02:00"),
        ("zoned_time", "09:15:19Z", "09:15:19+00:00"),
        ("timestamp", "2024-02-29T12:34:56.500000Z", "2024-02-29 12:34:56.500000"),
        ("zoned_timestamp", "infinity", "infinity"),
        ("zoned_timestamp", "-0043-03-15T12:00Z", "-0043-03-15 12:00:00+00:00"),
        ("timestamp", "2024-02-29T12:34:56.5", "2024-02-29 12:34:56.500000"),
        ("zoned_timestamp", "2024-02-29T12:34:56Z", "2024-02-29 12:34:56+00:00"),
        ("zoned_timestamp", "2024-02-29T12:34:56.25+05:30", "2024-02-29 12:34:56.250000+05:30"),
    ],
)
def test_each_encoding_has_one_text_for_a_value(encoding: str, value: Scalar, text: str) -> None:
    assert canonical(value, Encoding(encoding)) == text


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("decimal", "a lot"),
        ("decimal", True),
        ("decimal", [1]),
        ("decimal", {"amount": 1}),
        ("decimal", {"scale": "two", "value": "AJY="}),
        ("decimal", {"scale": 2, "value": "no base64!"}),
        ("decimal", "1e1001"),
        ("decimal", "9" * 1_001),
        ("boolean", "perhaps"),
        ("boolean", 2),
        ("date", Decimal("1.5")),
        ("date", Decimal("1e999999999")),
        ("date", 1 << 31),
        ("date", "2024-02-29T12:00:00"),
        ("date", "2024-13-01"),
        ("time", "2024-02-29"),
        ("time", "25:00:00"),
        ("time", "12:60"),
        ("zoned_time", 5),
        ("timestamp", "12:00:00"),
        ("bits", 5),
        ("bits", True),
        ("array", {"a": 1}),
        ("date", True),
        ("date", "2024-02-30"),
        ("time_ms", "noon"),
        ("timestamp_ms", 9_223_372_036_832_400_000),
        ("timestamp_us", Decimal("Infinity")),
        ("timestamp_us", {"at": 1}),
        ("timestamp", 1),
        ("zoned_timestamp", "soon"),
    ],
)
def test_what_is_no_value_of_the_encoding_is_refused_without_showing_it(encoding: str, value: Scalar) -> None:
    with pytest.raises(BadValue) as caught:
        canonical(value, Encoding(encoding))
    assert str(value) not in str(caught.value)


def test_text_stays_text_and_numbers_compare_by_value() -> None:
    assert canonical("00") != canonical("0")
    assert canonical("00", Encoding("decimal")) == canonical("0", Encoding("decimal"))
    assert canonical(Decimal("1.50")) == canonical(Decimal("1.5")) == canonical("1.500", Encoding("decimal"))


@given(DECIMALS)
def test_a_number_is_written_shortest_and_reads_back_as_itself(number: Decimal) -> None:
    text = number_text(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()
    assert text != "-0"
    assert "." not in text or not text.endswith(("0", "."))


@given(DECIMALS, st.integers(min_value=-12, max_value=12))
def test_equal_numbers_have_equal_texts_however_they_are_spelled(number: Decimal, shift: int) -> None:
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    zeros = max(shift, 0)
    spelled = Decimal((sign, digits + (0,) * zeros, exponent - zeros))
    assert number_text(spelled) == number_text(Decimal(f"{spelled:E}")) == number_text(number)


@given(st.integers(min_value=-(10**60), max_value=10**60), st.integers(min_value=0, max_value=20))
def test_base64_decimals_are_the_unscaled_number_and_its_scale(unscaled: int, scale: int) -> None:
    size = (unscaled.bit_length() + 8) // 8
    as_bytes = base64.b64encode(unscaled.to_bytes(size, "big", signed=True)).decode()
    reference = number_text(Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale)))
    assert canonical(as_bytes, Encoding("decimal", scale)) == reference
    assert canonical({"scale": scale, "value": as_bytes}, Encoding("decimal")) == reference


@given(st.dates())
def test_days_since_the_epoch_are_a_date(day: date) -> None:
    assert canonical((day - date(1970, 1, 1)).days, Encoding("date")) == day.isoformat()


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001 - wall times
def test_microseconds_since_the_epoch_are_a_wall_time(moment: datetime) -> None:
    micros = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert canonical(micros, Encoding("timestamp_us")) == str(moment)


@given(st.integers(min_value=0, max_value=86_399_999))
def test_the_same_time_in_ms_us_and_ns_has_one_text(millis: int) -> None:
    texts = {
        canonical(millis * factor, Encoding(f"time_{unit}"))
        for unit, factor in (("ms", 1), ("us", 1_000), ("ns", 1_000_000))
    }
    assert len(texts) == 1


def test_a_number_of_exactly_the_longest_length_still_has_a_text() -> None:
    longest = "9" * LONGEST_NUMBER
    assert canonical(longest, Encoding("decimal")) == longest
