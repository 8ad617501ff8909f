"""A body that is not one plain JSON object is refused with one exact issue: http://hl7.org/fhir/R4/json.html"""

from decimal import Decimal

import pytest

from services.fhir.outcomes import FhirError, Issue
from services.fhir.validation import parse


def refusal(body: bytes, expected_type: str | None = "Patient") -> Issue:
    with pytest.raises(FhirError) as caught:
        parse(body, expected_type)
    assert caught.value.status == 400
    (issue,) = caught.value.issues
    assert issue.text
    return issue


def test_numbers_keep_their_digits() -> None:
    body = b'{"resourceType":"Basic","a":1.00,"b":12345678901234567890.12345,"c":1.0E+2,"d":19,"e":0.010}'
    values = parse(body, "Basic")
    assert [str(values[name]) for name in "abcde"] == ["1.00", "12345678901234567890.12345", "1.0E+2", "19", "0.010"]
    assert (type(values["a"]), type(values["d"])) == (Decimal, int)


def test_rare_characters_are_ordinary_text() -> None:
    text = "𠮷野家 e\u0301 👵🏻"
    assert parse(f'{{"resourceType":"Basic","text":"{text}"}}'.encode(), None)["text"] == text
    assert parse(rb'{"resourceType":"Basic","text":"\ud842\udfb7 \\u0000"}', None)["text"] == "𠮷 \\u0000"


@pytest.mark.parametrize(
    ("body", "code", "expression"),
    [
        (b"", "structure", ()),
        (b"{", "structure", ()),
        (b'{"resourceType":"Patient"} x', "structure", ()),
        (b'{"resourceType":"Patient",}', "structure", ()),
        (b"{'resourceType':'Patient'}", "structure", ()),
        (b'\xef\xbb\xbf{"resourceType":"Patient"}', "structure", ()),
        (b'{"resourceType":"Patient","id":"\xff"}', "structure", ()),
        (b'\xff\xfe{\x00"\x00}\x00', "structure", ()),
        (b'{"resourceType":"Patient","active":true,"active":true}', "structure", ("Patient.active",)),
        (
            b'{"resourceType":"Patient","contact":[{"name":{"text":"a","text":"b"}}]}',
            "structure",
            ("Patient.contact[0].name.text",),
        ),
        (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', "structure", ("Patient.multipleBirth",)),
        (b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}', "structure", ("Patient.multipleBirth",)),
        (rb'{"resourceType":"Patient","name":[{"given":["x","\ud800"]}]}', "structure", ("Patient.name[0].given[1]",)),
        (rb'{"resourceType":"Patient","name":[{"text":"\udc00"}]}', "structure", ("Patient.name[0].text",)),
        (b'{"resourceType":"Patient","name":[{"text":"\xed\xa0\x80"}]}', "structure", ("Patient.name[0].text",)),
        (rb'{"resourceType":"Patient","name":[{"text":"a\u0000"}]}', "value", ("Patient.name[0].text",)),
        (rb'{"resourceType":"Patient","\u0000":1}', "value", ("Patient",)),
        (b'{"resourceType":"Patient","id":"a\x00"}', "structure", ()),
        (b'{"resourceType":"Patient","a":1e99999999999999999999}', "value", ()),
        (b'{"resourceType":"Patient","a":' + b"9" * 5000 + b"}", "value", ()),
        (b"[]", "structure", ()),
        (b"null", "structure", ()),
        (b'"Patient"', "structure", ()),
        (b"{}", "required", ("resourceType",)),
        (b'{"resourceType":null}', "required", ("resourceType",)),
        (b'{"resourceType":["Patient"]}', "structure", ("resourceType",)),
        (b'{"resourceType":"DomainResource"}', "structure", ("resourceType",)),
        (b'{"resourceType":"Observation"}', "invalid", ("resourceType",)),
    ],
)
def test_each_fault_has_its_issue(body: bytes, code: str, expression: tuple[str, ...]) -> None:
    issue = refusal(body)
    assert (issue.code, issue.expression) == (code, expression)


def nested(levels: int) -> bytes:
    return b'{"resourceType":"Patient","a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_nesting_is_bounded_and_never_overflows_the_stack() -> None:
    parse(nested(64), "Patient")
    for levels in (65, 199, 300, 100_000):
        assert refusal(nested(levels)).code == "too-costly"
    assert refusal(b'{"a":1,"a":2,"b":' * 900 + b"1" + b"}" * 900).code in {"structure", "too-costly"}


def test_brackets_in_a_string_are_not_levels() -> None:
    parse(b'{"resourceType":"Patient","a":"' + b"[" * 500 + b'"}', "Patient")


def test_a_fault_in_a_large_body_is_found_too() -> None:
    filler = b'"' + b"x" * 2_000_000 + b'"'
    assert refusal(rb'{"resourceType":"Patient","a":"\u0000","b":' + filler + b"}").code == "value"


def test_the_answer_repeats_nothing_of_the_body() -> None:
    body = '{"resourceType":"Patient","王秀英":1,"王秀英":2}'.encode()
    issue = refusal(body)
    assert "王" not in issue.diagnostics + issue.text + "".join(issue.expression)
    assert refusal('{"resourceType":"王秀英"}'.encode()).diagnostics == "The resourceType is not a type of R4"
