"""Where a command works: `--data DIR` or `--database URL`, beside a running server or alone: docs/operations.md"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from yiyang.command import CommandError
from yiyang.installation import Installation, Secrets
from yiyang.postgres import Cluster, ClusterError
from yiyang.schema import migrate

DATA_DIR: Final = Path(".yiyang")


def add_place(parser: ArgumentParser) -> None:
    """The two options of every command that needs the database."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help=f"数据目录，默认 {DATA_DIR} · data folder with its own PostgreSQL"
    )
    parser.add_argument("--database", metavar="URL", help="改用此 PostgreSQL · use this PostgreSQL: postgresql://…")


def installation(arguments: Namespace) -> Installation:
    return Installation(arguments.data or DATA_DIR)


@contextmanager
def database(arguments: Namespace) -> Iterator[str]:
    """The URL of the database while the block lasts: named, configured, or the data folder's own, then migrated too."""
    if url := configured_database(arguments):
        yield url
        return
    cluster = Cluster(installation(arguments).folder)
    start(cluster)
    try:
        upgrade(cluster.url)
        yield cluster.url
    finally:
        cluster.stop()


def configured_database(arguments: Namespace) -> str | None:
    """The database that was named, by option or by configuration; None means the data folder's own."""
    if arguments.database or arguments.data:
        return arguments.database or None
    return Secrets().database_url


def start(cluster: Cluster, own_within: float = 0) -> None:
    try:
        cluster.ensure(own_within)
    except ClusterError as error:
        raise CommandError("内置 PostgreSQL 无法启动", f"the embedded PostgreSQL does not start: {error}") from error


def upgrade(url: str) -> None:
    """Migrate; what fails is told in one line."""
    try:
        migrate(url)
    except (OSError, ValueError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CommandError("数据库无法连接或升级", f"the database cannot be reached or migrated: {reason}") from error
