"""A PostgreSQL of its own for one measurement, on the settings that every measured server gets (benchmarks/README.md).

`python -m benchmarks.database FOLDER` prints the postmaster's pid and the URL, and keeps the server until its standard input closes.
"""

import sys
from pathlib import Path
from typing import Final

from yiyang.postgres import Cluster
from yiyang.postgres.folders import Folders

SETTINGS: Final = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


def main(folder: Path) -> None:
    cluster = Cluster(folder, SETTINGS)
    cluster.ensure()
    try:
        print(Folders(folder).pid_lines()[0], cluster.url, flush=True)
        sys.stdin.read()
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
