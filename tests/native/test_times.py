"""Times as texts, by Python and by compiled code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core import times
from consumer.core.times import iso_time_by_datetime
from consumer.native import Envelopes
from tests.native.samples import YEAR_1, YEAR_10000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
A_DAY = 86_400_000_000


@pytest.fixture(params=["compiled", "by datetime"])
def iso_time(request: pytest.FixtureRequest, compiled: Envelopes) -> Callable[[int], str]:
    """Both must be the same."""
    return compiled.iso_time if request.param == "compiled" else iso_time_by_datetime


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(micros=st.integers(YEAR_1, YEAR_10000 - 1))
def test_times_are_rfc_3339_in_utc_and_read_back_as_themselves(iso_time: Callable[[int], str], micros: int) -> None:
    text = iso_time(micros)
    assert text.endswith("Z")
    assert (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1) == micros
    assert text.count(".") == (micros % 1_000_000 != 0)


def test_every_day_is_the_one_that_the_calendar_has(iso_time: Callable[[int], str]) -> None:
    days = range(YEAR_1 // A_DAY, YEAR_10000 // A_DAY, 7)
    turns = (datetime(year, 2, 28, tzinfo=UTC) for year in range(1, 10_000))
    leaps = ((turn - EPOCH).days + more for turn in turns for more in (0, 1, 2))
    for day in chain(days, leaps):
        assert iso_time(day * A_DAY) == f"{(EPOCH + timedelta(days=day)).date()}T00:00:00Z"


@pytest.mark.parametrize("micros", [YEAR_1 - 1, YEAR_10000, 2**63, -(2**63), 2**70, -(2**70)])
def test_what_no_calendar_has_is_refused(iso_time: Callable[[int], str], micros: int) -> None:
    with pytest.raises(OverflowError):
        iso_time(micros)


def test_what_is_no_number_is_refused(iso_time: Callable[[int], str]) -> None:
    for wrong in ("1", None, b"1"):
        with pytest.raises(TypeError):
            iso_time(wrong)  # type: ignore[arg-type]


def test_the_compiled_one_is_used(compiled: Envelopes) -> None:
    assert times.iso_time == compiled.iso_time
