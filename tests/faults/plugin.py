"""pytest's side of the harness: which faults run with which seeds, and what each run came to.

A test marked `fault(row, name, sample=True)` runs once in `make test`, with seed 1 and only as a `sample`. With
`--seeds all` it runs with seeds 1 to 5, or to the number that a mark `seeds` gives; each run is a line in a file named
after the commit, and what stands there already is left out. Imported by tests/conftest.py.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Final

import pytest

from tests.faults.results import Result, Results, commit
from tests.processes import tally

_RESULTS: Final = pytest.StashKey[Results]()
_BEGAN: Final = pytest.StashKey[float]()
_LONGEST_PROBLEM: Final = 20_000
"""What is wrong, the history, the ends of the logs: a fault that comes once in a hundred runs tells all of it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The harness's own option."""
    parser.addoption("--seeds", default="sample", help="faults: `sample` (seed 1), `all`, or a number of seeds at most")
    parser.addoption("--rows", default="", help="faults: only these rows of the table, as in 1-8,17")


def pytest_configure(config: pytest.Config) -> None:
    """Opens the results if this is more than the sample."""
    config.addinivalue_line("markers", "fault(row, name, sample=True): a row of the table of faults")
    config.addinivalue_line("markers", "seeds(number): how often `make faults` runs it, instead of 5 times")
    if config.getoption("--seeds") != "sample":
        config.stash[_RESULTS] = Results(commit())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A fault runs once for each seed, whether it draws from it or only repeats."""
    is_ours = metafunc.definition.nodeid.startswith("tests/faults/") and "seed" in metafunc.fixturenames
    if metafunc.definition.get_closest_marker("fault") is None and not is_ours:
        return
    wanted = metafunc.config.getoption("--seeds")
    marker = metafunc.definition.get_closest_marker("seeds")
    runs = int(marker.args[0]) if marker is not None else 5
    last = 1 if wanted == "sample" else runs if wanted == "all" else min(runs, int(wanted))
    if "seed" not in metafunc.fixturenames:
        metafunc.fixturenames.append("seed")
    metafunc.parametrize("seed", range(1, last + 1), ids=lambda seed: f"seed{seed}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--seeds` the sample only; with it what has no result yet."""
    results = config.stash.get(_RESULTS, None)
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("fault")
        if results is None:
            wanted = marker is None or marker.kwargs.get("sample", True)
        else:
            among = marker is not None and _is_among(marker.args[0], config.getoption("--rows"))
            wanted = among and not results.has(_name(item), _seed(item))
        (kept if wanted else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Counts anew."""
    tally.begin()
    item.stash[_BEGAN] = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes what a fault came to."""
    report: pytest.TestReport = yield
    results = item.config.stash.get(_RESULTS, None)
    marker = item.get_closest_marker("fault")
    if results is None or marker is None or (report.when != "call" and not report.failed):
        return report
    counted, took = tally.current(), time.monotonic() - item.stash[_BEGAN]
    row, fault = marker.args
    problem = str(getattr(call.excinfo, "value", ""))[:_LONGEST_PROBLEM] if report.failed else ""
    results.add(
        Result(
            str(row), fault, _name(item), _seed(item), report.passed, counted.records, counted.lost,
            counted.doubled_rows, counted.doubled_events, counted.recoveries, round(took, 1), problem,
        )
    )  # fmt: skip
    return report


def _name(item: pytest.Item) -> str:
    """The test without its seed."""
    return item.nodeid.replace(f"-seed{_seed(item)}", "").replace(f"seed{_seed(item)}", "")


def _is_among(row: str, rows: str) -> bool:
    """Whether a row of the table, or a range of rows, meets those that are wanted."""
    if not rows:
        return True
    first, last = _range(row.replace("–", "-"))
    return any(low <= last and first <= high for low, high in map(_range, rows.split(",")))


def _range(words: str) -> tuple[int, int]:
    first, _, last = words.partition("-")
    return int(first), int(last or first)


def _seed(item: pytest.Item) -> int:
    callspec: Any = getattr(item, "callspec", None)
    return int(callspec.params["seed"]) if callspec is not None else 0
