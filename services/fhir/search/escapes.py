r"""The escapes `\,` `\|` `\$` `\\` of search values: http://hl7.org/fhir/R4/search.html#escaping"""

import re

_ESCAPED = re.compile(r"\\([,|$\\])")


def split(text: str, sign: str) -> list[str]:
    """Split at the signs that are not escaped; the parts keep their escapes."""
    if "\\" not in text:
        return text.split(sign)
    parts = [""]
    for piece in re.split(r"(\\.|[,|$])", text):
        if piece == sign:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
