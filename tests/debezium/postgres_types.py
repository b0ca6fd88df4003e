"""A PostgreSQL table with a column of every type that the connector supports, with ordinary and extreme values."""

from __future__ import annotations

from tests.debezium.tables import Column, Table

EXTENSIONS = ("citext", "hstore", "ltree")

_NUMBERS = [
    Column("smallint_c", "smallint", ("1", "0", "-32768", "32767")),
    Column("integer_c", "integer", ("1", "0", "-2147483648", "2147483647")),
    Column("bigint_c", "bigint", ("1", "0", "-9223372036854775808", "9223372036854775807")),
    Column("oid_c", "oid", ("1", "4294967295")),
    Column("numeric_18_2", "numeric(18,2)", ("12.50", "-12.50", "0", "9999999999999999.99", "-0.01")),
    Column("numeric_21_9", "numeric(21,9)", ("1.5", "-0.000000001", "999999999999.999999999")),
    Column("numeric_5_0", "numeric(5)", ("1500", "-99999")),
    Column("numeric_5_m2", "numeric(5,-2)", ("1500", "-9999900")),
    Column("numeric_3_5", "numeric(3,5)", ("0.00123", "-0.00999")),
    Column("numeric_c", "numeric", ("1.50", "1500", "0.0001", "-" + "9" * 40 + "." + "9" * 25, "0")),
    Column("money_c", "money", ("12.50", "-12.50", "0", "92233720368547758.07")),
    Column("real_c", "real", ("1.5", "0.1", "-3.4e38", "1.17549e-38")),
    Column(
        "double_c", "double precision", ("1.5", "0.1", "-1.7976931348623157e308", "2.2250738585072014e-308", "1e21")
    ),
]

_BITS = [
    Column("boolean_c", "boolean", ("true", "false")),
    Column("bit_1", "bit(1)", ("B'1'", "B'0'")),
    Column("bit_8", "bit(8)", ("B'10000001'", "B'00000000'", "B'11111111'")),
    Column("bit_12", "bit(12)", ("B'100000000001'", "B'000000000001'")),
    Column("bit_70", "bit(70)", (f"B'1{'0' * 68}1'",)),
    Column("varbit_c", "varbit(12)", ("B'101'", "B'100000000001'", "B''")),
]

_TEXTS = [
    Column("char_c", "char(10)", ("'abc'", "''", "'ä 中 😀'")),
    Column("varchar_c", "varchar(140)", ("'To Deliver and Bill'", "''", "' leading'", "'naïve 你好 😀'")),
    Column("text_c", "text", ("E'line\\nbreak \"quoted\" \\\\'", "''", "'__debezium'")),
    Column("name_c", "name", ("'a name'",)),
    Column("citext_c", "citext", ("'CamelCase'", "''")),
    Column("bytea_c", "bytea", (r"'\x00ff10fe'", "''", r"'\xfbefff00'")),
    Column("json_c", "json", ("'{\"a\": [1, 2.50, null]}'", "'[]'", "'\"text\"'", "'null'")),
    Column("jsonb_c", "jsonb", ('\'{"b": 1, "a": [1, 2.50, null]}\'', "'[]'", "'null'")),
    Column("uuid_c", "uuid", ("'6ccd780c-baba-1026-9564-0040f4311e29'",)),
    Column("enum_c", "order_status", ("'Open'", "'Closed'", "'it''s, done'")),
    Column("inet_c", "inet", ("'192.168.0.1'", "'10.0.0.0/8'", "'2001:db8::1'")),
    Column("cidr_c", "cidr", ("'192.168.0.0/24'", "'2001:db8::/32'")),
    Column("macaddr_c", "macaddr", ("'08:00:2b:01:02:03'",)),
    Column("macaddr8_c", "macaddr8", ("'08:00:2b:01:02:03:04:05'",)),
    Column("hstore_c", "hstore", ("'a=>1, \"b c\"=>NULL'", "''")),
    Column("ltree_c", "ltree", ("'Top.Science.Astronomy'",)),
    Column("tsvector_c", "tsvector", ("to_tsvector('simple', 'the fat cat')",)),
    Column("domain_c", "percentage", ("50.5", "0")),
]

_DAYS = ("2024-01-23", "1970-01-01", "1969-12-31", "0001-01-01", "9999-12-31")
_MOMENTS = tuple(f"{day} 09:15:19.123456" for day in _DAYS)


def _quoted(*texts: str) -> tuple[str, ...]:
    return tuple(f"'{text}'" for text in texts)


