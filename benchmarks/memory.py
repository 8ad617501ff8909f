"""How much memory each worker of a server has for itself: https://docs.kernel.org/filesystems/proc.html (smaps_rollup, Pss).

`python -m benchmarks.memory PID` prints the proportional set size of the process and of each of its descendants.
"""

import sys
from collections.abc import Iterator
from pathlib import Path


def descendants(ancestor: int) -> Iterator[int]:
    """A process and all below it, parents first."""
    yield ancestor
    for task in Path(f"/proc/{ancestor}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from descendants(int(child))


def pss_mb(pid: int) -> float:
    """Pages that several processes share count by their share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def main(ancestor: int) -> None:
    print("| Process | PSS MB |\n|---|--:|")
    for pid in descendants(ancestor):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        kind = "supervisor" if pid == ancestor else "worker" if "spawn_main" in command else "helper"
        print(f"| {kind} | {pss_mb(pid):.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]))
