"""Settings of the embedded server: durable, scaled to the machine: https://www.postgresql.org/docs/18/runtime-config.html"""

import os
from typing import Final

_MB: Final = 1024 * 1024


def memory() -> int:
    """Bytes of physical memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def settings(memory_bytes: int) -> dict[str, str]:
    """What differs from PostgreSQL's defaults, for a machine of this size."""
    megabytes = memory_bytes // _MB
    return {
        # durable: an answered write survives kill -9 and a power cut
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # one door: the socket in a folder that only its owner opens
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        # size
        "shared_buffers": f"{_between(128, megabytes // 8, 2048)}MB",
        "effective_cache_size": f"{_between(256, megabytes // 3, 8192)}MB",
        "work_mem": f"{_between(4, megabytes // 1024, 16)}MB",
        "maintenance_work_mem": f"{_between(64, megabytes // 32, 256)}MB",
        "max_wal_size": f"{_between(512, megabytes // 4, 4096)}MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # a log never holds personal data: no statement, no parameter, no DETAIL
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
    }


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))
