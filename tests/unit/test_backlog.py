"""What a backlog's batch is, and what importing leaves behind."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from consumer.kafka.intake import is_large

_MOST, _MOST_BYTES = 15_000, 32 << 20


@pytest.mark.parametrize(
    ("records", "max_records", "size", "max_bytes", "large"),
    [
        (3_749, _MOST, 0, _MOST_BYTES, False),
        (3_750, _MOST, 0, _MOST_BYTES, True),
        (1, _MOST, (8 << 20) - 1, _MOST_BYTES, False),
        (1, _MOST, 8 << 20, _MOST_BYTES, True),
        (999, 1_000, 0, _MOST_BYTES, False),
        (1_000, 1_000, 0, _MOST_BYTES, True),
        (25, 100, 0, _MOST_BYTES, False),
        (1, 1, 0, _MOST_BYTES, True),
        (0, 1, 0, 1, False),
        (1, _MOST, 1_023, 1_024, False),
        (1, _MOST, 1_024, 1_024, True),
        (1, _MOST, 40 << 20, _MOST_BYTES, True),
    ],
)
def test_a_batch_is_a_backlogs_if_it_is_full_or_more_than_comes_to_whoever_keeps_up(
    records: int, max_records: int, size: int, max_bytes: int, *, large: bool
) -> None:
    assert is_large(records, max_records, size, max_bytes) is large


@pytest.mark.parametrize("before", ["enable", "disable"])
def test_garbage_is_looked_for_after_importing_if_it_was_before(before: str) -> None:
    program = (
        f"import gc; gc.{before}(); before = gc.isenabled(); from consumer.tuning import imported; "
        "assert imported('consumer.cli').main and gc.isenabled() == before\n"
        "try: imported('consumer.nowhere')\nexcept ImportError: assert gc.isenabled() == before\n"
        "else: raise AssertionError"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert gc.isenabled()
