"""How long audit rows are kept: logs at least six months (网络安全法 Art. 21), consents and emergencies three years (PIPL Art. 56)."""

from datetime import datetime
from typing import Final

import msgspec

from services.fhir.audit.chain import Sealing
from services.kit.crypto import mac

LEAST_MONTHS: Final = 6
LEAST_LASTING_MONTHS: Final = 36


class Pruned(msgspec.Struct, frozen=True):
    """Through which block rows were deleted, signed: a row that is missing before is no loss."""

    number: int
    at: datetime
    through: int
    lasting_through: int
    algorithm: str
    key: str
    mac: bytes

    def covers(self, block: int, *, is_lasting: bool) -> bool:
        return block <= (self.lasting_through if is_lasting else self.through)


def signed(number: int, at: datetime, through: int, lasting_through: int, by: Sealing) -> Pruned:
    said = (number, at, through, lasting_through)
    return Pruned(*said, by.algorithm, by.name, _mac(said, by.algorithm, by.key))


def is_valid(pruned: Pruned, by: Sealing) -> bool:
    said = (pruned.number, pruned.at, pruned.through, pruned.lasting_through)
    return pruned.mac == _mac(said, pruned.algorithm, by.key)


def check_months(months: int, lasting_months: int) -> None:
    if months < LEAST_MONTHS or lasting_months < LEAST_LASTING_MONTHS or lasting_months < months:
        raise ValueError(f"logs are kept {LEAST_MONTHS} months and consents {LEAST_LASTING_MONTHS} months, at least")


def _mac(said: tuple[int, datetime, int, int], algorithm: str, key: bytes) -> bytes:
    return mac(algorithm, key, b"pruned" + msgspec.json.encode(said))
