"""What a benchmark says of its results: the share of the floor, and a plot that is well-formed SVG."""

from xml.etree import ElementTree as ET

from benchmarks.plot import Line, plot
from benchmarks.ratios import table


def result(label: str, scenario: str, rps: float, **more: float) -> dict[str, object]:
    return {"label": label, "scenario": scenario, "concurrency": 16, "rps": rps, "p50_ms": 1, "p99_ms": 2, "errors": 0, **more}  # fmt: skip


def test_a_figure_stands_beside_its_goal_and_the_floor() -> None:
    told = table([result("yiyang", "read_obs", 6000), result("floor", "read_obs", 8000)])
    assert told.splitlines()[-1] == "| read_obs | 16 | 6,000 | 1 | 2 | 5,000 | 8,000 | 75% | 0 |"


def test_transactions_are_told_in_resources_and_a_missing_floor_is_left_empty() -> None:
    told = table([result("yiyang", "txn_synthea", 40, resources_per_s=3318.4)])
    assert told.splitlines()[-1] == "| txn_synthea | 16 | 3,318 | 1 | 2 | 3,000 |  |  | 0 |"


def test_a_plot_has_one_colour_for_a_family_and_dashes_for_its_second_line() -> None:
    lines = [Line("search p50", [(10, 1), (100, 2)]), Line("search p99", [(10, 3), (100, 4)])]
    drawn = ET.fromstring(plot("a < b", "rows", "ms", lines))  # noqa: S314 - our own text
    first, second = drawn.iter("{http://www.w3.org/2000/svg}polyline")
    assert first.get("stroke") == second.get("stroke")
    assert (first.get("stroke-dasharray"), second.get("stroke-dasharray")) == (None, "6 4")
