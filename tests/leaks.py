"""What no log line and no refusal may hold: a token, a 公民身份号码, the name of a person: docs/security.md"""

import re
from typing import Final

from services.fhir.national_ids import holds_national_id

TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.")
NAMES: Final = ("王秀英", "张秀英", "李秀英", "王建国", "张三", "李四", "王五")
"""Of the people in the tests' resources."""


def leaks(text: str) -> list[str]:
    """The kinds of what was told, never the thing itself."""
    told = {
        "a token": TOKEN.search(text) is not None,
        "a national ID": holds_national_id(text),
        "a name": any(name in text for name in NAMES),
    }
    return [kind for kind, is_told in told.items() if is_told]
