"""The page for curl is true: its commands are run against a running server as they stand there (docs/curl.md)."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.clients.javascript import do_without
from tests.e2e.desk import HOME, furnish
from tests.e2e.servers import Server
from yiyang.installation import Installation

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = ("bash", "curl", "openssl", "jq")


async def test_the_commands_of_the_page_do_what_it_says(server: Server, tmp_path: Path) -> None:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        do_without(f"not on this machine: {missing}")
    await furnish(server)
    keys = Installation(server.data_dir).client_keys(HOME)
    key = tmp_path / "key.pem"
    key.write_text(keys.private_key)
    blocks = BLOCK.findall((ROOT / "docs" / "curl.md").read_text(encoding="utf-8"))
    script = "\necho ===\n".join(blocks).replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the page's own place
    variables = {"BASE": server.base, "CLIENT": HOME, "KID": keys.kid, "KEY": str(key), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, created, found, receipts, again, referred = done.stdout.split("===\n")
    assert found.strip() in created
    told = receipts.strip().splitlines()
    assert len(told) == 5
    assert all(line.startswith(("201 Created  ", "200 OK  ")) for line in told), receipts
    assert again.strip() == "5"
    assert '"state": "submitted"' in referred
