"""A short soak: random faults under load, and an audit that finds nothing. `make soak` is the long one."""

import pytest

from tests.faults.soak import soak


@pytest.mark.fault("49", "a mixture of all faults under load, half a minute")
def test_a_short_soak_is_clean(seed: int) -> None:
    result = soak(0.5, seed, rate=2_000)
    assert result["violations"] == []
    assert result["audit"] == 0, result
