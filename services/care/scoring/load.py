"""The instruments: those in `services/care/definitions`, and those of a folder of one's own, which come before them."""

from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from services.care.definition_files import check, decoded, definition_files
from services.care.scoring.check import problems
from services.care.scoring.instrument import Instrument


@cache
def load_instruments(folder: Path | None = None) -> Mapping[str, Instrument]:
    """Every instrument by its URL. Raise DefinitionError at the first file that is wrong."""
    instruments = map(read_instrument, definition_files("services.care", folder))
    return {instrument.url: instrument for instrument in instruments}


def read_instrument(file: Traversable) -> Instrument:
    instrument: Instrument = decoded(file, Instrument)
    check(file, instrument.name, problems(instrument))
    return instrument
