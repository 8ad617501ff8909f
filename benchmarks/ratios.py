"""The figures of one run beside the floor's of the same run, and what was asked for (issue "The engine is R4, completely and correctly, and fast").

`python -m benchmarks.ratios results.jsonl`: lines of the load script under the labels `yiyang` and `floor`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

GOALS: Final = {
    "read_patient": 5000,
    "read_obs": 5000,
    "create_obs": 2000,
    "create_patient": 1500,
    "update_patient": 1500,
    "search_obs": 2400,
    "search_name": 2400,
    "txn_synthea": 3000,
}
HEAD: Final = (
    "| Scenario | c | Per second | p50 ms | p99 ms | Goal | Floor | Of the floor | Errors |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)

Result = Mapping[str, Any]


def table(results: Iterable[Result]) -> str:
    """Transactions are told in resources per second."""
    by_label: dict[str, dict[tuple[str, int], Result]] = {"yiyang": {}, "floor": {}}
    for each in results:
        by_label[each["label"]][each["scenario"], each["concurrency"]] = each
    rows = (_row(key, own, by_label["floor"].get(key)) for key, own in by_label["yiyang"].items())
    return "\n".join([HEAD, *rows])


def _row(key: tuple[str, int], own: Result, floor: Result | None) -> str:
    scenario, concurrency = key
    under = f"{_rate(floor):,.0f} | {_rate(own) / _rate(floor):.0%}" if floor and _rate(floor) else " | "
    goal = f"{GOALS[scenario]:,}" if scenario in GOALS else ""
    return (
        f"| {scenario} | {concurrency} | {_rate(own):,.0f} | {own['p50_ms']} | {own['p99_ms']} | {goal} | {under} "
        f"| {own['errors'] + (floor['errors'] if floor else 0)} |"
    )


def _rate(result: Result) -> float:
    return float(result.get("resources_per_s", result["rps"]))


def main(path: Path) -> None:
    print(table(json.loads(line) for line in path.read_text().splitlines()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