_TIMES = [
    Column("date_c", "date", _quoted(*_DAYS)),
    Column("time_c", "time", _quoted("09:15:19.123456", "00:00:00", "23:59:59.999999")),
    Column("time_0", "time(0)", _quoted("09:15:19", "00:00:00")),
    Column("time_3", "time(3)", _quoted("09:15:19.123", "00:00:00.001")),
    Column("timetz_c", "timetz", _quoted("09:15:19.123456+05:30", "00:00:00Z", "23:59:59-08")),
    Column("timestamp_c", "timestamp", _quoted(*_MOMENTS)),
    Column("timestamp_0", "timestamp(0)", _quoted(*_MOMENTS)),
    Column("timestamp_3", "timestamp(3)", _quoted(*_MOMENTS)),
    Column("timestamp_6", "timestamp(6)", _quoted(*_MOMENTS)),
    Column("timestamptz_c", "timestamptz", _quoted("2024-01-23 09:15:19.123456+05:30", *(f"{m}Z" for m in _MOMENTS))),
    Column("timestamptz_0", "timestamptz(0)", _quoted("2024-01-23 09:15:19Z", "1969-12-31 23:59:59-08")),
    Column("interval_c", "interval", _quoted("1 year 2 mons 3 days 04:05:06.789", "-1 days", "0", "-00:00:00.5")),
]

_ARRAYS = [
    Column("text_a", "text[]", _quoted('{a,"b c",NULL}', "{}")),
    Column("varchar_a", "varchar(20)[]", _quoted("{x}")),
    Column("int_a", "int[]", _quoted("{1,-2,NULL}", "{}")),
    Column("bigint_a", "bigint[]", _quoted("{9223372036854775807}")),
    Column("smallint_a", "smallint[]", _quoted("{1,2}")),
    Column("boolean_a", "boolean[]", _quoted("{t,f}")),
    Column("numeric_a", "numeric(10,2)[]", _quoted("{1.50,-2}")),
    Column("numeric_free_a", "numeric[]", _quoted("{1.5,1e20}")),
    Column("double_a", "double precision[]", _quoted("{1.5,0.1}")),
    Column("uuid_a", "uuid[]", _quoted("{6ccd780c-baba-1026-9564-0040f4311e29}")),
    Column("date_a", "date[]", _quoted("{2024-01-23,1969-12-31}")),
    Column("timestamp_a", "timestamp[]", _quoted('{"2024-01-23 09:15:19.123456"}')),
    Column("timestamptz_a", "timestamptz[]", _quoted('{"2024-01-23 09:15:19.123456+00"}')),
    Column("enum_a", "order_status[]", _quoted("{Open,Closed}")),
]

_OPAQUE = [
    Column("int4range_c", "int4range", _quoted("[1,10)", "(,5]", "empty")),
    Column("int8range_c", "int8range", _quoted("[1,10)")),
    Column("numrange_c", "numrange", _quoted("[1.5,2.5]")),
    Column("tsrange_c", "tsrange", _quoted('["2024-01-23 09:00:00","2024-01-23 10:00:00")')),
    Column("tstzrange_c", "tstzrange", _quoted('["2024-01-23 09:00:00+00",)')),
    Column("daterange_c", "daterange", _quoted("[2024-01-23,2024-02-01)")),
    Column("point_c", "point", _quoted("(1.5,-2)")),
]

# NULL in a column with a DEFAULT, and NOT NULL columns.
_DEFAULTS = [
    Column("int_default", "int default 7", ("1", "NULL")),
    Column("text_default", "varchar(20) default 'Draft'", ("'x'", "NULL")),
    Column("numeric_default", "numeric(10,2) default 1.50", ("2.25", "NULL")),
    Column("int_needed", "int not null default 0", ("1", "0"), must_have=True),
    Column("text_needed", "varchar(20) not null default ''", ("'x'", "''"), must_have=True),
    Column("timestamp_needed", "timestamp not null default now()", ("'2024-01-23 09:15:19.5'",), must_have=True),
]

# Beyond what numbers and calendars hold: what some modes refuse, so they stand in a table of their own.
_INFINITE = [
    Column("real_c", "real", _quoted("NaN", "Infinity", "-Infinity")),
    Column("double_c", "double precision", _quoted("NaN", "Infinity", "-Infinity")),
    Column("date_c", "date", _quoted("infinity", "-infinity", "0044-03-15 BC", "5874897-12-31")),
    Column("timestamp_c", "timestamp", _quoted("infinity", "-infinity", "0044-03-15 12:00:00 BC")),
    Column("timestamptz_c", "timestamptz", _quoted("infinity", "-infinity", "0044-03-15 12:00:00Z BC")),
    Column("time_c", "time", _quoted("24:00:00", "00:00:00")),
]
_NOT_A_NUMBER = [
    Column("numeric_c", "numeric", _quoted("NaN", "1.5", "Infinity", "-Infinity")),
    Column("numeric_10_2", "numeric(10,2)", _quoted("NaN", "1.5")),
]

TYPES = Table(
    "all_types",
    (*_NUMBERS, *_BITS, *_TEXTS, *_TIMES, *_ARRAYS, *_OPAQUE, *_DEFAULTS),
    quote='"',
)
INFINITE = Table("infinite", tuple(_INFINITE), quote='"')
NOT_A_NUMBER = Table("not_a_number", tuple(_NOT_A_NUMBER), quote='"')

CREATE_TYPES = (
    *(f"CREATE EXTENSION {name}" for name in EXTENSIONS),
    "CREATE TYPE order_status AS ENUM ('Open', 'Closed', 'it''s, done')",
    "CREATE DOMAIN percentage AS numeric(5,2) CHECK (value BETWEEN 0 AND 100)",
)
