"""The QR code of an address (ISO/IEC 18004), as an SVG for the screen and for paper: https://segno.readthedocs.io/

It holds the bare address: whoever follows it has to log in like anyone else.
"""

import io
from typing import Final

import segno

MASK: Final = 3
"""Any of the eight can be read; to look for the most even one takes ten times as long."""


def code_of(url: str, *, is_inline: bool) -> str:
    """Empty where there is no address."""
    if not url:
        return ""
    code = segno.make_qr(url, error="m", mask=MASK)
    if is_inline:
        return code.svg_inline(border=2, svgclass=None, lineclass=None, omitsize=True, title="二维码 · QR code")
    out = io.BytesIO()
    code.save(out, kind="svg", border=2)
    return out.getvalue().decode()
