"""The instruments: those in `services/care/definitions`, and those of a folder of one's own, which come before them."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from services.care.scoring.check import problems
from services.care.scoring.instrument import Instrument


class InstrumentError(ValueError):
    """A file that is no instrument; the message names the file and what to mend."""


@cache
def load_instruments(folder: Path | None = None) -> Mapping[str, Instrument]:
    """Every instrument by its URL. Raise InstrumentError at the first file that is wrong."""
    folders: list[Traversable] = [files("services.care").joinpath("definitions"), *([folder] if folder else [])]
    found = {}
    for each in folders:
        for file in sorted(each.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".json"):
                instrument = read_instrument(file)
                found[instrument.url] = instrument
    return found


def read_instrument(file: Traversable) -> Instrument:
    try:
        instrument = msgspec.json.decode(file.read_bytes(), type=Instrument)
    except msgspec.DecodeError as error:
        raise InstrumentError(f"{file.name}: {error}") from error
    wrong = list(problems(instrument))
    if file.name != f"{instrument.name}.json":
        wrong.append(f"the file must be called {instrument.name}.json")
    if wrong:
        raise InstrumentError(f"{file.name}: " + "; ".join(wrong))
    return instrument
