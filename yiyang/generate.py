"""`yiyang generate`: a made-up county, into files or into a running server (docs/operations.md)."""

import asyncio
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import httpx

from yiyang.command import Commands, add_command
from yiyang.demo import credentials_of, registering
from yiyang.place import add_place, installation
from yiyang.population.county import County
from yiyang.population.files import Bundles, Ndjson, directory, of_elder
from yiyang.population.loading import SCOPES, Loader
from yiyang.population.records import kept
from yiyang.population.settling import settle
from yiyang.progress import Progress
from yiyang.story.elements import CHINA, Json
from yiyang.token import fhir_base

ELDERS: Final = 500
TIMEOUT_SECONDS: Final = 120
_SAYS: Final = "生成 · generating"


def register(commands: Commands) -> None:
    parser = add_command(commands, "generate", run, "生成一个虚构的县 · make a county that does not exist")
    parser.add_argument(
        "--elders", type=int, default=ELDERS, metavar="N", help=f"老年人数，默认 {ELDERS} · how many elders"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="换一个县 · another county, default 1")
    parser.add_argument(
        "--day", type=date.fromisoformat, metavar="DATE", help="记录截止日，默认今天 · the last day that is recorded"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="写入文件夹 · write files: one NDJSON a resource type"
    )
    parser.add_argument("--bundles", action="store_true", help="改写为事务，每行一个 · a transaction a line instead")
    parser.add_argument("--base", metavar="URL", help="写入正在运行的服务 · load into a running server")
    parser.add_argument("--operator", metavar="COMMAND", help="在该服务处登记系统的命令 · as for `yiyang demo`")
    add_place(parser)


def run(arguments: Namespace) -> int:
    county = County(arguments.elders, arguments.seed)
    now = datetime.combine(arguments.day, time(12), CHINA) if arguments.day else datetime.now(UTC)
    if arguments.base:
        _load(county, now, arguments)
    else:
        folder = arguments.output or Path(f"county-{arguments.seed}")
        _write(county, now, folder, Bundles if arguments.bundles else Ndjson)
        print(folder)
    return 0


def _elders(county: County, now: datetime) -> Iterator[tuple[str, Json]]:
    for number in range(county.elders):
        one = kept(number, county, now)
        yield one.institution.id, of_elder(one.resources)


def _write(county: County, now: datetime, folder: Path, form: type[Ndjson | Bundles]) -> None:
    progress = Progress(county.elders, _SAYS)
    with form(folder) as files:
        for _, bundle in directory(county):
            files.write(bundle)
        for _, bundle in _elders(county, now):
            progress.advance(1, files.write(bundle))


def _load(county: County, now: datetime, arguments: Namespace) -> None:
    home, base = installation(arguments), fhir_base(arguments.base)
    with registering(arguments) as add:

        async def load() -> None:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
                await settle(
                    Loader(http, base, lambda name: credentials_of(home, add, name, name, SCOPES)), county, now
                )

        asyncio.run(load())
