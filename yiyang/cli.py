"""The command line: one module per command, one line per error: https://docs.python.org/3/library/argparse.html"""

import sys
from argparse import ArgumentParser

from yiyang import (
    account,
    audit,
    clients,
    demo,
    generate,
    key,
    keys,
    migrate,
    push,
    serve,
    token,
    up,
    verify_audit,
)
from yiyang.command import CommandError
from yiyang.installation import load_secret_files
from yiyang.v2 import command as v2

COMMANDS = (up, demo, generate, push, clients, account, key, keys, token, migrate, serve, verify_audit, audit, v2)


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="yiyang", description="医养：医院、养老院、社区卫生机构之间的 FHIR R4 数据共享 · FHIR R4 data sharing"
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the command failed, 2 wrong usage, 130 interrupted."""
    load_secret_files()
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except CommandError as error:
        print(f"yiyang {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
