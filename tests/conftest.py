"""The database of a test run, found or started once, and emptied for each test that asks for it.

TEST_DATABASE_URL names one; else a container where an engine has the image; else the embedded cluster.
YIYANG_TEST_DATABASE=embedded goes straight to the last.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests import evidence
from yiyang.migrate import migrate
from yiyang.postgres import Cluster

IMAGE = "postgres:17"


def pytest_configure() -> None:
    evidence.begin()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    evidence.end(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the whole run told and should not have (docs/security.md)."""
    for told in config.stash.get(evidence.FOUND, []):
        terminalreporter.write_line(f"LEAKED {told}", red=True)


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server in which databases may be made."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
    elif os.environ.get("YIYANG_TEST_DATABASE") != "embedded" and _engine_has_image():
        with _container() as url:
            yield url
    else:
        with _embedded(tmp_path_factory.mktemp("cluster")) as url:
            yield url


@pytest.fixture(scope="session")
def database_url(database_server: str) -> Iterator[str]:
    """A fresh database, migrated to the head."""
    name = f"yiyang_test_{secrets.token_hex(6)}"
    asyncio.run(_execute(database_server, f'CREATE DATABASE "{name}"'))
    url = urlsplit(database_server)._replace(path=f"/{name}").geturl()
    migrate(url)
    yield url
    asyncio.run(_execute(database_server, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def clean_database(database_url: str) -> str:
    """The database, without the rows of the tests before."""
    await _empty(database_url)
    return database_url


async def _empty(url: str) -> None:
    """Truncate what holds rows: a few tables of several hundred."""
    connection = await asyncpg.connect(url)
    try:
        filled = await connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version' "
            "AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') "
            "AND pg_relation_size(oid) > 0"
        )
        if filled:
            await connection.execute(f"TRUNCATE {', '.join(row['name'] for row in filled)}")
    finally:
        await connection.close()


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _engine_has_image() -> bool:
    """Only an image that is here already: a test run downloads nothing."""
    import docker  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    try:
        client = docker.from_env(timeout=5)
        client.images.get(IMAGE)
    except DockerException:
        return False
    client.close()
    return True


@contextmanager
def _container() -> Iterator[str]:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its reaper is another image
    from testcontainers.community.postgres import PostgresContainer

    initdb = "--locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8"
    container = PostgresContainer(IMAGE, driver=None).with_env("POSTGRES_INITDB_ARGS", initdb)
    with container.with_command("postgres -c fsync=off -c max_connections=200"):
        yield container.get_connection_url()


@contextmanager
def _embedded(data_dir: Path) -> Iterator[str]:
    cluster = Cluster(data_dir, {"fsync": "off", "shared_buffers": "128MB"})  # its rows die with the run
    cluster.ensure()
    yield cluster.url
    cluster.stop()
    evidence.keep_logs(data_dir)
