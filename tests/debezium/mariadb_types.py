"""A MariaDB table with a column of every type that the connector supports, with ordinary and extreme values."""

from __future__ import annotations

from tests.debezium.tables import Column, Table

_INTEGERS = [
    Column(f"{name}_{sign}", f"{name}{' unsigned' if sign == 'u' else ''}", values)
    for name, bits in (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64))
    for sign, values in (
        ("s", ("1", "0", "-1", str(-(2 ** (bits - 1))), str(2 ** (bits - 1) - 1))),
        ("u", ("1", "0", str(2 ** (bits - 1)), str(2**bits - 1))),
    )
]

_NUMBERS = [
    Column("bool_c", "boolean", ("true", "false")),
    Column("int_zerofill", "int(8) unsigned zerofill", ("42", "0")),
    Column("dec_18_2", "decimal(18,2)", ("12.50", "-12.50", "0", "9999999999999999.99", "-0.01")),
    Column("dec_21_9", "decimal(21,9)", ("1.5", "-0.000000001", "999999999999.999999999")),
    Column("dec_10_0", "decimal(10,0)", ("1500", "-1", "9999999999")),
    Column("dec_65_30", "decimal(65,30)", ("1.5", "-" + "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1")),
    Column("dec_unsigned", "decimal(5,3) unsigned", ("1.5", "99.999", "0")),
    Column("numeric_c", "numeric(6,1)", ("10.0", "-99999.9")),
    Column("float_c", "float", ("1.5", "0.1", "-3.4e38", "1.17549e-38")),
    Column("float_7_3", "float(7,3)", ("1.5", "-9999.999")),
    Column("double_c", "double", ("1.5", "0.1", "-1.7976931348623157e308", "2.2250738585072014e-308", "1e21")),
]

_BITS = [
    Column("bit_1", "bit(1)", ("b'1'", "b'0'")),
    Column("bit_8", "bit(8)", ("b'10000001'", "b'0'", "b'11111111'")),
    Column("bit_12", "bit(12)", ("b'100000000001'", "b'1'")),
    Column("bit_64", "bit(64)", ("b'1'", f"b'{'1' * 64}'")),
]

_TEXTS = [
    Column("char_c", "char(10)", ("'abc'", "''", "'ä 中 😀'")),
    Column("varchar_c", "varchar(140)", ("'To Deliver and Bill'", "''", "' leading'", "'naïve 你好 😀'")),
    Column("varchar_latin", "varchar(20) character set latin1", ("'naïve'", "'é'")),
    Column("tinytext_c", "tinytext", ("'t'",)),
    Column("text_c", "text", ("'line\\nbreak \"quoted\" \\\\'", "''")),
    Column("mediumtext_c", "mediumtext", ("'m'",)),
    Column("longtext_c", "longtext", ("'l'",)),
    Column("json_c", "json", ("'{\"a\": [1, 2.50, null]}'", "'[]'", "'\"text\"'", "'null'")),
    Column("enum_c", "enum('Open','Closed','it''s, done')", ("'Open'", "'Closed'", "'it''s, done'")),
    Column("set_c", "set('a','b','c')", ("'a'", "'a,c'", "''")),
    Column("uuid_c", "uuid", ("'6ccd780c-baba-1026-9564-0040f4311e29'",)),
    # No inet4 and inet6: the connector's grammar does not know them, and the connector ends at such a table.
]

_BYTES = [
    Column("binary_c", "binary(4)", ("x'00ff10fe'", "x'61'")),
    Column("varbinary_c", "varbinary(16)", ("x'00ff10fe'", "''", "x'fbeffe'")),
    Column("tinyblob_c", "tinyblob", ("x'00ff'",)),
    Column("blob_c", "blob", ("x'fbefff00'", "'text'")),
    Column("mediumblob_c", "mediumblob", ("x'01'",)),
    Column("longblob_c", "longblob", ("x'02'",)),
]

_LOCAL = ("2024-01-23 09:15:19", "1970-01-01 00:00:00", "1969-12-31 23:59:59", "1000-01-01 00:00:00")
_TEXT_OF_FAR = "9999-12-31 23:59:59"
_ZONED = ("2024-01-23 09:15:19", "1970-01-01 00:00:01", "2038-01-19 03:14:07")


