"""What every command is: a name, its options, a function that returns the exit code: https://docs.python.org/3/library/argparse.html"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

Run = Callable[[Namespace], int]
Commands = Any  # argparse's subparsers action, whose class is private


class CommandError(Exception):
    """A command cannot do what it was asked; one line for people, Chinese and English."""

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(f"{chinese} · {english}")


def add_command(commands: Commands, name: str, run: Run, about: str) -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(run=run)
    return parser
