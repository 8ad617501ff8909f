"""The Bruno collection is true: each of its requests is performed against a running server, in its order (docs/bruno)."""

import json
import re
import time
from pathlib import Path

import httpx

from gateway.backend_client import client_assertion
from tests.bruno import Bruno
from tests.care_records import care_examples
from tests.e2e.desk import HOME, furnish
from tests.e2e.servers import Server
from yiyang.installation import Installation

FOLDER = Path(__file__).parents[2] / "docs" / "bruno"
REQUESTS = sorted(FOLDER.glob("*.bru"))


async def test_each_request_of_the_collection_is_answered_as_it_says(server: Server) -> None:
    await furnish(server)
    token_url = f"{server.root}/auth/token"
    keys = Installation(server.data_dir).client_keys(HOME)
    assertion = client_assertion(HOME, keys.kid, keys.private_key, token_url, time.time())
    bruno = Bruno(base=server.base, tokenUrl=token_url, assertion=assertion)
    async with httpx.AsyncClient(timeout=60) as http:
        for file in REQUESTS:
            await bruno.perform(file, http)
    assert {"patient", "receipt", "task"} <= bruno.variables.keys()


def test_the_collection_is_one_that_bruno_opens() -> None:
    assert json.loads((FOLDER / "bruno.json").read_text(encoding="utf-8"))["type"] == "collection"
    numbers = [
        int(match[1]) for file in REQUESTS if (match := re.search(r"^  seq: (\d+)$", file.read_text(), re.MULTILINE))
    ]
    assert numbers == list(range(1, len(REQUESTS) + 1))
    environment = (FOLDER / "environments" / "local.bru").read_text(encoding="utf-8")
    assert re.findall(r"^  (\w+)", environment, re.MULTILINE) == ["base", "tokenUrl", "assertion"]


def test_what_it_ingests_are_the_examples_of_the_page() -> None:
    text = (FOLDER / "05-ingest.bru").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines() if line.startswith('  {"resourceType"')] == care_examples()
