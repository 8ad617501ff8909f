"""Draw the table of Han characters from pypinyin and OpenCC: `python -m services.fhir.han.generate` (needs the desk tools).

https://github.com/mozillazg/python-pinyin (MIT), https://github.com/BYVoid/OpenCC (Apache-2.0). A table that lies in the repository changes
only when somebody looks: what is in an index was made by it (docs/adr/0028).
"""

import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Final

import msgspec
import opencc
from pypinyin.pinyin_dict import pinyin_dict

_BLOCKS: Final = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00))
_TABLE: Final = Path(__file__).with_name("table.json")


def table() -> dict[str, dict[str, str]]:
    """`readings` from a syllable without tone to its characters, by their most common reading; `simple` from a simplified character to others."""
    readings: dict[str, str] = defaultdict(str)
    simple: dict[str, str] = defaultdict(str)
    to_simplified = opencc.OpenCC("t2s").convert
    for code in (code for block in _BLOCKS for code in block):
        character = chr(code)
        if said := pinyin_dict.get(code):
            readings[_plain(said.partition(",")[0])] += character
        if (other := to_simplified(character)) != character and len(other) == 1:
            simple[other] += character
    return {"readings": dict(sorted(readings.items())), "simple": dict(sorted(simple.items()))}


def _plain(syllable: str) -> str:
    """Without tone; ü is u, as in an index without accents."""
    letters = unicodedata.normalize("NFKD", syllable)
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


def main() -> None:
    _TABLE.write_bytes(msgspec.json.format(msgspec.json.encode(table()), indent=1) + b"\n")


if __name__ == "__main__":
    main()
