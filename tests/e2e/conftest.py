"""One server for all of them; a test that kills it starts it again."""

from collections.abc import Iterator

import pytest

from tests.e2e.servers import Server, running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", workers=2) as server:
        yield server