def _moments(texts: tuple[str, ...], fraction: str) -> tuple[str, ...]:
    return tuple(f"'{text}{fraction}'" for text in texts)


_TIMES = [
    Column("date_c", "date", ("'2024-01-23'", "'1970-01-01'", "'1969-12-31'", "'1000-01-01'", "'9999-12-31'")),
    Column("datetime_0", "datetime", _moments((*_LOCAL, _TEXT_OF_FAR), "")),
    Column("datetime_1", "datetime(1)", _moments(_LOCAL, ".5")),
    Column("datetime_3", "datetime(3)", _moments((*_LOCAL, _TEXT_OF_FAR), ".123")),
    Column("datetime_6", "datetime(6)", _moments(_LOCAL, ".123456")),
    Column("timestamp_0", "timestamp null", _moments(_ZONED, "")),
    Column("timestamp_3", "timestamp(3) null", _moments(_ZONED, ".120")),
    Column("timestamp_6", "timestamp(6) null", _moments(_ZONED, ".123456")),
    Column("time_0", "time", ("'09:15:19'", "'00:00:00'", "'23:59:59'")),
    Column("time_3", "time(3)", ("'09:15:19.120'", "'00:00:00.001'")),
    Column("time_6", "time(6)", ("'09:15:19.123456'", "'00:00:00'", "'23:59:59.999999'")),
    Column("year_c", "year", ("2024", "1901", "2155")),
]

_OPAQUE = [
    Column("geometry_c", "geometry", ("ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1)', 4326)")),
    Column("point_c", "point", ("ST_GeomFromText('POINT(1.5 -2)')",)),
    Column("polygon_c", "polygon", ("ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')",)),
]

# NULL in a column with a DEFAULT, and NOT NULL columns.
_DEFAULTS = [
    Column("int_default", "int default 7", ("1", "NULL")),
    Column("text_default", "varchar(20) default 'Draft'", ("'x'", "NULL")),
    Column("dec_default", "decimal(10,2) default 1.50", ("2.25", "NULL")),
    Column("int_needed", "int not null default 0", ("1", "0"), must_have=True),
    Column("text_needed", "varchar(20) not null default ''", ("'x'", "''"), must_have=True),
    Column(
        "datetime_needed", "datetime(6) not null default '2000-01-01'", ("'2024-01-23 09:15:19.5'",), must_have=True
    ),
]

# What an older, laxer server let in.
_ZERO_DATES = [
    Column("date_zero", "date", ("'0000-00-00'", "'2024-01-00'", "'2024-01-23'")),
    Column("datetime_zero", "datetime", ("'0000-00-00 00:00:00'", "'2024-01-23 09:15:19'")),
    Column("timestamp_zero", "timestamp null", ("'0000-00-00 00:00:00'", "'2024-01-23 09:15:19'")),
    Column("date_zero_needed", "date not null", ("'0000-00-00'", "'2024-01-23'"), must_have=True),
    Column(
        "datetime_zero_needed",
        "datetime not null",
        ("'0000-00-00 00:00:00'", "'2024-01-23 09:15:19'"),
        must_have=True,
    ),
]

# Durations beyond a day and below zero: `connect` refuses them, so they stand in a table of their own.
_DURATIONS = [
    Column("time_0", "time", ("'-01:30:00'", "'838:59:59'", "'-838:59:59'", "'24:00:00'")),
    Column("time_6", "time(6)", ("'-00:00:00.000001'", "'838:59:58.999999'", "'-100:00:00.5'")),
]


TYPES = Table(
    "all_types",
    (*_INTEGERS, *_NUMBERS, *_BITS, *_TEXTS, *_BYTES, *_TIMES, *_OPAQUE, *_DEFAULTS),
    quote="`",
)
ZERO_DATES = Table("zero_dates", tuple(_ZERO_DATES), quote="`")
DURATIONS = Table("durations", tuple(_DURATIONS), quote="`")
