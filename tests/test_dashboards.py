"""The dashboards show what `consumer/metrics.py` defines, by the names that Prometheus sees."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram

from consumer import metrics

FOLDER = Path(__file__).parents[1] / "dashboards"
DASHBOARDS = sorted(FOLDER.glob("*.json"))

Metric = Counter | Gauge | Histogram

_NAME = re.compile(r"\bmilestones_\w+")
_BY = re.compile(r"\bby \(([^)]*)\)")
_SELECTED = re.compile(r"\{(\w+)[=!]")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")


def _defined() -> dict[str, Metric]:
    """Sample name to metric: `_total` for counters, `_bucket`, `_sum` and `_count` for histograms."""
    samples: dict[str, Metric] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name = next(iter(metric.describe())).name
            endings = ["_total"] if isinstance(metric, Counter) else [""]
            endings = ["_bucket", "_sum", "_count"] if isinstance(metric, Histogram) else endings
            samples |= {name + ending: metric for ending in endings}
    return samples


DEFINED = _defined()


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in panels(dashboard):
        yield from panel["targets"]


def test_there_is_a_dashboard() -> None:
    assert FOLDER / "milestones.json" in DASHBOARDS


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_takes_its_data_source_from_a_variable(path: Path) -> None:
    dashboard = read(path)
    sources = [v["name"] for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert sources == ["datasource"]
    for shown in [*panels(dashboard), *targets(dashboard)]:
        assert shown["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_have_a_title_a_query_and_a_place_of_their_own(path: Path) -> None:
    dashboard = read(path)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        cells = _cells(**panel["gridPos"])
        assert not cells & taken, f"{panel['title']} lies over another panel"
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels(dashboard):
        assert panel["description"]
        assert panel["targets"]


def _cells(x: int, y: int, w: int, h: int) -> set[tuple[int, int]]:
    """The squares of Grafana's grid that a panel covers."""
    return {(column, line) for column in range(x, x + w) for line in range(y, y + h)}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(path: Path) -> None:
    dashboard = read(path)
    asked = {name for target in targets(dashboard) for name in _NAME.findall(target["expr"])}
    variables = {name for v in dashboard["templating"]["list"] for name in _NAME.findall(str(v["query"]))}
    assert asked
    assert asked | variables <= set(DEFINED)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_every_label_that_is_asked_for_is_one_of_the_metric(path: Path) -> None:
    for target in targets(read(path)):
        expression, legend = target["expr"], set(_LEGEND.findall(target["legendFormat"]))
        for name in _NAME.findall(expression):
            labels = set(DEFINED[name]._labelnames)  # noqa: SLF001 - a metric without children shows them nowhere else
            labels |= {"le"} if name.endswith("_bucket") else set()
            grouped = {label.strip() for group in _BY.findall(expression) for label in group.split(",")}
            assert grouped | set(_SELECTED.findall(expression)) <= labels, expression
            assert legend <= grouped, f"{expression}: the legend names a label that is aggregated away"


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {DEFINED[name] for path in DASHBOARDS for t in targets(read(path)) for name in _NAME.findall(t["expr"])}
    assert shown == set(DEFINED.values())
