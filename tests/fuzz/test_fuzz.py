"""A short run of the fuzzer, and what makes a long one worth its time."""

import subprocess
import sys
from collections import Counter

from tests.fuzz.target import became, check, seeds


def test_no_seed_breaks_a_decoder_and_each_outcome_is_among_them() -> None:
    outcomes: Counter[str] = Counter()
    for seed in seeds():
        check(seed)
        outcomes[became(seed)] += 1
    assert min(outcomes["event"], outcomes["dead letter"], outcomes["skipped"]) > 50


def test_twenty_thousand_inputs_give_no_crash_no_hang_and_stay_within_memory() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "Done 20000 runs" in done.stderr
