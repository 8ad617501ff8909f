"""`yiyang migrate`: https://alembic.sqlalchemy.org/en/latest/api/commands.html#alembic.command.upgrade"""

from argparse import Namespace

from yiyang.command import Commands, add_command
from yiyang.place import add_place, database, upgrade
from yiyang.schema import migrate

__all__ = ["migrate", "register", "run"]


def register(commands: Commands) -> None:
    add_place(
        add_command(commands, "migrate", run, "把数据库升级到最新结构 · bring the database to the newest migration")
    )


def run(arguments: Namespace) -> int:
    with database(arguments) as url:
        upgrade(url)
    print("数据库结构已是最新 · the database is at the newest migration")
    return 0
