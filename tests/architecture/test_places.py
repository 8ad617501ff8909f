"""No file names a place: no package registry, no machine's folders; the code runs wherever it is cloned."""

import re

import pytest

from tests.architecture import tree

# Written in pieces, so that this file does not name them either.
REGISTRIES = re.compile(
    "|".join(
        f"{name}\\.{zone}"
        for name, zone in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry\\.npmjs", "org"),
            ("docker", "io"),
            ("ghcr", "io"),
            ("quay", "io"),
            ("deb\\.debian", "org"),
            ("tuna\\.tsinghua\\.edu", "cn"),
            ("aliyun", "com"),
        )
    )
    + "|--(extra-)?index-url[ =]|--find-links[ =]"
)
MACHINE_PATHS = re.compile(r"(?<![\w.\-/])/(?:work|root|home|Users)/[\w.]")
TEXT = {"", ".cfg", ".ini", ".lua", ".mako", ".md", ".py", ".sh", ".sql", ".svg", ".toml", ".txt", ".yaml", ".yml"}


def _lines(pattern: re.Pattern[str]) -> list[str]:
    texts = (
        (path, (tree.ROOT / path).read_text(encoding="utf-8", errors="replace"))
        for path in tree.files()
        if path.suffix in TEXT
    )
    return [f"{path}: {match.group()}" for path, text in texts for match in pattern.finditer(text)]


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registries", "machine paths"])
def test_no_file_names_a_place(pattern: re.Pattern[str]) -> None:
    assert _lines(pattern) == []
