"""Who stands behind a connection of MLLP: docs/v2.md"""

from pathlib import Path

import pytest

from yiyang.command import CommandError
from yiyang.v2.senders import Sender, fingerprint, read_senders

HEADER = ["MSH", "^~\\&", "LIS", "K0001", "YIYANG"]


@pytest.mark.parametrize(("address", "is_let_in"), [("10.1.2.3", True), ("10.2.0.1", False), ("fd00::1", True)])
def test_an_address_lies_in_one_of_the_networks(address: str, *, is_let_in: bool) -> None:
    sender = Sender("his", addresses=("10.1.0.0/16", "fd00::/8"))
    assert sender.may_connect(address, None) is is_let_in


def test_a_certificate_is_known_by_its_fingerprint_and_the_address_still_counts() -> None:
    sender = Sender("his", addresses=("10.1.0.0/16",), certificate=fingerprint(b"der"))
    assert sender.may_connect("10.1.0.1", b"der")
    assert not sender.may_connect("10.1.0.1", None)
    assert not sender.may_connect("10.1.0.1", b"another")
    assert not sender.may_connect("10.2.0.1", b"der")


@pytest.mark.parametrize(
    ("facility", "is_of"), [("", True), ("K0001", True), ("LIS|K0001", True), ("HIS|K0001", False)]
)
def test_a_facility_tells_senders_of_one_address_apart(facility: str, *, is_of: bool) -> None:
    assert Sender("lis", facility=facility).is_of(HEADER) is is_of


@pytest.mark.parametrize(
    "text",
    [
        '{"senders": []}',
        '{"senders": [{"client": "his", "facility": "K0001"}]}',
        '{"senders": [{"client": "his", "addresses": ["here"]}]}',
        '{"senders": [{"client": "his", "address": "10.1.2.3"}]}',
        "{",
    ],
)
def test_a_file_that_would_let_in_whom_nobody_knows_is_refused(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "senders.json").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError):
        read_senders(file)
