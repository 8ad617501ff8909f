"""Registers a client where a containerised server runs, as its operator does: through `yiyang client add` beside it.

Nothing secret travels: only public keys go in. https://docs.docker.com/reference/cli/docker/compose/exec/
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from yiyang.command import CommandError

COMPOSE: Final = ("docker", "compose")
IN_GATEWAY: Final = (*COMPOSE, "exec", "-T", "gateway", "yiyang")
SECONDS: Final = 60


def find_operator() -> tuple[str, ...]:
    """The way into the gateway's container, when it runs from the compose file of this folder."""
    if shutil.which(COMPOSE[0]):
        running = _run((*COMPOSE, "ps", "--quiet", "--status", "running", "gateway"), "")
        if running.returncode == 0 and running.stdout.strip():
            return IN_GATEWAY
    raise CommandError(
        "不知道如何在该服务处登记演示系统",
        "no way to register the demo's clients with that server: give --data or --database, or --operator COMMAND",
    )


def register_through(operator: Sequence[str], name: str, organization: str, scopes: str, jwks: dict[str, Any]) -> None:
    """Run `client add` there, with the public keys on standard input."""
    command = (*operator, "client", "add", name, "--organization", organization, "--scopes", scopes, "--jwks", "-")
    done = _run(command, json.dumps(jwks))
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise CommandError("登记演示系统失败", f"{' '.join(operator)} client add: {reason}")


def _run(command: Sequence[str], text: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError("命令无法执行", f"{command[0]}: {error}") from error
